"""Contenders side by side at one length: who is timed when, and what is left out."""

import os
import statistics

from benchmarks.contenders import REFERENCES
from benchmarks.workers import BASE_LENGTH, Worker, WorkerError

_SLOW = 3.0  # seconds for a step, from which on rounds are saved
_FEWEST = 3
_HELD = 1 / 8  # share of the memory limit that a process may hold while others are called


def rounds(seconds, most):
    """How often a step of so many seconds is called: `most`, or down to three if it is slow."""
    return min(most, max(_FEWEST, int(most * _SLOW / max(seconds, _SLOW))))


def median_ratio(samples, reference):
    """Median over the rounds of the time over the reference's in the same round.

    What else the machine does falls on neighbours alike, so it cancels out of their ratio.

    Returns:
        The ratio, or None if there is no round that both took part in.
    """
    pairs = zip(samples, reference, strict=False)
    ratios = [own["seconds"] / other["seconds"] for own, other in pairs]
    return statistics.median(ratios) if ratios else None


def left_out(contender, length, mode, memory_limit, earlier=()):
    """Why a contender does not run at a length, or None.

    Args:
        contender: A `Contender`.
        length: T.
        mode: "forward" or "training".
        memory_limit: In GiB, for the estimate of its largest arrays.
        earlier: Results so far; what was over a limit is not tried at a greater length.
    """
    gib = contender.estimate(length, mode) / 2**30
    if gib > memory_limit:
        return f"needs about {gib:.0f} GiB"
    for result in earlier:
        note = result["note"]
        if note and (result["contender"], result["mode"]) == (contender.name, mode):
            return note if " at " in note else f"{note} at {result['length']}"
    return None


class Race:
    """The processes of all contenders, kept from one length to the next.

    Args:
        contenders: A list of `Contender`.
        config: The configuration.
    """

    def __init__(self, contenders, config):
        self.contenders = contenders
        self.config = config
        self.workers = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for worker in self.workers.values():
            worker.close()

    def run(self, length, mode, earlier):
        """Times all contenders in turn, round by round, and measures the memory of each.

        Returns:
            A list of results, as `layers.json` has them.
        """
        results = {
            contender.name: {
                "contender": contender.name,
                "family": contender.family,
                "mode": mode,
                "length": length,
                "note": left_out(contender, length, mode, self.config.memory_limit, earlier),
                "samples": [],
                "seconds": None,
                "cpu_seconds": None,
                "ratios": {"keras": None, "torch": None},
                "memory_mib": None,
            }
            for contender in self.contenders
        }
        self._time(results, length, mode)
        _summarize(results)
        if self.config.memory and length > BASE_LENGTH:
            self._measure_memory(results, length, mode)
        return list(results.values())

    def _time(self, results, length, mode):
        racing = [c for c in self.contenders if results[c.name]["note"] is None]
        for contender in racing:  # All start at once, and none is timed before all have.
            self._worker(contender)
        turns = {}
        for contender in racing:
            warm = self._call(contender, results[contender.name], "prepare")
            turns[contender.name] = rounds(warm["seconds"], self.config.rounds) if warm else 0
        for turn in range(self.config.rounds):
            for contender in racing:
                result = results[contender.name]
                if turn < turns[contender.name] and result["note"] is None:
                    sample = self._call(contender, result, "measure")
                    result["samples"] += [sample] if sample else []

    def _call(self, contender, result, what):
        """One call of a contender, in its process or, if that was ended, in a new one."""
        worker = self._worker(contender)
        place = {"length": result["length"], "mode": result["mode"]}
        answer = None
        if what == "prepare" or worker.prepared != place:
            answer = self._ask(worker, result, "prepare", **place)
            if answer is None:
                return None
        if what == "measure":
            answer = self._ask(worker, result, "measure")
        if answer:
            worker.prepared = place
            # TensorFlow never gives memory back, and there are many processes: to start one again
            # takes seconds, but only where a step does too.
            if answer.pop("held") > self.config.memory_limit * 2**30 * _HELD:
                worker.close()
        return answer

    def _worker(self, contender):
        worker = self.workers.get(contender.name)
        if worker is None or not worker.alive:
            worker = self.workers[contender.name] = self._start(contender)
        return worker

    def _measure_memory(self, results, length, mode):
        """A process for each contender, mode and length; as many get started at once as cores."""
        racing = [c for c in self.contenders if results[c.name]["note"] is None]
        cores = os.cpu_count() or 1
        for first in range(0, len(racing), cores):
            group = racing[first : first + cores]
            workers = {contender.name: self._start(contender) for contender in group}
            try:
                for name, worker in workers.items():
                    answer = self._ask(worker, results[name], "memory", length=length, mode=mode)
                    results[name]["memory_mib"] = round(answer["mib"], 1) if answer else None
                    worker.close()
            finally:
                for worker in workers.values():
                    worker.close()

    def _start(self, contender):
        plain = "torch" in (contender.framework, self.config.backend)
        return Worker(contender.name, self.config, torch=plain)

    def _ask(self, worker, result, what, **arguments):
        try:
            return worker.ask(what, self.config.time_limit, **arguments)
        except WorkerError as error:
            result["note"] = str(error)
            return None


def _summarize(results):
    """Fills in medians, and the ratios to the references of the family."""
    for result in results.values():
        samples = result["samples"]
        if not samples:
            continue
        for field in ("seconds", "cpu_seconds"):
            result[field] = statistics.median(sample[field] for sample in samples)
        for framework, name in zip(("keras", "torch"), REFERENCES[result["family"]], strict=True):
            reference = results.get(name)
            if reference:
                result["ratios"][framework] = median_ratio(samples, reference["samples"])
