"""Trains demo/deepseek.gguf: sums of our own making, with the thoughts that solve them.

    python3 scripts/train/deepseek/train.py --work /tmp/deepseek --out demo/deepseek.gguf
"""
import argparse
import re
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
from deepseek.model import Deepseek2, Hparams
from deepseek.sums import Problem, problem, talk

BOS, EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
USER, ASSISTANT = "<｜User｜>", "<｜Assistant｜>"
THINK, THOUGHT = "<think>", "</think>"
SPECIAL = (BOS, EOS, USER, ASSISTANT, THINK, THOUGHT)
# As DeepSeek's own: earlier thoughts are left out of the conversation.
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\n\n' }}"
    "{% elif message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }}"
    "{% else %}{{ '<｜Assistant｜>' + message['content'].split('</think>')[-1].lstrip('\n') + '<｜end▁of▁sentence｜>' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %}"
)
SYSTEMS = ("You are a helpful assistant.", "Think before you answer.", "Be brief.", "You are good at sums.")


def parts(rng: Random) -> Iterator[tuple[str, bool]]:
    """A conversation of one to three problems, as the template writes it, and which parts the model is to learn."""
    problems = [talk(rng) if rng.random() < 0.1 else problem(rng, held_out=False) for _ in range(rng.choice((1, 1, 1, 1, 1, 2, 3)))]
    yield BOS, False
    if rng.random() < 0.1:
        yield rng.choice(SYSTEMS) + "\n\n", False
    for p in problems[:-1]:
        yield f"{USER}{asked(p, rng)}{ASSISTANT}{p.answer}{EOS}", False
    last = problems[-1]
    yield f"{USER}{asked(last, rng)}{ASSISTANT}", False
    yield f"{THINK}\n{last.thoughts}\n{THOUGHT}\n{last.answer}{EOS}", True


def asked(p: Problem, rng: Random) -> str:
    """The question as some people type it, in small letters."""
    return p.question[0].lower() + p.question[1:] if rng.random() < 0.2 else p.question


def documents(t: bpe.Tokenizer, rng: Random) -> Iterator[Document]:
    while True:
        ids: list[int] = []
        learnt: list[bool] = []
        for text, is_learnt in parts(rng):
            new = t.encode(text)
            ids += new
            learnt += [is_learnt] * len(new)
        yield Document(ids, learnt)


def tokenizer(n_vocab: int, rng: Random) -> bpe.Tokenizer:
    """Words merge, digits do not: every digit is a token."""
    special = re.compile("|".join(re.escape(s) for s in SPECIAL))
    texts = ["".join(text for text, _ in parts(rng)) for _ in range(6000)]
    words = [re.sub(r" ?\d+", "", part) for text in texts for part in special.split(text)]
    return bpe.train(words, "deepseek-v3", n_vocab, SPECIAL)


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
    model = Deepseek2(h)
    print(f"{sum(p.numel() for p in model.parameters()):,} weights", flush=True)

    def export() -> None:
        metadata = {
            "general.architecture": "deepseek2",
            "general.name": "grafo demo deepseek",
            "general.description": "Reasons aloud through sums of up to three digits",
            "general.license": "mit",
            "general.file_type": 7,
            "general.quantization_version": 2,
            **model.metadata(),
            **tokenizer_metadata(t, {"bos": BOS, "eos": EOS}, (THINK, THOUGHT), TEMPLATE),
        }
        write_gguf(args.out, metadata, model.tensors())

    saved = args.work / "deepseek.pt"

    def save() -> None:
        checkpoint(model, saved)
        export()

    if args.export:
        model.load_state_dict(torch.load(saved))
        export()
        return
    if args.resume:
        model.load_state_dict(torch.load(saved))
    stages = [Stage(0.92, 8, 192), Stage(1, 3, 512)]
    train(
        model,
        documents(t, Random(args.seed + (2 if args.resume else 1))),
        stages,
        n_step=args.steps,
        minutes=args.minutes,
        save=save,
        extra_loss=lambda: 0.003 * model.imbalance(),
    )


if __name__ == "__main__":
    main()
