"""
Draws pictures of one thing in one colour: any size, place, turn, background and amount of noise. A seed gives the
same ones again.

    python3 scripts/train/vit/pictures.py --seed 2026 --count 30 --out FOLDER     # FOLDER/red circle/0.png ...
"""
import argparse
import colorsys
import sys
from math import cos, pi, sin
from pathlib import Path
from random import Random
from typing import Callable

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from PIL import Image, ImageDraw

from vit.shapes import SHAPES, Part, Point

Rgb = tuple[int, int, int]

# Hue in degrees, saturation, value: each from, to.
COLOURS: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "red": ((-10, 8), (0.75, 1), (0.65, 1)),
    "orange": ((22, 34), (0.8, 1), (0.88, 1)),
    "yellow": ((49, 60), (0.7, 1), (0.88, 1)),
    "green": ((95, 145), (0.55, 1), (0.45, 0.9)),
    "blue": ((205, 242), (0.6, 1), (0.55, 1)),
    "purple": ((268, 296), (0.5, 1), (0.45, 0.9)),
}
LABELS = [f"{colour} {shape}" for shape in SHAPES for colour in COLOURS]

CANVAS = 256
SIZES = (64, 96, 128, 160)


def _rgb(hue: float, saturation: float, value: float) -> Rgb:
    r, g, b = colorsys.hsv_to_rgb(hue / 360 % 1, saturation, value)
    return round(255 * r), round(255 * g), round(255 * b)


def _ground(rng: Random, hue: float) -> Rgb:
    """A colour for the background: grey, pale, or full but far from `hue`."""
    kind = rng.random()
    if kind < 0.4:
        return _rgb(rng.uniform(0, 360), rng.uniform(0, 0.12), rng.choice((rng.uniform(0, 0.3), rng.uniform(0.5, 1))))
    if kind < 0.75:
        return _rgb(rng.uniform(0, 360), rng.uniform(0.1, 0.3), rng.uniform(0.85, 1))
    return _rgb(hue + rng.uniform(75, 285), rng.uniform(0.3, 0.9), rng.uniform(0.25, 1))


def _background(rng: Random, hue: float) -> Image.Image:
    """One colour, a gradient of two, or stripes or checks of two."""
    a, b = _ground(rng, hue), _ground(rng, hue)
    image = Image.new("RGB", (CANVAS, CANVAS), a)
    kind = rng.random()
    if kind < 0.25:
        ramp = Image.linear_gradient("L").rotate(rng.uniform(0, 360), Image.BILINEAR, expand=False)
        image.paste(b, mask=ramp.resize((CANVAS, CANVAS)))
    elif kind < 0.45:
        mixed = tuple(round(0.7 * x + 0.3 * y) for x, y in zip(a, b))
        step, checks, draw = rng.randint(12, 60), rng.random() < 0.5, ImageDraw.Draw(image)
        for i in range(0, CANVAS, step):
            for j in range(0, CANVAS, step) if checks else (0,):
                if (i + j) // step % 2:
                    draw.rectangle((i, j, i + step - 1, j + step - 1 if checks else CANVAS), fill=mixed)
    return image


def _clutter(rng: Random, draw: ImageDraw.ImageDraw, hue: float) -> None:
    """Thin lines and dots behind the thing."""
    for _ in range(rng.randint(1, 6)):
        x, y = rng.uniform(0, CANVAS), rng.uniform(0, CANVAS)
        if rng.random() < 0.5:
            end = (rng.uniform(0, CANVAS), rng.uniform(0, CANVAS))
            draw.line((x, y, *end), fill=_ground(rng, hue), width=rng.randint(2, 5))
        else:
            r = rng.uniform(3, 10)
            draw.ellipse((x - r, y - r, x + r, y + r), fill=_ground(rng, hue))


def _placer(rng: Random) -> Callable[[list[Point]], list[Point]]:
    """A function that moves points of the unit square to where the thing is in the picture."""
    size = rng.uniform(0.3, 0.45) * CANVAS
    aspect, turn, mirror = rng.uniform(0.85, 1.18), rng.gauss(0, 9) * pi / 180, rng.choice((-1, 1))
    room = max(0.0, 0.47 * CANVAS - size)
    x0, y0 = (CANVAS / 2 + rng.uniform(-room, room) for _ in range(2))

    def place(points: list[Point]) -> list[Point]:
        stretched = [(mirror * x * aspect**0.5 * size, y / aspect**0.5 * size) for x, y in points]
        return [(x0 + x * cos(turn) - y * sin(turn), y0 + x * sin(turn) + y * cos(turn)) for x, y in stretched]

    return place


def _draw_thing(rng: Random, image: Image.Image, parts: list[Part], body: Rgb) -> Image.Image:
    """Draws into the image; returns where the thing is, in white on black."""
    draw, mask = ImageDraw.Draw(image), Image.new("L", image.size)
    place = _placer(rng)
    shade = rng.uniform(0, 0.25)
    tones: dict[str, Rgb] = {
        "body": body,
        "dark": tuple(round(shade * c) for c in body),
        "light": _rgb(rng.uniform(0, 360), rng.uniform(0, 0.12), rng.uniform(0.88, 1)),
    }
    outline = rng.choice((None, None, tones["dark"], tones["light"]))
    width = rng.randint(3, 7)
    if outline:  # behind all parts, so that it runs around the whole
        for part in parts:
            points = place(part.points)
            draw.line([*points, *points[:2]], fill=outline, width=2 * width, joint="curve")
    for part in parts:
        draw.polygon(place(part.points), fill=tones[part.tone])
        ImageDraw.Draw(mask).polygon(place(part.points), fill=255)
    return mask


def picture(rng: Random, label: str, size: int | None = None) -> Image.Image:
    """A picture of `label`, `size` pixels wide and high (one of `SIZES` unless told)."""
    return picture_and_mask(rng, label, size)[0]


def picture_and_mask(rng: Random, label: str, size: int | None = None) -> tuple[Image.Image, Image.Image]:
    """A picture, and where in it the thing is, in white on black (larger than the picture)."""
    colour, shape = label.split(" ")
    hues, saturations, values = COLOURS[colour]
    hue = rng.uniform(*hues)
    body = _rgb(hue, rng.uniform(*saturations), rng.uniform(*values))
    image = _background(rng, hue)
    if rng.random() < 0.35:
        _clutter(rng, ImageDraw.Draw(image), hue)
    mask = _draw_thing(rng, image, SHAPES[shape], body)
    size = size or rng.choice(SIZES)
    image = image.resize((size, size), Image.BOX)
    if rng.random() < 0.4:
        noise = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, (size, size, 3), np.uint8)
        image = Image.blend(image, Image.fromarray(noise), rng.uniform(0.02, 0.16))
    return image, mask


def main() -> None:
    args = argparse.ArgumentParser()
    args.add_argument("--seed", type=int, required=True)
    args.add_argument("--count", type=int, default=30, help="pictures a class")
    args.add_argument("--out", type=Path, required=True)
    a = args.parse_args()
    rng = Random(a.seed)
    for label in LABELS:
        folder = a.out / label
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(a.count):
            picture(rng, label).save(folder / f"{i}.png")


if __name__ == "__main__":
    main()
