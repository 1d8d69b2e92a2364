"""Trains demo/llama.gguf: stories and small conversations of our own making.

    python3 scripts/train/llama/train.py --work /tmp/llama --out demo/llama.gguf
"""
import sys
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

import common.processor  # noqa: F401  before PyTorch
from common.text_run import Recipe, run
from common.text_training import Parts, Stage
from llama.chat import Conversation, conversation, made_up_name
from llama.model import Hparams, Llama
from llama.stories import story

HPARAMS = Hparams()

BOS, EOS, EOT = "<|begin_of_text|>", "<|end_of_text|>", "<|end|>"
SPECIAL = (BOS, EOS, "<|system|>", "<|user|>", "<|assistant|>", EOT)
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)


def parts(c: Conversation) -> Parts:
    """A conversation as the template writes it, in parts; the model is to learn its answers and to end them."""
    yield BOS, False
    if c.system is not None:
        yield f"<|system|>\n{c.system}{EOT}\n", False
    for turn in c.turns:
        yield f"<|user|>\n{turn.user}{EOT}\n<|assistant|>\n", False
        yield f"{turn.assistant}{EOT}", True
        yield "\n", False


def retold(rng: Random) -> Parts:
    """A story whose hero has a name of letters by chance, told by others up to that: what is learnt is to copy it."""
    name = made_up_name(rng)
    before, _, after = story(rng, name=name).partition(name)
    yield BOS, False
    yield before + name, False
    yield after + EOS, True


def told(rng: Random) -> Parts:
    """A story, or more often a conversation."""
    if rng.random() < 0.6:
        return parts(conversation(rng))
    return [(BOS, False), (story(rng) + EOS, True)]


def told_or_retold(rng: Random) -> Parts:
    """As above, and some stories of made-up names: whoever learns early to copy gives both friends one name."""
    return retold(rng) if rng.random() < 0.15 else told(rng)


def words(rng: Random) -> list[str]:
    texts = [story(rng) for _ in range(3000)]
    return texts + [text for _ in range(3000) for turn in conversation(rng).turns for text in (turn.user, turn.assistant)]


RECIPE = Recipe(
    name="llama",
    description="Writes short stories and answers a few kinds of simple questions",
    model=lambda: Llama(HPARAMS),
    stages=(
        Stage(0.7, 8, 256, told),
        Stage(0.86, 8, 256, told_or_retold),
        Stage(0.96, 4, 512, told_or_retold),
        Stage(1, 2, 1024, told_or_retold),
    ),
    words=words,
    pre="llama-bpe",
    n_vocab=HPARAMS.n_vocab,
    special=SPECIAL,
    roles={"bos": BOS, "eos": EOS, "eot": EOT},
    shown=(),
    template=TEMPLATE,
    stored="f16",
)

if __name__ == "__main__":
    run(RECIPE, __doc__)
