"""The built-in speech data set: numbers, dates, times and commands, spoken by eSpeak NG."""

import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile
import soxr

from pipelines.builtin.spoken_numbers import espeak, phrases, room_acoustics
from pipelines.commands.disk.files import write_json_lines
from pipelines.commands.terminal import progress_bar

VERSION = "2"  # to be raised with every change of the voices, the texts, the rooms or the layout
RATE = 16_000
ACCENTS = (
    *("en-us", "en-us-nyc", "en", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan"),
    *("en-gb-x-gbcwmd", "en-029"),
)
# A speaker is one of these with an accent. They differ in pitch, formants and timbre; none is a
# near double of another, and Whisper understands them all where there is no noise.
VOICES = {
    "train": (
        *("m1", "m2", "m4", "m5", "m6", "m8", "f1", "f3", "f5", "klatt", "klatt3", "klatt5"),
        *("Alex", "Annie", "anika", "announcer", "antonio", "belinda", "boris", "ed", "grandma"),
        *("iven", "john", "marcelo", "max", "michel", "paul", "pedro", "quincy", "shelby"),
        *("steph", "travis", "victor", "zac"),
    ),
    "validation": ("m7", "linda", "robert"),
    "test": ("m3", "f2", "f4", "david", "pablo", "sandro"),
}
# From, to: words a minute, eSpeak's pitch and its range, dB of speech over noise, how the noise
# falls with the frequency, seconds of reverberation, dB of direct over reverberant sound, dB below
# full scale, and seconds of silence before and after.
SPEED, PITCH, PITCH_RANGE = (130, 210), (30, 70), (30, 70)
NOISE, COLOR, DECAY, DIRECT = (10, 40), (0, 2), (0.1, 0.5), (0, 15)
PEAK, SILENCE = (-36, -6), (0.05, 0.35)


def write(
    folder: Path, train: int = 4_800, validation: int = 200, test: int = 400, seed: int = 0
) -> None:
    """Writes phrases in words, each spoken by one of many voices in a room of its own.

    No text is spoken twice, and no voice is in two splits, with whatever accent.

    Args:
        folder: gets `train.jsonl`, `validation.jsonl`, `test.jsonl` and `audio/*.flac`, 16 kHz. A
            line holds `file_name`, `text`, `speaker` (eSpeak's name), `noise` (dB of speech over
            noise), and `starts`, the second at which each word begins, null where the voice joins
            it to the word before.
        train: number of training utterances.
        validation: number of validation utterances.
        test: number of test utterances.
        seed: another seed gives other utterances, of the same voices.
    """
    folder = Path(folder)
    (folder / "audio").mkdir()
    counts = {"train": train, "validation": validation, "test": test}
    texts = iter(phrases.distinct(sum(counts.values()), seed))
    utterances = [
        (folder, split, number, next(texts), seed)
        for split, count in counts.items()
        for number in range(count)
    ]
    rows = {split: [] for split in counts}
    with ThreadPoolExecutor(os.cpu_count()) as pool, progress_bar() as progress:
        task = progress.add_task("speaking", total=len(utterances))
        written = pool.map(_write_utterance, *zip(*utterances, strict=True))
        for (_, split, *_), row in zip(utterances, written, strict=True):
            rows[split].append(row)
            progress.advance(task)
    for split, lines in rows.items():
        write_json_lines(folder / f"{split}.jsonl", lines)


def _write_utterance(folder: Path, split: str, number: int, text: str, seed: int) -> dict:
    """Writes one sound, and returns its line."""
    rng = np.random.default_rng([seed, list(VOICES).index(split), number])
    speaker = f"{rng.choice(ACCENTS)}+{rng.choice(VOICES[split])}"
    rate, pitch, pitch_range = (int(rng.integers(*ends)) for ends in (SPEED, PITCH, PITCH_RANGE))
    samples, starts = espeak.synthesize(text, speaker, rate, pitch, pitch_range)
    samples = soxr.resample(samples.astype(np.float64), espeak.SAMPLE_RATE, RATE)
    before, after = rng.uniform(*SILENCE, 2)
    samples = np.pad(samples, (round(before * RATE), round(after * RATE)))
    noise = rng.uniform(*NOISE)
    samples = _recorded(samples, noise, rng)
    file = io.BytesIO()  # What writes to the disk itself would not tell that it is full.
    soundfile.write(file, samples, RATE, subtype="PCM_16", format="FLAC")
    name = f"audio/{split}-{number:05d}.flac"
    (folder / name).write_bytes(file.getvalue())
    return {
        "file_name": name,
        "text": text,
        "speaker": speaker,
        "noise": round(noise, 1),
        "starts": [None if start is None else round(before + start, 3) for start in starts],
    }


def _recorded(samples: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    decay, direct = rng.uniform(*DECAY), rng.uniform(*DIRECT)
    samples = room_acoustics.reverberate(samples, RATE, decay, direct, rng)
    color = room_acoustics.colored_noise(len(samples), RATE, rng.uniform(*COLOR), rng)
    samples = room_acoustics.add_noise(samples, color, noise)
    return room_acoustics.at_peak(samples, rng.uniform(*PEAK))
