"""Speech from text by eSpeak NG, a small formant synthesizer of many voices and accents.

eSpeak NG is free software under the GPL. It makes data here and is part of no model.
"""

import contextlib
import ctypes
import itertools
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipelines.commands.errors import UserError

SAMPLE_RATE = 22_050

# Of eSpeak's speak_lib.h.
_SYNCHRONOUS, _BUFFER_MS, _DONT_EXIT, _UTF_8 = 2, 200, 0x8000, 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_LIST_END, _WORD = 0, 1


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Samples = ctypes.POINTER(ctypes.c_short)
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, _Samples, ctypes.c_int, ctypes.POINTER(_Event))
_SIGNATURES = {
    "espeak_Initialize": (ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int),
    "espeak_ng_SetRandSeed": (ctypes.c_long,),
    "espeak_SetSynthCallback": (_Callback,),
    "espeak_SetVoiceByName": (ctypes.c_char_p,),
    "espeak_SetParameter": (ctypes.c_int, ctypes.c_int, ctypes.c_int),
    "espeak_Synth": (
        *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint),
        *(ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p),
    ),
}
_LOCK = threading.Lock()


def synthesize(
    text: str, voice: str, rate: int = 160, pitch: int = 50, pitch_range: int = 50
) -> tuple[np.ndarray, list[float | None]]:
    """Speaks a text.

    The same arguments give the same samples, whatever was spoken before. Threads may call this at
    once, but take turns.

    Args:
        text: What to say.
        voice: An accent and, after a plus, the speaker: `en-us+f3`.
        rate: Words a minute, from 80.
        pitch: 0 to 100, 50 is the speaker's own.
        pitch_range: 0 to 100, 0 is a monotone.

    Returns:
        Samples `(N,)` at `SAMPLE_RATE`, float32 in [-1, 1]; and the second at which each word of
        `text.split()` begins, None where it is joined to the one before ("of the").

    Raises:
        UserError: eSpeak NG is not installed.
        ValueError: There is no such voice.
    """
    pieces, times = [np.zeros(0, np.int16)], {}

    @_Callback
    def receive(samples, count, events):
        if samples and count > 0:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        for i in itertools.count():
            if events[i].type == _LIST_END:
                return 0
            if events[i].type == _WORD:
                times[events[i].text_position - 1] = events[i].sample / SAMPLE_RATE

    with _engine() as (library, data):
        _choose_voice(library, data, voice)
        for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, pitch_range)):
            library.espeak_SetParameter(parameter, value, 0)
        library.espeak_SetSynthCallback(receive)
        encoded = text.encode()
        library.espeak_Synth(encoded, len(encoded) + 1, 0, 0, 0, _UTF_8, None, None)
    starts = [times.get(word.start()) for word in re.finditer(r"\S+", text)]
    return np.concatenate(pieces).astype(np.float32) / 32_768, starts


def _choose_voice(library: ctypes.CDLL, data: Path, voice: str) -> None:
    _, plus, variant = voice.partition("+")
    # eSpeak itself takes its plain voice for a speaker that it does not know.
    known = not plus or (variant and (data / "voices" / "!v" / variant).is_file())
    if not known or library.espeak_SetVoiceByName(voice.encode()):
        raise ValueError(f"Expected a voice of eSpeak NG, such as en-us+f3, received {voice!r}.")


@contextlib.contextmanager
def _engine() -> Iterator[tuple[ctypes.CDLL, Path]]:
    """Loads the library and gives it back.

    The phases of its oscillators and filters are static variables that only loading sets to zero;
    with them kept, what was spoken before could be heard in what is spoken next.
    """
    with _LOCK:
        library, data = _load()
        try:
            if (
                library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, bytes(data), _DONT_EXIT)
                != SAMPLE_RATE
            ):
                raise UserError(f"eSpeak NG cannot read its voices in {data}")
            library.espeak_ng_SetRandSeed(1)  # Else it is the time.
            yield library, data
        finally:
            library.espeak_Terminate()
            close = ctypes.CDLL(None).dlclose
            close.argtypes = (ctypes.c_void_p,)
            close(library._handle)


def _load() -> tuple[ctypes.CDLL, Path]:
    try:
        import espeakng_loader

        library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = Path(espeakng_loader.get_data_path())
    except (ImportError, OSError, RuntimeError) as error:
        raise UserError(
            f"eSpeak NG, which speaks the built-in data, is not there ({error}): "
            "`make setup` installs it (package espeakng-loader)"
        ) from error
    for name, types in _SIGNATURES.items():
        getattr(library, name).argtypes = types
    return library, data
