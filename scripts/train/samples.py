"""
Makes demo/samples: pictures and sentences that the models were not trained on. Each is named by what it shows or says.

    python3 scripts/train/samples.py --seed 11 --out demo/samples
"""
import argparse
import re
import sys
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))

from vit.pictures import picture
from whisper.evaluate import held_out_speech, save

LABELS = ("blue house", "red fish", "yellow star", "green tree", "purple car", "orange cup")
OPENINGS = ("Turn|Please", "My number", "The|Where")


def name_of(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def main() -> None:
    args = argparse.ArgumentParser()
    args.add_argument("--seed", type=int, default=11)
    args.add_argument("--out", type=Path, required=True)
    a = args.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    for label in LABELS:
        picture(Random(f"sample {a.seed} {label}"), label, 128).save(a.out / f"{name_of(label)}.png", optimize=True)
    for opening in OPENINGS:
        speech = held_out_speech(Random(f"sample {a.seed} {opening}"))
        text, samples = next(said for said in speech if re.match(opening, said[0]))
        save(a.out / f"{name_of(text)}.wav", samples)


if __name__ == "__main__":
    main()
