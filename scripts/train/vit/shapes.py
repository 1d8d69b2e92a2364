"""The things that are drawn, as polygons around the origin inside a square of side 2, y downwards."""
from dataclasses import dataclass
from math import cos, pi, sin
from typing import Literal

Point = tuple[float, float]
Tone = Literal["body", "dark", "light"]


@dataclass(frozen=True)
class Part:
    """One filled polygon; `body` is in the colour that gives the picture its name."""

    points: list[Point]
    tone: Tone = "body"


def _oval(x: float, y: float, rx: float, ry: float, n: int = 40) -> list[Point]:
    return [(x + rx * cos(2 * pi * i / n), y + ry * sin(2 * pi * i / n)) for i in range(n)]


def _box(x0: float, y0: float, x1: float, y1: float) -> list[Point]:
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def _spikes(n: int, outer: float, inner: float) -> list[Point]:
    radii = [outer if i % 2 == 0 else inner for i in range(2 * n)]
    return [(r * sin(pi * i / n), -r * cos(pi * i / n)) for i, r in enumerate(radii)]


def _heart() -> list[Point]:
    angles = [2 * pi * i / 60 for i in range(60)]
    return [
        (sin(a) ** 3, -(13 * cos(a) - 5 * cos(2 * a) - 2 * cos(3 * a) - cos(4 * a)) / 16 - 0.1) for a in angles
    ]


def _petals(n: int) -> list[Part]:
    centres = [2 * pi * i / n for i in range(n)]
    return [Part(_oval(0.58 * sin(a), -0.58 * cos(a), 0.36, 0.36)) for a in centres]


SHAPES: dict[str, list[Part]] = {
    "circle": [Part(_oval(0, 0, 0.92, 0.92))],
    "square": [Part(_box(-0.82, -0.82, 0.82, 0.82))],
    "triangle": [Part([(0, -0.92), (0.95, 0.75), (-0.95, 0.75)])],
    "star": [Part(_spikes(5, 1.0, 0.42))],
    "heart": [Part(_heart())],
    "house": [
        Part(_box(-0.7, -0.15, 0.7, 0.9)),
        Part([(-0.95, -0.15), (0, -0.95), (0.95, -0.15)]),
        Part(_box(-0.18, 0.3, 0.18, 0.9), "dark"),
        Part(_box(-0.55, 0.1, -0.3, 0.38), "light"),
        Part(_box(0.3, 0.1, 0.55, 0.38), "light"),
    ],
    "tree": [
        Part(_box(-0.14, 0.5, 0.14, 0.98), "dark"),
        Part([(0, -1.0), (0.5, -0.3), (-0.5, -0.3)]),
        Part([(0, -0.7), (0.65, 0.15), (-0.65, 0.15)]),
        Part([(0, -0.35), (0.8, 0.6), (-0.8, 0.6)]),
    ],
    "car": [
        Part(
            [(-0.98, 0.0), (-0.6, -0.08), (-0.38, -0.52), (0.35, -0.52)]
            + [(0.62, -0.08), (0.98, 0.05), (0.98, 0.42), (-0.98, 0.42)]
        ),
        Part([(-0.42, -0.08), (-0.28, -0.4), (-0.04, -0.4), (-0.04, -0.08)], "light"),
        Part([(0.06, -0.08), (0.06, -0.4), (0.28, -0.4), (0.44, -0.08)], "light"),
        Part(_oval(-0.52, 0.44, 0.24, 0.24), "dark"),
        Part(_oval(0.54, 0.44, 0.24, 0.24), "dark"),
    ],
    "fish": [
        Part(_oval(-0.2, 0, 0.74, 0.46)),
        Part([(0.4, 0), (0.98, -0.46), (0.86, 0), (0.98, 0.46)]),
        Part([(-0.25, -0.4), (0.1, -0.72), (0.25, -0.34)]),
        Part(_oval(-0.58, -0.1, 0.11, 0.11), "light"),
        Part(_oval(-0.6, -0.1, 0.05, 0.05), "dark"),
    ],
    "flower": [*_petals(6), Part(_oval(0, 0, 0.28, 0.28), "light")],
    "cup": [
        Part([(0.5, -0.38), (0.92, -0.34), (0.92, 0.32), (0.45, 0.46)]),
        Part([(0.56, -0.16), (0.72, -0.14), (0.72, 0.16), (0.52, 0.24)], "light"),
        Part([(-0.8, -0.65), (0.6, -0.65), (0.46, 0.72), (-0.66, 0.72)]),
        Part(_oval(-0.1, -0.65, 0.7, 0.14), "dark"),
    ],
    "face": [
        Part(_oval(0, 0, 0.92, 0.92)),
        Part(_oval(-0.34, -0.25, 0.13, 0.17), "dark"),
        Part(_oval(0.34, -0.25, 0.13, 0.17), "dark"),
        Part(
            [(-0.5, 0.22), (-0.25, 0.46), (0, 0.53), (0.25, 0.46)]
            + [(0.5, 0.22), (0.28, 0.62), (0, 0.72), (-0.28, 0.62)],
            "dark",
        ),
    ],
}
