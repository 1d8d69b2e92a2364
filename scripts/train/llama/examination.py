"""Questions with their answers, and beginnings of stories, as JSON lines for scripts/evaluate-text.mjs.

    python3 scripts/train/llama/examination.py --seed 1000 --count 400 | node scripts/evaluate-text.mjs demo/llama.gguf
"""
import argparse
import json
import sys
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

from llama.chat import NAMES_HELD_OUT, addition, animal, calendar, colour, counting, naming, opposite, recall, slip
from llama.stories import story

KINDS = {
    "sums": addition, "animals": animal, "calendar": calendar, "colours": colour, "counting": counting, "opposites": opposite,
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seed", type=int, default=1000, help="another than the training's")
    options.add_argument("--count", type=int, default=300, help="questions")
    options.add_argument("--stories", type=int, default=100)
    args = options.parse_args()
    rng = Random(args.seed)
    for _ in range(args.count):
        if rng.random() < 0.1:
            name = rng.choice(NAMES_HELD_OUT)
            kind = "names"
            turns = [naming(name, rng), *([colour(rng)] if rng.random() < 0.5 else []), recall(name, rng)]
        else:
            kinds = [rng.choice(list(KINDS)) for _ in range(rng.choice((1, 1, 2)))]
            kind, turns = kinds[-1], [KINDS[kind](rng) for kind in kinds]
        print(json.dumps({"kind": kind, "turns": [slip(t.user, rng) for t in turns], "answer": turns[-1].assistant}))
    for _ in range(args.stories):
        words = story(rng).split(" ")
        print(json.dumps({"kind": "stories", "opening": " ".join(words[: rng.randint(2, 8)])}))


if __name__ == "__main__":
    main()
