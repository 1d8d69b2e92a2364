"""GPT-2's byte pairs, read from the vocabulary in a Whisper file, and the special tokens of English-only models."""
import re
import struct
from functools import lru_cache
from pathlib import Path
from typing import Iterable

END, START, PREVIOUS, NO_SPEECH, NO_TIMES, TIME_0 = 50256, 50257, 50360, 50361, 50362, 50363
COUNT = 51864
TICKS = 1500  # the last timestamp, 30 s

# GPT-2's pattern for ASCII.
_WORD = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+")
_HEADER = 48
_NO_RANK = 1 << 30


def read_vocabulary(path: Path) -> list[bytes]:
    """The words in a file of whisper.cpp's, in the order of their ids, which is the order in which they were merged."""
    with open(path, "rb") as file:
        file.seek(_HEADER)
        mels, bins = struct.unpack("<2i", file.read(8))
        file.seek(4 * mels * bins, 1)
        (count,) = struct.unpack("<i", file.read(4))
        return [file.read(struct.unpack("<i", file.read(4))[0]) for _ in range(count)]


class Tokenizer:
    def __init__(self, vocabulary: list[bytes]) -> None:
        self.vocabulary = vocabulary
        self._ranks = {word: i for i, word in enumerate(vocabulary[:END])}
        self._merged = lru_cache(10_000)(self._merge)

    def _merge(self, word: str) -> tuple[int, ...]:
        parts = [bytes([byte]) for byte in word.encode()]
        while len(parts) > 1:
            ranks = [self._ranks.get(a + b, _NO_RANK) for a, b in zip(parts, parts[1:])]
            best = min(range(len(ranks)), key=ranks.__getitem__)
            if ranks[best] == _NO_RANK:
                break
            parts[best : best + 2] = [parts[best] + parts[best + 1]]
        return tuple(self._ranks[part] for part in parts)

    def encode(self, text: str) -> list[int]:
        return [token for word in _WORD.findall(text) for token in self._merged(word)]

    def decode(self, tokens: Iterable[int]) -> str:
        return b"".join(self.vocabulary[token] for token in tokens if token < END).decode(errors="replace")


def used_tokens(tokenizer: Tokenizer, texts: Iterable[str]) -> list[int]:
    """Every token that can occur in these texts or around them."""
    specials = {END, START, PREVIOUS, NO_SPEECH, NO_TIMES, *range(TIME_0, TIME_0 + TICKS + 1)}
    return sorted(specials.union(*(tokenizer.encode(text) for text in texts)))
