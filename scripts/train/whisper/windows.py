"""
Windows of sound with the tokens that Whisper should answer them with. They are put together from spectrograms, not
from samples, which is an order of magnitude quicker: gain, filter, echo, pitch, speed and noise are all changed there.
"""
from dataclasses import dataclass
from math import log
from random import Random

import numpy as np
import torch

from whisper.bank import Utterance
from whisper.mel import SILENCE, log_power, normalised
from whisper.model import Places
from whisper.speak import RATE
from whisper.tokens import END, NO_SPEECH, NO_TIMES, PREVIOUS, START, TICKS, TIME_0, Tokenizer

STEP = 10  # frames of 10 ms: timestamps are multiples of 0.1 s
TAIL = 60  # frames that stand for all that follows
IGNORED = -100


@dataclass(frozen=True)
class Plan:
    """What a batch of windows is like."""

    frames: int  # of 10 ms
    most: int  # utterances a window
    first: int = 0  # frame of 3000 at which the windows begin
    has_tail: bool = True  # whether the rest of the 30 s is there too


@dataclass(frozen=True)
class Window:
    mel: np.ndarray  # [mels, frames]
    tokens: list[int]  # what the decoder sees
    targets: list[int]  # what it should say to each, or IGNORED
    phonemes: str


@dataclass(frozen=True)
class Sounds:
    """Spectrograms to choose from."""

    utterances: list[Utterance]
    noises: np.ndarray  # [colours, frames, mels]
    tokenizer: Tokenizer


@dataclass(frozen=True)
class Piece:
    start: int  # frames
    end: int
    text: list[int]


def places(rng: Random, plan: Plan) -> Places:
    """
    Positions of a plan's windows. What comes after the utterances up to 30 s is silence, all alike, so that a sample
    of it stands for the whole: thirty frames, spread out, each with the weight of many.
    """
    near = np.arange(plan.first // 2, (plan.first + plan.frames) // 2)
    rest = TICKS - (plan.first + plan.frames) // 2
    count = _tail(plan) // 2
    if count == 0:
        return Places(torch.from_numpy(near), torch.zeros(len(near)))
    far = TICKS - rest + np.sort(rng.sample(range(rest), count))
    bias = np.concatenate([np.zeros(len(near)), np.full(count, log(rest / count))])
    return Places(torch.from_numpy(np.concatenate([near, far])), torch.from_numpy(bias).float())


def _tail(plan: Plan) -> int:
    """Frames behind those of the plan."""
    return min(TAIL, 2 * TICKS - plan.first - plan.frames) if plan.has_tail else 0


def window(rng: Random, sounds: Sounds, plan: Plan) -> Window:
    logs = _background(rng, sounds.noises, plan.frames + _tail(plan))
    pieces: list[Piece] = []
    phonemes = ""
    is_silent = rng.random() < 0.04
    at = rng.choice((rng.randint(0, 15), rng.randint(0, min(90, plan.frames // 8))))
    colour = _filter(rng)
    echo = rng.uniform(0.005, 0.12) if rng.random() < 0.35 else 0.0
    tries = 0
    while not is_silent and len(pieces) < plan.most and tries < 12:
        utterance = rng.choice(sounds.utterances)
        spoken = _varied(rng, utterance.logs) + colour + rng.uniform(-0.5, 0.5)
        if at + len(spoken) > plan.frames:
            tries += 1
            continue
        if echo:
            spoken = np.log10(_echoed(10**spoken, echo))
        part = logs[at : at + len(spoken)]
        part[:] = np.log10(10**part + 10 ** spoken[: len(part)])
        pieces.append(Piece(at, at + len(spoken), sounds.tokenizer.encode(" " + utterance.text)))
        phonemes += utterance.phonemes
        at += len(spoken) + rng.choice((rng.randint(25, 90), rng.randint(50, 250)))
    last = pieces[-1].end if pieces else 0
    if rng.random() < 0.6:
        logs[rng.randint(last, plan.frames) :] = SILENCE
    logs = np.maximum(logs + rng.uniform(-2.2, 0.3), SILENCE)
    louder = rng.uniform(0, 1) if rng.random() < 0.2 else 0.0
    mel = normalised(logs, louder if pieces else rng.choice((0.0, rng.uniform(0, 6)))).T.astype(np.float32)
    return Window(mel, *_answer(rng, pieces, sounds, plan), phonemes)


def _background(rng: Random, noises: np.ndarray, frames: int) -> np.ndarray:
    """Noise of some colour, or nothing."""
    if rng.random() < 0.25:
        return np.full((frames, noises.shape[2]), SILENCE, np.float32)
    begin = rng.randrange(noises.shape[1] - frames)
    return rng.choice(noises)[begin : begin + frames] + np.float32(rng.uniform(-7, -2.2))


def make_noises(seed: int, colours: int = 12, seconds: int = 60) -> np.ndarray:
    """Noises [colours, frames, mels] of mean square 1, from white to brown."""
    length = seconds * RATE
    hertz = np.arange(length // 2 + 1) * (RATE / length)
    white = np.fft.rfft(np.random.default_rng(seed).standard_normal(length))
    waves = [np.fft.irfft(white * ((hertz + 50) / 1000) ** -slope) for slope in np.linspace(0, 1.2, colours)]
    return np.stack([log_power(wave / np.sqrt(np.mean(wave**2))) for wave in waves])


def _filter(rng: Random) -> np.ndarray:
    """What a microphone adds to each band (log10)."""
    bands = np.linspace(-1, 1, 80, dtype=np.float32)
    tilt, bend = rng.uniform(-0.4, 0.4), rng.uniform(-0.3, 0.3)
    return np.float32(tilt) * bands + np.float32(bend) * (bands**2 - np.float32(0.5))


def _varied(rng: Random, logs: np.ndarray) -> np.ndarray:
    """Quicker or slower by up to 8 %, and with formants higher or lower by up to 5 % of the bands."""
    frames = np.arange(0, len(logs) - 1.001, rng.uniform(0.92, 1.08), dtype=np.float32)
    x = _between(logs.astype(np.float32), frames)
    n = x.shape[1]
    bands = np.clip(np.arange(n, dtype=np.float32) * rng.uniform(0.95, 1.05), 0, n - 1.001)
    return _between(x.T, bands).T


def _between(rows: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Rows at places between whole numbers."""
    whole = at.astype(np.int64)
    part = (at - whole)[:, None]
    return rows[whole] * (1 - part) + rows[whole + 1] * part


def _echoed(power: np.ndarray, strength: float) -> np.ndarray:
    """With its own past of 30 to 150 ms, dying away."""
    heard = power.copy()
    for i, delay in enumerate((3, 5, 8, 11, 15)):
        heard[delay:] += strength * 0.6**i * power[:-delay]
    return heard


def _answer(rng: Random, pieces: list[Piece], sounds: Sounds, plan: Plan) -> tuple[list[int], list[int]]:
    """Tokens in and out: with timestamps in six of ten windows, after an earlier text in one of twenty."""
    prompt: list[int] = []
    if rng.random() < 0.05:
        texts = [rng.choice(sounds.utterances).text for _ in range(rng.choice((1, 1, 2, 5)))]
        prompt = [PREVIOUS] + [token for text in texts for token in sounds.tokenizer.encode(" " + text)]
    has_times = rng.random() < 0.6
    body = [START] if has_times else [START, NO_TIMES]
    given = len(prompt) + len(body)
    if not pieces:
        body.append(NO_SPEECH)
    for piece in pieces:
        start = _time(plan.first + piece.start // STEP * STEP)
        end = _time(plan.first - -piece.end // STEP * STEP)
        body += [start, *piece.text, end] if has_times else piece.text
    tokens = prompt + body
    targets = [IGNORED] * (given - 1) + tokens[given:] + [END]
    if not pieces:
        targets[len(prompt)] = NO_SPEECH  # looked for right after the start, whether times are wanted or not
    return tokens, targets


def _time(frame: int) -> int:
    return TIME_0 + min(TICKS, frame // 2)
