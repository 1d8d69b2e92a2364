"""Texts from templates: `[a|b]` is a choice, nested at will, and `{name}` is filled in from the slots."""
import re
from random import Random
from typing import Mapping

CHOICE = re.compile(r"\[([^\[\]]*)\]")
SLOT = re.compile(r"\{(\w+)\}")
ARTICLE = re.compile(r"\b([Aa])n? (?=(hour|\w))")

VOWEL_SOUNDS = {"a", "e", "i", "o", "hour"}


def expand(template: str, slots: Mapping[str, str], rng: Random) -> str:
    """The template with every choice made and every slot filled, `a` and `an` set right and sentences capitalised."""
    text, n = template, 1
    while n:
        text, n = CHOICE.subn(lambda m: rng.choice(m[1].split("|")), text)
        if not n:
            text, n = SLOT.subn(lambda m: slots[m[1]], text)
    text = ARTICLE.sub(lambda m: m[1] + ("n " if m[2].lower() in VOWEL_SOUNDS else " "), text)
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(r'(^|[.!?] |\." )([a-z])', lambda m: m[1] + m[2].upper(), text)
