"""
Runs grafo on pictures that nobody was trained on and prints how many it names, once prepared as grafo does by itself,
once as vit.cpp does. With --vit-cpp, also on how many vit.cpp gives the same name.

    python3 scripts/train/vit/evaluate.py --seed 2026 --count 20 [--vit-cpp PATH/TO/vit]
"""
import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

from vit.pictures import LABELS, picture

ROOT = Path(__file__).parents[3]


def draw(folder: Path, seed: int, count: int) -> dict[Path, str]:
    """`count` pictures of each class, and their labels."""
    rng, labels = Random(f"evaluation {seed}"), {}
    for label in LABELS:
        (folder / label).mkdir()
        for i in range(count):
            path = folder / label / f"{i}.png"
            picture(rng, label).save(path)
            labels[path] = label
    return labels


def grafo(model: Path, folder: Path, recipe: list[str]) -> dict[Path, str]:
    """What grafo calls each picture."""
    words = ["node", ROOT / "bin/grafo.js", "vit", "-m", model, folder, "-k", "1", "-b", "32", "--jsonl", *recipe]
    lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
    answers = [json.loads(line) for line in lines]
    return {Path(answer["file"]): answer["predictions"][0]["label"] for answer in answers}


def vit_cpp(program: Path, model: Path, image: Path) -> str:
    """What vit.cpp calls a picture."""
    words = [program, "-m", model, "-i", image, "-k", "1", "-t", "1"]
    run = subprocess.run(words, check=True, capture_output=True, text=True)
    found = re.search(r"^ > (.+?) : [\d.]+", run.stdout + run.stderr, re.M)
    if not found:
        raise RuntimeError(f"vit.cpp says nothing of {image}")
    return found[1]


def main() -> None:
    args = argparse.ArgumentParser()
    args.add_argument("--model", type=Path, default=ROOT / "demo/vit.bin")
    args.add_argument("--seed", type=int, default=2026)
    args.add_argument("--count", type=int, default=20, help="pictures a class")
    args.add_argument("--vit-cpp", type=Path, help="its program, for comparison")
    a = args.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        labels = draw(folder, a.seed, a.count)
        for recipe in ([], ["--preprocess", "vit.cpp"]):
            answers = grafo(a.model, folder, recipe)
            right = sum(answers[path] == label for path, label in labels.items())
            print(f"grafo vit {' '.join(recipe)}: {right} of {len(labels)} right, {100 * right / len(labels):.2f} %")
        if a.vit_cpp:
            theirs = {path: vit_cpp(a.vit_cpp, a.model, path) for path in labels}
            same = sum(theirs[path] == answers[path] for path in labels)
            right = sum(theirs[path] == label for path, label in labels.items())
            print(f"vit.cpp: {right} right; the same as grafo with its recipe for {same} of {len(labels)}")


if __name__ == "__main__":
    main()
