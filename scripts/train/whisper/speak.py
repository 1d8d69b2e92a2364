"""
espeak-ng as a library: text to samples at 16 kHz, and to phonemes. One speaker a process, for the library has a single
state.
"""
import ctypes
from dataclasses import dataclass
from random import Random

import numpy as np

RATE = 16_000
ACCENTS = {"en-us": 5, "en": 3, "en-gb-x-rp": 1, "en-gb-scotland": 1}  # "en" is British
VARIANTS = (
    "m1 m2 m3 m5 m6 m8 f1 f2 f3 f5 Alex Andrea Andy Annie Gene Jacky Lee Mario Michael Mike adam anika belinda caleb "
    "david ed edward iven john linda max miguel pablo paul quincy rob robert steph travis victor zac"
).split()
HELD_OUT_VOICES = ("en-us+f4", "en+m7", "en-us+m4")  # variants that no training voice has

_SYNCHRONOUS, _UTF8 = 2, 1
_SPEED, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_Samples = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@dataclass(frozen=True)
class Voice:
    name: str
    speed: int  # words a minute
    pitch: int
    range: int


def training_voice(rng: Random) -> Voice:
    accent = rng.choices(list(ACCENTS), list(ACCENTS.values()))[0]
    return _spoken_by(f"{accent}+{rng.choice(VARIANTS)}", rng)


def held_out_voice(rng: Random) -> Voice:
    return _spoken_by(rng.choice(HELD_OUT_VOICES), rng)


def _spoken_by(name: str, rng: Random) -> Voice:
    return Voice(name, rng.randint(120, 175), rng.randint(30, 70), rng.randint(35, 70))


class Speaker:
    def __init__(self) -> None:
        self._lib = ctypes.CDLL("libespeak-ng.so.1")
        self._rate = self._lib.espeak_Initialize(_SYNCHRONOUS, 0, None, 0)
        if self._rate <= 0:
            raise RuntimeError("espeak-ng did not start")
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._parts: list[np.ndarray] = []
        self._callback = _Samples(self._take)
        self._lib.espeak_SetSynthCallback(self._callback)

    def _take(self, samples, count: int, _events) -> int:
        if samples and count:
            self._parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def use(self, voice: Voice) -> None:
        if self._lib.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise RuntimeError(f"espeak-ng has no voice {voice.name}")
        settings = ((_SPEED, voice.speed), (_PITCH, voice.pitch), (_RANGE, voice.range), (_VOLUME, 80))
        for parameter, value in settings:
            self._lib.espeak_SetParameter(parameter, value, 0)

    def say(self, text: str) -> np.ndarray:
        """Samples at 16 kHz, int16, from 30 ms before the first sound to 30 ms after the last."""
        self._parts = []
        raw = text.encode() + b"\0"
        if self._lib.espeak_Synth(raw, len(raw), 0, 1, 0, _UTF8, None, None) != 0:
            raise RuntimeError(f"espeak-ng did not say {text!r}")
        samples = resample(np.concatenate(self._parts).astype(np.float32), self._rate)
        loud = np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max() + 1)
        kept = samples[max(0, loud[0] - 480) : loud[-1] + 480]
        return np.clip(kept, -32768, 32767).astype(np.int16)

    def phonemes(self, text: str) -> str:
        """Phonemes as ASCII, without stress and length marks."""
        rest = ctypes.pointer(ctypes.cast(ctypes.c_char_p(text.encode()), ctypes.c_void_p))
        clauses = []
        while rest.contents.value:
            clauses.append((self._lib.espeak_TextToPhonemes(rest, _UTF8, 0) or b"").decode())
        return "".join(c for c in "".join(clauses) if "!" <= c <= "~" and c not in "',%=_:!|;")


def resample(samples: np.ndarray, rate: int) -> np.ndarray:
    """To 16 kHz, in the frequency domain."""
    n = round(len(samples) * RATE / rate)
    spectrum = np.fft.rfft(samples)
    kept = np.zeros(n // 2 + 1, complex)
    m = min(len(kept), len(spectrum))
    kept[:m] = spectrum[:m]
    return np.fft.irfft(kept, n).astype(np.float32) * (n / len(samples))
