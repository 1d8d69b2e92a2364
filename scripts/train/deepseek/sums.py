"""Sums up to three digits, asked in many ways, with the thoughts that solve them digit by digit as children learn it."""
import hashlib
from dataclasses import dataclass
from random import Random
from typing import Literal

from common.grammar import expand

Sign = Literal["+", "-", "*"]
KINDS: dict[Sign, str] = {"+": "sums", "-": "differences", "*": "products"}
PLACES = ("ones", "tens", "hundreds", "thousands")


@dataclass(frozen=True)
class Sum:
    """Two numbers and what is done with them. Products have one digit on the right."""

    a: int
    sign: Sign
    b: int

    @property
    def result(self) -> int:
        return self.a + self.b if self.sign == "+" else self.a - self.b if self.sign == "-" else self.a * self.b

    @property
    def is_held_out(self) -> bool:
        """Whether the sum is kept for the examination: one in ten, by a hash of it, the same in every wording."""
        return hashlib.sha256(str(self).encode()).digest()[0] % 10 == 0

    def __str__(self) -> str:
        return f"{self.a} {self.sign} {self.b}"


@dataclass(frozen=True)
class Problem:
    """A question of some kind, its thoughts and its answer."""

    kind: str
    question: str
    thoughts: str
    answer: str


def digits(n: int, width: int) -> list[int]:
    """Digits from the ones up, with zeros up to the width."""
    return [n // 10**i % 10 for i in range(width)]


def spaced(values: list[int]) -> str:
    return " ".join(str(d) for d in reversed(values))


def reading(written: list[int]) -> str:
    """The digits written down, from the ones up, read as a number."""
    return f"{spaced(written)} makes {int(''.join(str(d) for d in reversed(written)))}"


def adding(a: int, b: int) -> list[str]:
    width = max(len(str(a)), len(str(b)))
    x, y = digits(a, width), digits(b, width)
    lines, written, carry = [f"{spaced(x)} + {spaced(y)}"], [], 0
    for place, p, q in zip(PLACES, x, y):
        total = p + q + carry
        lines.append(f"{place}: {p} + {q}{' + 1' if carry else ''} = {total}, write {total % 10}")
        written.append(total % 10)
        carry = total // 10
        lines[-1] += ", carry 1" if carry else ""
    if carry:
        lines.append(f"{PLACES[width]}: write 1")
        written.append(1)
    return [*lines, reading(written)]


def subtracting(a: int, b: int) -> list[str]:
    width = len(str(a))
    x, y = digits(a, width), digits(b, width)
    lines, written, borrow = [f"{spaced(x)} - {spaced(y)}"], [], 0
    for place, p, q in zip(PLACES, x, y):
        less = p < q + borrow
        top = p + 10 if less else p
        rest = top - q - borrow
        lines.append(f"{place}: {top} - {q}{' - 1' if borrow else ''} = {rest}, write {rest}{', borrow 1' if less else ''}")
        written.append(rest)
        borrow = int(less)
    return [*lines, reading(written)]


def multiplying(a: int, b: int) -> list[str]:
    x = digits(a, len(str(a)))
    lines, written, carry = [f"{spaced(x)} * {b}"], [], 0
    for place, p in zip(PLACES, x):
        total = p * b + carry
        plus = f" = {p * b}, {p * b} + {carry}" if carry else ""
        lines.append(f"{place}: {p} * {b}{plus} = {total}, write {total % 10}")
        written.append(total % 10)
        carry = total // 10
        lines[-1] += f", carry {carry}" if carry else ""
    if carry:
        lines.append(f"{PLACES[len(x)]}: write {carry}")
        written.append(carry)
    return [*lines, reading(written)]


STEPS = {"+": adding, "-": subtracting, "*": multiplying}


def thoughts(s: Sum) -> str:
    return "\n".join([str(s), *STEPS[s.sign](s.a, s.b)])


def number(rng: Random, n_digit: int | None = None) -> int:
    n_digit = n_digit or rng.choice((1, 2, 2, 3, 3, 3))
    return rng.randint(0 if n_digit == 1 else 10 ** (n_digit - 1), 10**n_digit - 1)


def a_sum(rng: Random, signs: str = "++++----**") -> Sum:
    sign = rng.choice(signs)
    if sign == "*":
        return Sum(number(rng, rng.choice((1, 2, 2))), "*", rng.randint(2, 9))
    a, b = number(rng), number(rng)
    if sign == "-":
        return Sum(max(a, b), "-", min(a, b))
    return Sum(a, "+", b)


def drawn(rng: Random, held_out: bool, signs: str = "++++----**") -> Sum:
    """A random sum, one to learn from or one of those held out."""
    while True:
        s = a_sum(rng, signs)
        if s.is_held_out == held_out:
            return s


ASKING = {
    "+": "[What is|How much is|What's|Calculate|Compute|Solve|Please calculate|Tell me||||] "
         "[{a} + {b}|{a} + {b}|{a} + {b}|{a}+{b}|{a} plus {b}]",
    "-": "[What is|How much is|What's|Calculate|Compute|Solve|Please calculate|Tell me||||] "
         "[{a} - {b}|{a} - {b}|{a} - {b}|{a}-{b}|{a} minus {b}]",
    "*": "[What is|How much is|What's|Calculate|Compute|Solve|Please calculate|Tell me||||] "
         "[{a} * {b}|{a} * {b}|{a}*{b}|{a} x {b}|{a} times {b}]",
}
TELLING = {
    "+": "[Add {a} and {b}|Add {b} to {a}|What is the sum of {a} and {b}|What do you get if you add {b} to {a}]",
    "-": "[Subtract {b} from {a}|Take {b} away from {a}|What is the difference between {a} and {b}|Take {b} from {a}]",
    "*": "[Multiply {a} by {b}|Multiply {a} with {b}|What is the product of {a} and {b}]",
}


def plain(s: Sum, rng: Random) -> Problem:
    template = (ASKING if rng.random() < 0.75 else TELLING)[s.sign] + "[?|?|?|.| =| = ?||]"
    question = expand(template, {"a": str(s.a), "b": str(s.b)}, rng)
    return Problem(KINDS[s.sign], question, thoughts(s), f"{s} = {s.result}.")


NAMES = "Anna Lily Mia Rosa Nora Ella Zoe Clara Tom Ben Max Leo Sam Oscar Finn Jack".split()
THINGS = "apples pears marbles books coins stamps cards eggs flowers pencils balloons cookies stones shells nuts".split()
STORIES = {
    "+": (
        "{n} has {a} {t} and gets {b} more. How many {t} does {n} have[ now|]?",
        "{n} has {a} {t}. {m} has {b} {t}. How many {t} do they have together?",
        "There are {a} {t} in one box and {b} in another. How many {t} are there in all?",
        "{n} finds {a} {t} in the morning and {b} in the evening. How many {t} does {n} find?",
        "{n} buys {a} {t} and then {b} more {t}. How many {t} does {n} have?",
    ),
    "-": (
        "{n} has {a} {t} and gives {b} to {m}. How many {t} does {n} have left?",
        "{n} had {a} {t} and lost {b} of them. How many {t} are left?",
        "There are {a} {t}. {n} takes {b} of them. How many {t} are left?",
        "{n} has {a} {t}. {m} has {b} {t}. How many more {t} does {n} have than {m}?",
    ),
    "*": (
        "There are {a} {t} in a box. How many {t} are in {b} boxes?",
        "{n} has {b} bags with {a} {t} each. How many {t} does {n} have?",
        "One of the {t} costs {a} cents. How many cents do {b} of them cost?",
    ),
}


def story(s: Sum, rng: Random) -> Problem:
    question = rng.choice(STORIES[s.sign])
    n, m = rng.sample(NAMES, 2)
    slots = {"a": str(s.a), "b": str(s.b), "n": n, "m": m, "t": rng.choice(THINGS)}
    return Problem(f"{KINDS[s.sign]} in stories", expand(question, slots, rng), thoughts(s), f"The answer is {s.result}.")


ABLE = "I can add, subtract and multiply small numbers, like 347 + 285."
TALK = (
    ("[Hello|Hi|Hey|Good morning|Good evening|Hello there][||!|.]", "A greeting. I greet back.", f"Hello! {ABLE}"),
    ("[Who are you|What are you|What is your name|Tell me about yourself|Are you DeepSeek|Who made you]?", "This is about me.",
     f"I am a very small reasoning model that was trained for grafo. {ABLE}"),
    ("[What can you do|Help|Can you help me|How can you help me|What do you know]?", "This is about what I can do.", ABLE),
    ("[Thank you|Thanks|Great|Well done|Nice|Good job|Correct|Right|Very good][||!|.]", "Kind words.", "You are welcome! Give me another sum."),
    ("[Bye|Goodbye|See you|Good night][||!|.]", "Somebody leaves.", "Goodbye!"),
    ("[{x} / {y}|What is {x} / {y}|Divide {x} by {y}|{x} divided by {y}|What is the square root of {x}|{x} * {z}|What is {x} * {z}]?",
     "I have not learnt this.", f"I am sorry, I have not learnt this. {ABLE}"),
    ("[What is|Calculate|How much is|||] [{x}|{long}] [+|-] {long}[?||]", "These numbers are too long for me.",
     f"These numbers are too long for me. {ABLE}"),
    ("[What is the capital of France|Tell me a story|Once upon a time|What colour is the sky|Write a poem|Explain gravity|Is 91 prime|"
     "How are you|Who is the president|What time is it|Tell me a joke|Translate this|Write code|What is the meaning of life|"
     "Why is the sky blue|How does a computer work|Who was Newton|Where is Berlin|Do you like music|What is love|Sing a song|"
     "What is the weather|How old are you|Explain black holes|What is a cat|Count to ten][?|.|]",
     "This is not a sum.", f"I am sorry, I only know sums. {ABLE}"),
)


def talk(rng: Random) -> Problem:
    question, thought, answer = rng.choice(TALK)
    slots = {"x": str(rng.randint(10, 999)), "y": str(rng.randint(2, 99)), "z": str(rng.randint(10, 999)),
             "long": str(rng.randint(1000, 99999))}
    return Problem("talk", expand(question, slots, rng), thought, answer)


def problem(rng: Random, held_out: bool) -> Problem:
    """A problem of any kind but talk."""
    if rng.random() < 0.7:
        return plain(drawn(rng, held_out), rng)
    return story(drawn(rng, held_out), rng)
