"""Speaks sentences of the grammar and keeps them in files, 500 a file, for training.

    python3 scripts/train/whisper/bank.py --seed 1 --files 40 --out FOLDER
"""
import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from whisper.grammar import Sentence, is_held_out, is_known, loose_words, sentence
from whisper.mel import log_power
from whisper.speak import Speaker, training_voice

PER_FILE = 500
PER_VOICE = 4
LOOSE_SHARE = 0.25


@dataclass(frozen=True)
class Utterance:
    logs: np.ndarray  # log10 of the power [frames, mels], float16
    text: str
    phonemes: str


@dataclass(frozen=True)
class Recording:
    samples: np.ndarray  # int16, 16 kHz
    text: str
    phonemes: str


def _training_sentence(rng: Random) -> Sentence:
    while True:
        said = loose_words(rng) if rng.random() < LOOSE_SHARE else sentence(rng)
        if not is_held_out(said[0]):
            return said


def _speak(rng: Random, speaker: Speaker) -> list[Recording]:
    recordings = []
    for i in range(PER_FILE):
        if i % PER_VOICE == 0:
            speaker.use(training_voice(rng))
        written, spoken = _training_sentence(rng)
        recordings.append(Recording(speaker.say(spoken), written, speaker.phonemes(spoken)))
    return recordings


def load(path: Path) -> list[Utterance]:
    with np.load(path) as file:
        parts = np.split(file["samples"], np.cumsum(file["lengths"])[:-1])
        return [
            Utterance(log_power(samples / 32768).astype(np.float16), text, phonemes)
            for samples, text, phonemes in zip(parts, file["texts"].tolist(), file["phonemes"].tolist())
            if is_known(text)
        ]


def main() -> None:
    args = argparse.ArgumentParser()
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--files", type=int, default=40)
    args.add_argument("--out", type=Path, required=True)
    a = args.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    speaker = Speaker()
    for n in range(a.files):
        path = a.out / f"{a.seed}-{n:03d}.npz"
        said = _speak(Random(f"{a.seed}/{n}"), speaker)
        written = path.with_suffix(".part")
        with open(written, "wb") as file:
            np.savez(
                file,
                samples=np.concatenate([u.samples for u in said]),
                lengths=np.array([len(u.samples) for u in said]),
                texts=np.array([u.text for u in said]),
                phonemes=np.array([u.phonemes for u in said]),
            )
        os.rename(written, path)  # whole at once: training may run already


if __name__ == "__main__":
    main()
