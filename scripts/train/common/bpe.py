"""Byte-level byte-pair encoding (Sennrich et al. 2016; bytes as in GPT-2), trained on texts of ours."""
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Iterable

# How llama.cpp cuts a text before merging, by the name in `tokenizer.ggml.pre`; ASCII is all that the texts hold.
PUNCTUATION = r"[!-/:-@\[-`{-~]"
PRE_TOKENIZERS = {
    "llama-bpe": re.compile(
        r"'(?i:s|t|re|ve|m|ll|d)|[^\r\nA-Za-z0-9]?[A-Za-z]+|[0-9]{1,3}| ?[^\sA-Za-z0-9]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    "deepseek-v3": re.compile(
        rf"[0-9]{{1,3}}|{PUNCTUATION}[A-Za-z]+|[^\r\nA-Za-z0-9!-/:-@\[-`{{-~]?[A-Za-z]+| ?{PUNCTUATION}+[\r\n]*|"
        r"\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
}


def byte_alphabet() -> list[str]:
    """The printable character that stands for each byte, in order of the bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(others)) for b in range(256)]


ALPHABET = byte_alphabet()


def spell(word: str) -> tuple[str, ...]:
    return tuple(ALPHABET[b] for b in word.encode())


def merge(parts: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    """The parts with every neighbouring `pair` made one."""
    merged: list[str] = []
    i = 0
    while i < len(parts):
        if parts[i : i + 2] == pair:
            merged.append(parts[i] + parts[i + 1])
            i += 2
        else:
            merged.append(parts[i])
            i += 1
    return tuple(merged)


@dataclass(frozen=True)
class Tokenizer:
    """Tokens are the 256 bytes, then what the merges make, then `special` ones, which only stand whole in a text."""

    pre: str
    merges: tuple[tuple[str, str], ...]
    special: tuple[str, ...]
    known: dict[str, list[int]] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def tokens(self) -> list[str]:
        return [*ALPHABET, *(a + b for a, b in self.merges), *self.special]

    @cached_property
    def ids(self) -> dict[str, int]:
        return {token: i for i, token in enumerate(self.tokens)}

    @cached_property
    def splitter(self) -> re.Pattern[str]:
        return re.compile("(" + "|".join(re.escape(s) for s in self.special) + ")")

    def encode(self, text: str) -> list[int]:
        """Ids of the text; special tokens are found in it, none is put before or after."""
        ids: list[int] = []
        for part in self.splitter.split(text):
            if part in self.special:
                ids.append(self.ids[part])
            else:
                for word in PRE_TOKENIZERS[self.pre].findall(part):
                    ids += self.word(word)
        return ids

    def word(self, word: str) -> list[int]:
        if word not in self.known:
            parts = spell(word)
            ranks = self.ranks
            while len(parts) > 1:
                pair = min(zip(parts, parts[1:]), key=lambda p: ranks.get(p, len(ranks)))
                if pair not in ranks:
                    break
                parts = merge(parts, pair)
            self.known[word] = [self.ids[p] for p in parts]
        return self.known[word]

    @cached_property
    def ranks(self) -> dict[tuple[str, str], int]:
        return {pair: rank for rank, pair in enumerate(self.merges)}


def train(texts: Iterable[str], pre: str, n_vocab: int, special: tuple[str, ...]) -> Tokenizer:
    """The tokenizer of `n_vocab` tokens whose merges join the pair that is most frequent in the texts, again and again."""
    counts = Counter(word for text in texts for word in PRE_TOKENIZERS[pre].findall(text))
    words = {word: spell(word) for word in counts}
    merges: list[tuple[str, str]] = []
    while 256 + len(merges) + len(special) < n_vocab:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, parts in words.items():
            for pair in zip(parts, parts[1:]):
                pairs[pair] += counts[word]
        if not pairs:
            raise ValueError(f"the texts give {len(merges)} merges only, too few for {n_vocab} tokens")
        best = max(pairs, key=lambda p: (pairs[p], p))
        merges.append(best)
        words = {w: merge(parts, best) if best[0] in parts else parts for w, parts in words.items()}
    return Tokenizer(pre, tuple(merges), special)
