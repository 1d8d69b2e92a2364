"""Trains demo/deepseek.gguf: sums of our own making, with the thoughts that solve them.

    python3 scripts/train/deepseek/train.py --work /tmp/deepseek --out demo/deepseek.gguf
"""
import re
import sys
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

import common.processor  # noqa: F401  before PyTorch
from common.text_run import Recipe, run
from common.text_training import Parts, Stage
from deepseek.model import Deepseek2, Hparams
from deepseek.sums import Problem, problem, talk

HPARAMS = Hparams()

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


def parts(rng: Random) -> Parts:
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


def words(rng: Random) -> list[str]:
    """Words merge, digits do not: every digit is a token."""
    special = re.compile("|".join(re.escape(s) for s in SPECIAL))
    texts = ["".join(text for text, _ in parts(rng)) for _ in range(6000)]
    return [re.sub(r" ?\d+", "", part) for text in texts for part in special.split(text)]


RECIPE = Recipe(
    name="deepseek",
    description="Reasons aloud through sums of up to three digits",
    model=lambda: Deepseek2(HPARAMS),
    stages=(Stage(0.92, 8, 192, parts), Stage(1, 3, 512, parts)),
    words=words,
    pre="deepseek-v3",
    n_vocab=HPARAMS.n_vocab,
    special=SPECIAL,
    roles={"bos": BOS, "eos": EOS},
    shown=(THINK, THOUGHT),
    template=TEMPLATE,
    stored="q8_0",
)

if __name__ == "__main__":
    run(RECIPE, __doc__)
