"""Sentences as pairs: as Whisper would write them, and as they are spoken. Commands, numbers and small talk."""
import re
import zlib
from random import Random

Sentence = tuple[str, str]

DIGITS = "zero one two three four five six seven eight nine".split()
NUMBERS = {**dict(enumerate(DIGITS)), 10: "ten", 11: "eleven", 12: "twelve", 20: "twenty", 30: "thirty"}

SLOTS: dict[str, list[str]] = {
    "on": ["on", "off"],
    "room": ["kitchen", "bedroom", "garden", "office"],
    "device": ["light", "lamp", "radio", "fan", "heater"],
    "open": ["Open", "Close"],
    "opening": ["door", "window", "box"],
    "colour": ["red", "green", "blue", "yellow", "black", "white"],
    "thing": ["book", "phone", "key", "cup", "hat", "ball"],
    "place": ["table", "chair", "floor"],
    "animal": ["dog", "cat", "bird", "horse", "fish"],
    "food": ["tea", "coffee", "bread", "cheese", "cake"],
    "name": ["Anna", "Ben", "Emma", "Jack", "Lucy", "Sam"],
    "mood": ["happy", "hungry", "tired", "small", "big"],
    "part": ["morning", "evening"],
    "day": ["Monday", "Friday", "Sunday"],
}

TEMPLATES = """
Turn {on} the {room} {device}.
Turn {on} the {device}.
Please turn {on} the {device} in the {room}.
{open} the {room} {opening}.
{open} the {colour} {opening}.
Set the timer for {number} minutes.
Wake me up in {number} hours.
The {colour} {thing} is on the {place}.
The {colour} {thing} is in the {colour} {opening}.
Where is the {colour} {thing}?
Where is my {thing}?
I have a {colour} {thing} and a {colour} {thing}.
{name} has a {mood} {animal}.
The {animal} is {mood} and the {animal} is {mood}.
The {animal} and the {animal} are in the {room}.
{name} likes {food} and {food}.
I would like some {food}, please.
My number is {digit}, {digit}, {digit}, {digit}.
{digit}, {digit}, {digit}.
{digit}, {digit}, {digit}, {digit}, {digit}.
{number} plus {number} is {number}.
It is {number} o'clock.
Good {part}, {name}.
Hello, {name}.
Thank you, {name}.
Call {name} on {day} {part}.
{name} and {name} are in the {room}.
Today is {day}.
See you on {day}, {name}.
What time is it?
Play some music in the {room}.
Stop the music.
""".strip().split("\n")
WEIGHTS = [min(1.0, 0.35 + 0.25 * template.count("{")) for template in TEMPLATES]

SMALL = ("the", "and", "is", "in", "my", "please", "music", "plus")
LOOSE = sorted({*SMALL, *(word for words in SLOTS.values() for word in words)})


def _slot(name: str, rng: Random) -> Sentence:
    if name in SLOTS:
        word = rng.choice(SLOTS[name])
        return word, word
    number = rng.randrange(10) if name == "digit" else rng.choice(list(NUMBERS)[1:])
    return str(number), NUMBERS[number]


def sentence(rng: Random) -> Sentence:
    """A sentence of the templates."""
    written, spoken = [], []
    for piece in re.split(r"(\{\w+\})", rng.choices(TEMPLATES, WEIGHTS)[0]):
        both = _slot(piece[1:-1], rng) if piece.startswith("{") else (piece, piece)
        written.append(both[0])
        spoken.append(both[1])
    return "".join(written), "".join(spoken)


def loose_words(rng: Random) -> Sentence:
    """Words in no order, so that a model learns to listen instead of to guess."""
    words = [rng.choice(LOOSE) for _ in range(rng.randint(2, 5))]
    text = " ".join(words)
    return text[0].upper() + text[1:] + ".", text


def is_held_out(written: str) -> bool:
    """One sentence in twenty never enters training."""
    return zlib.crc32(written.encode()) % 20 == 0


_KNOWN = {
    word.lower()
    for text in (*LOOSE, *map(str, NUMBERS), *(re.sub(r"\{\w+\}", "", template) for template in TEMPLATES))
    for word in re.findall(r"[\w']+", text)
}


def is_known(written: str) -> bool:
    """Whether all words are of this grammar; a bank may have been spoken when it was larger."""
    return all(word.lower() in _KNOWN for word in re.findall(r"[\w']+", written))


def all_texts() -> list[str]:
    """Texts that together hold every token there can be."""
    words = [word for options in SLOTS.values() for word in options] + LOOSE
    starts = [" " + word[0].upper() + word[1:] for word in words]
    numbers = [f" {n}" for n in NUMBERS] + [f" {n}, {n}" for n in NUMBERS]
    fixed = [" " + re.sub(r"\{\w+\}", "x", template) for template in TEMPLATES] + [" a b. c? d,"]
    return [f" {word}" for word in words] + starts + numbers + fixed
