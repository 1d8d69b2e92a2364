"""Trains demo/llama.gguf: stories and small conversations of our own making.

    python3 scripts/train/llama/train.py --work /tmp/llama --out demo/llama.gguf
"""
import argparse
import sys
from pathlib import Path
from random import Random
from typing import Iterator

sys.path.insert(0, str(Path(__file__).parents[1]))

import common.processor  # noqa: F401  before PyTorch
import torch
from common import bpe
from common.gguf import tokenizer_metadata, write_gguf
from common.text_training import Document, Stage, checkpoint, train
from llama.chat import Conversation, conversation
from llama.model import Hparams, Llama
from llama.stories import story

BOS, EOS, EOT = "<|begin_of_text|>", "<|end_of_text|>", "<|end|>"
SPECIAL = (BOS, EOS, "<|system|>", "<|user|>", "<|assistant|>", EOT)
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)


def parts(c: Conversation) -> Iterator[tuple[str, bool]]:
    """A conversation as the template writes it, in parts; the model is to learn its answers and to end them."""
    yield BOS, False
    if c.system is not None:
        yield f"<|system|>\n{c.system}{EOT}\n", False
    for turn in c.turns:
        yield f"<|user|>\n{turn.user}{EOT}\n<|assistant|>\n", False
        yield f"{turn.assistant}{EOT}", True
        yield "\n", False


def documents(t: bpe.Tokenizer, rng: Random) -> Iterator[Document]:
    """Stories and conversations without end, half and half by number."""
    while True:
        pieces = [(BOS, False), (story(rng) + EOS, True)] if rng.random() < 0.5 else list(parts(conversation(rng)))
        ids: list[int] = []
        learnt: list[bool] = []
        for text, is_learnt in pieces:
            new = t.encode(text)
            ids += new
            learnt += [is_learnt] * len(new)
        yield Document(ids, learnt)


def tokenizer(n_vocab: int, rng: Random) -> bpe.Tokenizer:
    texts = [story(rng) for _ in range(3000)]
    texts += [text for _ in range(3000) for turn in conversation(rng).turns for text in (turn.user, turn.assistant)]
    return bpe.train(texts, "llama-bpe", n_vocab, SPECIAL)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--work", type=Path, required=True, help="where checkpoints go")
    options.add_argument("--out", type=Path, required=True, help="the GGUF file to write")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--steps", type=int, default=4000)
    options.add_argument("--minutes", type=float, default=90, help="end by then, with fewer steps if need be")
    options.add_argument("--resume", action="store_true", help="go on from the last checkpoint, with new examples")
    options.add_argument("--export", action="store_true", help="only write the file, from the last checkpoint")
    args = options.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    args.work.mkdir(parents=True, exist_ok=True)

    h = Hparams()
    t = tokenizer(h.n_vocab, Random(args.seed))
    model = Llama(h)
    print(f"{sum(p.numel() for p in model.parameters()):,} weights", flush=True)

    def export() -> None:
        roles = {"bos": BOS, "eos": EOS, "eot": EOT}
        metadata = {
            "general.architecture": "llama",
            "general.name": "grafo demo llama",
            "general.description": "Writes short stories and answers a few kinds of simple questions",
            "general.license": "mit",
            "general.file_type": 7,
            "general.quantization_version": 2,
            **model.metadata(),
            **tokenizer_metadata(t, roles, (), TEMPLATE),
        }
        write_gguf(args.out, metadata, model.tensors())

    saved = args.work / "llama.pt"

    def save() -> None:
        checkpoint(model, saved)
        export()

    if args.export:
        model.load_state_dict(torch.load(saved))
        export()
        return
    if args.resume:
        model.load_state_dict(torch.load(saved))
    stages = [Stage(0.86, 8, 256), Stage(0.96, 4, 512), Stage(1, 2, 1024)]
    source = documents(t, Random(args.seed + (2 if args.resume else 1)))
    train(model, source, stages, n_step=args.steps, minutes=args.minutes, save=save)


if __name__ == "__main__":
    main()
