"""
Runs grafo on sentences that were held out, spoken by voices that were held out, and counts the words it gets wrong.
With --whisper-cli, also whisper.cpp's, and how many transcripts are the same.

    python3 scripts/train/whisper/evaluate.py --seed 2026 --count 200 [--whisper-cli PATH/TO/whisper-cli]
"""
import argparse
import re
import subprocess
import sys
import tempfile
import wave
from pathlib import Path
from random import Random
from typing import Iterator

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from whisper.grammar import is_held_out, sentence
from whisper.speak import RATE, Speaker, held_out_voice
from whisper.words import edits

ROOT = Path(__file__).parents[3]


def held_out_speech(rng: Random) -> Iterator[tuple[str, np.ndarray]]:
    """Sentences without end, and their samples with a little silence around them."""
    speaker = Speaker()
    while True:
        written, spoken = sentence(rng)
        if is_held_out(written):
            speaker.use(held_out_voice(rng))
            yield written, np.pad(speaker.say(spoken), (RATE // 10, RATE // 5))


def save(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.astype("<i2").tobytes())


def transcripts(words: list, files: list[Path]) -> list[str]:
    """What a program writes beside the recordings with -otxt."""
    subprocess.run([*words, "-otxt", "-np", *files], check=True, capture_output=True)
    return [" ".join(Path(f"{file}.txt").read_text().split()) for file in files]


def words_of(text: str) -> list[str]:
    """Without capitals and punctuation."""
    return re.sub(r"[.,?!]", "", text.lower()).split()


def report(name: str, truths: list[str], answers: list[str]) -> None:
    wrong = sum(edits(words_of(answer), words_of(truth)) for answer, truth in zip(answers, truths))
    total = sum(len(words_of(truth)) for truth in truths)
    exact = sum(answer == truth for answer, truth in zip(answers, truths))
    print(f"{name}: {total - wrong} of {total} words right, {100 * (1 - wrong / total):.2f} %; "
          f"{exact} of {len(truths)} sentences to the letter")


def main() -> None:
    args = argparse.ArgumentParser()
    args.add_argument("--model", type=Path, default=ROOT / "demo/whisper.bin")
    args.add_argument("--seed", type=int, default=2026)
    args.add_argument("--count", type=int, default=200)
    args.add_argument("--whisper-cli", type=Path, help="whisper.cpp's program, for comparison")
    args.add_argument("--show", action="store_true", help="what is wrong")
    a = args.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        speech = held_out_speech(Random(f"evaluation {a.seed}"))
        files, truths = [], []
        for i in range(a.count):
            truth, samples = next(speech)
            files.append(Path(folder) / f"{i}.wav")
            truths.append(truth)
            save(files[-1], samples)
        ours = transcripts(["node", ROOT / "bin/grafo.js", "whisper", "-m", a.model], files)
        report("grafo whisper", truths, ours)
        if a.show:
            for truth, answer in zip(truths, ours):
                if words_of(truth) != words_of(answer):
                    print(f"  {truth} -> {answer}")
        if a.whisper_cli:
            theirs = transcripts([a.whisper_cli, "-m", a.model], files)
            report("whisper-cli", truths, theirs)
            print(f"the same text in {sum(x == y for x, y in zip(ours, theirs))} of {len(files)}")


if __name__ == "__main__":
    main()
