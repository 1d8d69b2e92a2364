"""The command line that trains a text model: a run, one that goes on from its checkpoint, the GGUF file."""
import argparse
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Callable, Iterable, Iterator, Mapping, Sequence

import torch

from common import bpe
from common.gguf import tokenizer_metadata, write_gguf
from common.layers import TextModel
from common.quants import TensorType
from common.text_training import Document, Stage, train


@dataclass(frozen=True)
class Recipe:
    """All that a run needs to know."""

    name: str
    description: str
    model: Callable[[], TextModel]
    stages: Sequence[Stage]
    # The tokenizer: what its merges are learnt from, how texts are cut, the special token of each role.
    words: Callable[[Random], Iterable[str]]
    pre: str
    n_vocab: int
    special: tuple[str, ...]
    roles: Mapping[str, str]
    shown: Sequence[str]  # special tokens that are printed
    template: str
    stored: TensorType  # how the file has the matrices


# `general.file_type` of a file that is mostly of a type.
FILE_TYPES: Mapping[TensorType, int] = {"f16": 1, "q8_0": 7}


def documents(stage: Stage, t: bpe.Tokenizer, rng: Random) -> Iterator[Document]:
    while True:
        ids: list[int] = []
        learnt: list[bool] = []
        for text, is_learnt in stage.document(rng):
            new = t.encode(text)
            ids += new
            learnt += [is_learnt] * len(new)
        yield Document(ids, learnt)


def run(recipe: Recipe, usage: str) -> None:
    """Does what the command line says."""
    options = argparse.ArgumentParser(description=usage, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--work", type=Path, required=True, help="where the checkpoint goes")
    options.add_argument("--out", type=Path, required=True, help="the GGUF file to write")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--steps", type=int, default=4000)
    options.add_argument("--minutes", type=float, default=90, help="of processor time; end by then, with fewer steps if need be")
    options.add_argument("--rate", type=float, default=1, help="how fast to learn; less where much is known already")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    options.add_argument("--examples", type=int, help="seed of the examples; SEED + 1, and SEED + 2 with --resume, unless given")
    options.add_argument("--export", action="store_true", help="only write the file, from the checkpoint")
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    args.work.mkdir(parents=True, exist_ok=True)
    saved = args.work / f"{recipe.name}.pt"

    model = recipe.model()
    print(f"{sum(p.numel() for p in model.parameters()):,} weights", flush=True)
    if args.resume or args.export:
        checkpoint = torch.load(saved)
        model.load_state_dict(checkpoint["weights"])
        t = bpe.Tokenizer(recipe.pre, checkpoint["merges"], recipe.special)
    else:
        t = bpe.train(recipe.words(Random(args.seed)), recipe.pre, recipe.n_vocab, recipe.special)

    def export() -> None:
        head = {
            "general.name": f"grafo demo {recipe.name}",
            "general.description": recipe.description,
            "general.license": "mit",
            "general.file_type": FILE_TYPES[recipe.stored],
            "general.quantization_version": 2,
        }
        metadata = {**model.metadata(), **head, **tokenizer_metadata(t, recipe.roles, recipe.shown, recipe.template)}
        write_gguf(args.out, metadata, model.tensors(), recipe.stored)

    def save() -> None:
        part = saved.with_suffix(".part")
        torch.save({"weights": model.state_dict(), "merges": t.merges}, part)
        part.replace(saved)  # a reader never meets half a file
        export()

    if args.export:
        export()
        return
    examples = args.seed + (2 if args.resume else 1) if args.examples is None else args.examples
    rng = Random(examples)
    train(model, lambda stage: documents(stage, t, rng), recipe.stages, n_step=args.steps, minutes=args.minutes, rate=args.rate, save=save)
