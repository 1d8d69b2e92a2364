"""Trains the ViT on pictures that are drawn while it learns.

    python3 scripts/train/vit/train.py --minutes 45 --seed 1 --out FOLDER     # FOLDER/vit.pt and FOLDER/vit.bin
"""
import argparse
import sys
import time
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

import common.processor  # noqa: F401  before PyTorch
import numpy as np
import torch
from common.muon import Muon
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from vit.export import export
from vit.model import Config, Vit
from vit.pictures import COLOURS, LABELS, picture_and_mask
from vit.shapes import SHAPES

IGNORED = -100
HELD_OUT_SEED = 1 << 40  # far from every seed that a run is started with


@dataclass(frozen=True)
class Batch:
    images: Tensor  # [B, 3, size, size]
    shapes: Tensor
    colours: Tensor
    patches: Tensor  # [B, patches]: 0 for the background, 1 + shape on the thing, IGNORED at its edges


def timm(image: Image.Image, size: int) -> Image.Image:
    """As timm and `grafo vit` do: bicubic, the central 90 %."""
    side = int(size / 0.9)
    edge = (side - size) // 2
    return image.resize((side, side), Image.BICUBIC).crop((edge, edge, edge + size, edge + size))


def vit_cpp(image: Image.Image, size: int) -> Image.Image:
    """As vit.cpp does: every n-th pixel, for its bicubic filter does not smooth."""
    return image.resize((size, size), Image.NEAREST)


# Both ways to prepare a picture are learnt: how to bring it to size, mean, deviation.
RECIPES = (
    (timm, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    (vit_cpp, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
)


def batch(rng: Random, n: int, c: Config) -> Batch:
    labels = [rng.randrange(len(LABELS)) for _ in range(n)]
    images, patches = [], []
    for label in labels:
        image, mask = picture_and_mask(rng, LABELS[label])
        to_size, mean, deviation = rng.choice(RECIPES)
        images.append((np.asarray(to_size(image, c.image_size), np.float32) / 255 - mean) / deviation)
        side, p = c.image_size // c.patch_size, c.patch_size
        covered = np.asarray(to_size(mask, c.image_size), np.float32).reshape(side, p, side, p).mean((1, 3)) / 255
        part = 1 + label // len(COLOURS)
        patches.append(np.where(covered > 0.3, part, np.where(covered < 0.02, 0, IGNORED)).flatten())
    both = torch.tensor(labels)
    return Batch(
        torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).astype(np.float32)),
        both.div(len(COLOURS), rounding_mode="floor"),
        both % len(COLOURS),
        torch.from_numpy(np.stack(patches)),
    )


@torch.no_grad()
def accuracy(model: Vit, seed: int, count: int) -> float:
    """Part of the pictures whose shape and colour are both right."""
    rng, right = Random(seed), 0
    for _ in range(count // 50):
        b = batch(rng, 50, model.config)
        shape, colour, _ = model(b.images)
        right += int(((shape.argmax(1) == b.shapes) & (colour.argmax(1) == b.colours)).sum())
    return right / (count // 50 * 50)


def main() -> None:
    args = argparse.ArgumentParser()
    args.add_argument("--minutes", type=float, default=45)
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--batch", type=int, default=32)
    args.add_argument("--rate", type=float, default=0.012, help="of matrices; a tenth of it for the rest")
    args.add_argument("--resume", type=Path, help="weights to go on from")
    args.add_argument("--out", type=Path, required=True)
    a = args.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    rng = Random(a.seed)
    model = Vit(Config(), len(SHAPES), len(COLOURS))
    if a.resume:
        model.load_state_dict(torch.load(a.resume), strict=False)
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "_head." not in name]
    rest = [p for name, p in model.named_parameters() if p.ndim != 2 or "_head." in name]
    optimizers = [Muon(matrices, a.rate), torch.optim.AdamW(rest, a.rate / 10, betas=(0.9, 0.98), weight_decay=0.0)]
    rates = [a.rate, a.rate / 10]
    start, step = time.monotonic(), 0
    while (done := (time.monotonic() - start) / (60 * a.minutes)) < 1:
        b = batch(rng, a.batch, model.config)
        with torch.autocast("cpu", torch.bfloat16):  # several times quicker where the processor knows bfloat16
            shape, colour, patch = (logits.float() for logits in model(b.images))
        loss = F.cross_entropy(shape, b.shapes) + F.cross_entropy(colour, b.colours)
        patch_loss = F.cross_entropy(patch.flatten(0, 1), b.patches.flatten(), ignore_index=IGNORED)
        model.zero_grad()
        (loss + patch_loss).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, rate in zip(optimizers, rates):
            optimizer.param_groups[0]["lr"] = rate * min(1, (step + 1) / 100) * (0.5 + 0.5 * cos(pi * done)) + 1e-6
            optimizer.step()
        step += 1
        if step % 100 == 0:
            right = ((shape.argmax(1) == b.shapes) & (colour.argmax(1) == b.colours)).float().mean().item()
            passed = time.monotonic() - start
            print(f"{passed:6.0f} s  step {step:5d}  loss {loss.item():.3f}  patches {patch_loss.item():.3f}  right {right:.3f}", flush=True)
        if step % 300 == 0:
            print(f"held out: {accuracy(model, HELD_OUT_SEED, 300):.4f}", flush=True)
            torch.save(model.state_dict(), a.out / "vit.pt")
    torch.save(model.state_dict(), a.out / "vit.pt")
    export(model, LABELS, a.out / "vit.bin")
    print(f"{step * a.batch} pictures; held out: {accuracy(model, HELD_OUT_SEED, 3000):.4f}")


if __name__ == "__main__":
    main()
