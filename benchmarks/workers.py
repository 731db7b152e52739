"""A process for each contender, spoken to in lines of JSON.

So nothing that one contender leaves behind, threads, caches or memory, falls on another.
"""

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
BASE_LENGTH = 128  # At rest after a step of this length, a process holds what any length needs.
SAMPLE_SECONDS = 0.2
_START_SECONDS = 300


class WorkerError(Exception):
    """A contender could not do what it was asked to; the message says why."""


class Worker:
    """The near side: starts the process of one contender and asks it.

    Args:
        name: Of the contender.
        config: The configuration, of which `backend`, `jit`, `precision` and `memory_limit` count.
        torch: Whether PyTorch computes.
        steps: The module whose `prepare(name, backend, jit, precision)` returns what makes a step
            of the arguments of a request.
    """

    def __init__(self, name, config, torch, steps="benchmarks.steps"):
        settings = {
            "name": name,
            "steps": steps,
            "backend": config.backend,
            "jit": config.jit,
            "precision": config.precision,
            "memory_limit": config.memory_limit,
        }
        environment = {**os.environ, "KERAS_BACKEND": config.backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        if torch:
            # Threads of OpenMP that spin while they wait are slow once others want the cores.
            environment["OMP_WAIT_POLICY"] = "PASSIVE"
        self.memory_limit = config.memory_limit
        self.started = False
        self.prepared = None  # the length and mode that `measure` is about
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.workers", json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env=environment,
            bufsize=0,
            start_new_session=True,  # The interrupt key is for the command alone.
        )

    def ask(self, what, seconds, **arguments):
        """Sends a request and returns the answer, a dictionary.

        Args:
            what: "prepare", "measure" or "memory".
            seconds: How long the answer may take; the start of the process does not count.
            **arguments: Of the request.

        Raises:
            WorkerError: if it fails, or takes longer.
        """
        if not self.started:
            try:
                self._answer(_START_SECONDS)
            except WorkerError:
                self.close()
                raise
            self.started = True
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps([what, arguments]).encode() + b"\n")
        return self._answer(seconds)

    def _answer(self, seconds):
        # Each answer is one write of a short line, which a pipe delivers whole.
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            self.close()
            raise WorkerError(f"over {seconds:g} s")
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.close()
            status = self.process.returncode
            end = signal.Signals(-status).name if status < 0 else f"status {status}"
            raise WorkerError(f"its process ended by itself, {end}")
        answer = json.loads(line)
        if answer.get("out_of_memory"):
            raise WorkerError(f"over {self.memory_limit:g} GiB")
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    @property
    def alive(self):
        return self.process.poll() is None

    def close(self):
        """Ends the process, whatever it is doing."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class _Server:
    """The far side: builds the contender and answers."""

    def __init__(self, name, steps, backend, jit, precision, memory_limit):
        self.make = importlib.import_module(steps).prepare(name, backend, jit, precision)
        limit = memory("VmData") + int(memory_limit * 2**30)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))

    def prepare(self, **place):
        """Makes the step, and runs it once, or twice if it is short, to warm up."""
        self.step = None
        gc.collect()
        self.step = self.make(**place)
        answer = self.measure(0)
        first = {"first_seconds": answer["seconds"]}
        return {**(self.measure(0) if answer["seconds"] < 2 else answer), **first}

    def measure(self, at_least=SAMPLE_SECONDS):
        """Repeats the step until `at_least` seconds have passed; seconds for each."""
        steps, cpu, start = 0, time.process_time(), time.perf_counter()
        while True:
            self.step()
            steps += 1
            seconds = time.perf_counter() - start
            if seconds >= at_least:
                break
        cpu = time.process_time() - cpu
        return {
            "seconds": seconds / steps,
            "cpu_seconds": cpu / steps,
            "steps": steps,
            "held": memory("RssAnon"),
        }

    def memory(self, length, mode):
        """Peak of the first step of a length, over the process at rest after `BASE_LENGTH`."""
        self.make(BASE_LENGTH, mode)()
        gc.collect()
        rest = memory("VmRSS")
        # Where the kernel keeps the peak from being reset, it is that of the process so far.
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        self.make(length, mode)()
        return {"mib": max(memory("VmHWM") - rest, 0) / 2**20}


def memory(field, status=None):
    """Bytes of a field of `/proc/self/status`; without that file the peak, as `getrusage` has it.

    Args:
        field: "VmRSS" (resident), "RssAnon" (what of it is no file's), "VmHWM" (the peak) or
            "VmData".
        status: Text of the file, read by default.
    """
    if status is None:
        try:
            status = Path("/proc/self/status").read_text()
        except OSError:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            return peak if sys.platform == "darwin" else peak * 1024
    line = next(line for line in status.splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


def _serve():
    # What libraries print must not come between the answers.
    answers = os.dup(1)
    os.dup2(2, 1)
    server = None

    def answer(function, arguments):
        try:
            result = function(**arguments)
        except Exception as error:
            result = {
                "error": " ".join(f"{type(error).__name__}: {error}".split())[:160],
                "out_of_memory": _is_out_of_memory(error),
            }
        line = result if isinstance(result, dict) else {}
        os.write(answers, json.dumps(line).encode() + b"\n")
        return result

    server = answer(_Server, json.loads(sys.argv[1]))
    for line in sys.stdin:
        what, arguments = json.loads(line)
        answer(getattr(server, what), arguments)


def _is_out_of_memory(error):
    text = str(error)
    return isinstance(error, MemoryError) or any(
        sign in text for sign in ("OOM", "RESOURCE_EXHAUSTED", "allocate memory", "Out of memory")
    )


if __name__ == "__main__":
    _serve()
