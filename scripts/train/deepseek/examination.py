"""Sums that were never trained on, with their answers, as JSON lines for scripts/evaluate-text.mjs.

    python3 scripts/train/deepseek/examination.py --seed 1000 --count 400 |
      node scripts/evaluate-text.mjs demo/deepseek.gguf --family deepseek
"""
import argparse
import json
import sys
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

from deepseek.sums import problem


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seed", type=int, default=1000, help="another than the training's")
    options.add_argument("--count", type=int, default=400)
    args = options.parse_args()
    rng = Random(args.seed)
    for _ in range(args.count):
        p = problem(rng, held_out=True)
        print(json.dumps({"kind": p.kind, "turns": [p.question], "answer": p.answer}))


if __name__ == "__main__":
    main()
