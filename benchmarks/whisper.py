"""Times Whisper beside a plain greedy loop: `python -m benchmarks.whisper --preset FOLDER`."""

import dataclasses
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from pipelines.commands import devices, errors, flags, ranges, runs, terminal
from pipelines.commands.disk import files
from pipelines.data import sources

CONTENDERS = ("ours", "encoded once", "plain")
REFERENCE = "plain"


@dataclass(frozen=True)
class Config:
    """Transcripts and seconds of a pretrained Whisper, beside KerasHub's in a plain greedy loop.

    All decode an utterance in turn, one utterance after the other.
    """

    preset: str = "whisper_tiny_en"
    """Folder or name of a KerasHub preset of an English Whisper."""
    dataset: str = ""
    """A folder with test.jsonl, of which each line has a `file_name` and a `text`."""
    utterances: int = 20
    """The first N of the test split."""
    max_tokens: int = 64
    """Most tokens of a transcript."""
    output: str = "runs/benchmarks/whisper"
    """Folder of whisper.json and whisper.md, which are replaced."""

    def __post_init__(self):
        if not self.dataset:
            raise ValueError("--dataset must name a folder with a test.jsonl")
        ranges.check(self, {ranges.at_least(1): "utterances max_tokens"})


@errors.main
def main(argv=None):
    """Reads the flags and measures."""
    config = flags.parse(Config, argv, prog="python -m benchmarks.whisper")
    from benchmarks import machine
    from pipelines.metrics import word_error_rate

    rows = sources.read_split(config.dataset, "test", {"file_name": str, "text": str})
    rows = rows[: config.utterances]
    folder = Path(config.output)
    files.make_folder(folder)
    results = measure(config, rows)
    report = {
        "machine": machine.machine(),
        "versions": machine.versions(),
        "date": time.strftime("%Y-%m-%d"),
        "settings": dataclasses.asdict(config),
        "results": results,
        "word_error_rates": {
            name: word_error_rate.score(
                [word_error_rate.normalize(result[name]["transcript"]) for result in results],
                [word_error_rate.normalize(result["text"]) for result in results],
            )["wer"]
            for name in CONTENDERS
        },
    }
    runs.write_json(folder / "whisper.json", report)
    (folder / "whisper.md").write_text(markdown(report), "utf-8")
    terminal.console.print(table(report))


def measure(config, rows):
    """Transcripts and times of every contender, in turn.

    Returns:
        A dict for each utterance: `file_name`, `text`, `seconds_of_sound`, and of each contender
        `transcript`, `seconds` and `cpu_seconds`, which what else the machine does changes less.

    Raises:
        UserError: The preset, or a sound, cannot be read.
    """
    with devices.quiet_start():
        import keras
        import numpy as np

    import layers
    from pipelines.audio import audio_files, whisper

    pretrained = whisper.load(config.preset, layers.Whisper)
    decode = contenders(config, pretrained)
    results = []
    for row, path in zip(rows, sources.media(config.dataset, rows), strict=True):
        waveform = audio_files.read(path)
        features = keras.ops.convert_to_tensor(np.asarray(pretrained.extractor(waveform))[None])
        if not results:  # The first call traces and compiles.
            for name in CONTENDERS:
                decode[name](features)
        found = {name: _timed(decode[name], features) for name in CONTENDERS}
        result = {
            "file_name": row["file_name"],
            "text": row["text"],
            "seconds_of_sound": len(waveform) / audio_files.RATE,
        }
        results.append({**result, **found})
    return results


def _timed(function, features):
    start, cpu_start = time.perf_counter(), time.process_time()
    transcript = function(features)
    return {
        "transcript": transcript,
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu_start,
    }


def contenders(config, pretrained):
    """Functions by name from a spectrogram `(1, F, M)` to its greedy transcript.

    "plain" is KerasHub's network as it is: a pass over sound and text for each token. "encoded
    once" is the same network in two: its encoder, and its decoder without a cache.
    """
    import keras
    import keras_hub
    import numpy as np

    from pipelines.audio.whisper import BLANK
    from pipelines.decoding.generator import Generator

    folder = Path(config.preset).expanduser()
    preset = str(folder) if folder.is_dir() else config.preset
    backbone = keras_hub.models.WhisperBackbone.from_preset(preset)
    tokenizer = keras_hub.models.WhisperTokenizer.from_preset(preset)
    table = np.ascontiguousarray(backbone.token_embedding.get_weights()[0].T)
    encoded = backbone.output["encoder_sequence_output"]
    encoder = keras.Model(backbone.input["encoder_features"], encoded)
    texts = {name: backbone.input[name] for name in ("decoder_token_ids", "decoder_padding_mask")}
    decoder = keras.Model([encoded, *texts.values()], backbone.output["decoder_sequence_output"])
    start, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    never_first = [tokenizer.vocabulary[BLANK], end]

    def search(decoded):
        tokens = [start, tokenizer.no_timestamps_token_id]
        before = len(tokens)
        while len(tokens) < before + config.max_tokens:
            ids = keras.ops.convert_to_tensor([tokens], dtype="int32")
            found = decoded(ids, keras.ops.ones_like(ids))
            logits = keras.ops.convert_to_numpy(found)[0, -1] @ table
            logits = logits[: end + 1]
            if len(tokens) == before:
                logits[never_first] = -np.inf
            tokens.append(int(logits.argmax()))
            if tokens[-1] == end:
                return tokens[before:-1]
        return tokens[before:]

    def transcript(tokens):
        return str(tokenizer.detokenize(np.array(tokens, "int32"))).strip()

    def plain(features):
        def decoded(ids, mask):
            inputs = dict(zip(texts, (ids, mask), strict=True))
            outputs = backbone({"encoder_features": features, **inputs})
            return outputs["decoder_sequence_output"]

        return transcript(search(decoded))

    def encoded_once(features):
        memory = encoder(features)
        return transcript(search(lambda ids, mask: decoder([memory, ids, mask])))

    generator = Generator(pretrained.model, config.max_tokens)

    def ours(features):
        found = generator.predict_on_batch({"features": keras.ops.convert_to_numpy(features)})
        return pretrained.tokenizer.decode(keras.ops.convert_to_numpy(found["tokens"])[0])

    return dict(zip(CONTENDERS, (ours, encoded_once, plain), strict=True))


def table(report):
    """Markdown, a row for each contender."""
    lines = [
        [
            "contender",
            "equal to plain",
            "seconds each",
            "ratio",
            "CPU seconds each",
            "ratio",
            "WER",
        ],
        ["---", *["---:"] * 6],
    ]
    results = report["results"]
    for name in CONTENDERS:
        own, reference = ([result[each] for result in results] for each in (name, REFERENCE))
        pairs = list(zip(own, reference, strict=True))
        equal = sum(one["transcript"] == other["transcript"] for one, other in pairs)
        cells = [name, f"{equal} of {len(own)}"]
        for clock in ("seconds", "cpu_seconds"):
            ratio = statistics.median(other[clock] / one[clock] for one, other in pairs)
            cells += [f"{statistics.median(one[clock] for one in own):.2f}", f"{ratio:.1f}"]
        lines.append([*cells, f"{100 * report['word_error_rates'][name]:.1f} %"])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def markdown(report):
    """The text of `whisper.md`, from the content of `whisper.json`."""
    machine, settings = report["machine"], report["settings"]
    results = report["results"]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    sound = sum(result["seconds_of_sound"] for result in results)
    return f"""# Greedy decoding with a pretrained Whisper

Generated by `python -m benchmarks.whisper`; not to be edited. {report["date"]}, \
{machine["processor"]}, {machine["cores"]} cores, {machine["memory_gib"]:g} GiB; {versions}.

{len(results)} utterances of the test split of {Path(settings["dataset"]).name}, {sound:.0f} \
seconds of sound, each filled up to the 30 seconds that Whisper hears, by \
{Path(settings["preset"]).name}, float32. `plain` is KerasHub's `WhisperBackbone`: a pass over \
sound and text for each token, called as it is, since its text grows by a token a call. `encoded \
once` is the same network, its encoder called once and its decoder, without a cache, for each \
token. `ours` is `layers.Whisper` in a `Generator`, \
weights over the sound included.

All decode an utterance in turn, and medians count. A ratio is the median of how many times as \
long `plain` took for the same utterance; above 1 is faster. The first call, which traces and \
compiles, does not count. Word error rates are after lower-casing and without punctuation; a \
number in digits is an error where the reference has words.

{table(report)}
"""


if __name__ == "__main__":
    main()
