"""Trains a language model on one thread of a processor: packed windows, Muon for matrices and AdamW for the rest."""
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Document:
    """Token ids, and which of them the model is to learn to write."""

    ids: list[int]
    learnt: list[bool]


@dataclass(frozen=True)
class Stage:
    """A part of the training, on `n_window` windows of `n_token` tokens a step; `until` is 1 at the end of all."""

    until: float
    n_window: int
    n_token: int


class Muon(torch.optim.Optimizer):
    """Momentum whose updates are made orthogonal (Jordan 2024): the same step in all directions of a matrix."""

    def __init__(self, params: list[nn.Parameter], lr: float, momentum: float = 0.95, decay: float = 0.01) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                past = self.state[p].setdefault("past", torch.zeros_like(p))
                past.lerp_(p.grad, 1 - group["momentum"])
                update = orthogonal(p.grad.lerp(past, group["momentum"]))
                scale = max(1, p.shape[-2] / p.shape[-1]) ** 0.5
                p.mul_(1 - group["lr"] * group["decay"]).add_(update, alpha=-group["lr"] * scale)


def orthogonal(g: Tensor) -> Tensor:
    """Nearly the closest orthogonal matrix, by five Newton-Schulz steps; for a stack of matrices, of each."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.bfloat16()
    is_tall = x.shape[-2] > x.shape[-1]
    if is_tall:
        x = x.transpose(-1, -2)
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.transpose(-1, -2)
        x = a * x + (b * square + c * square @ square) @ x
    return (x.transpose(-1, -2) if is_tall else x).float()


def windows(documents: Iterator[Document], n_token: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Inputs and targets of windows that begin with a document and go on with others; -1 is a target nobody learns."""
    while True:
        ids: list[int] = []
        learnt: list[bool] = []
        while len(ids) <= n_token:
            document = next(documents)
            ids += document.ids
            learnt += document.learnt
        x = np.array(ids[: n_token + 1])
        yield x[:-1], np.where(learnt[1 : n_token + 1], x[1:], -1)


def train(
    model: nn.Module,
    documents: Iterator[Document],
    stages: list[Stage],
    *,
    n_step: int,
    minutes: float,
    save: Callable[[], None],
    lr_matrix: float = 0.02,
    lr_rest: float = 3e-3,
    extra_loss: Callable[[], Tensor] | None = None,
) -> None:
    """
    Trains in place for `n_step` steps, or as many as fit in the minutes, and saves now and then and at the end. The
    rates rise for 50 steps; from the middle on they fall to zero.
    """
    hidden = [p for n, p in model.named_parameters() if p.ndim >= 2 and not n.startswith(("embd", "head"))]
    rest = [p for n, p in model.named_parameters() if p.ndim < 2 or n.startswith(("embd", "head"))]
    optimizers = [Muon(hidden, lr_matrix), torch.optim.AdamW(rest, lr_rest, betas=(0.9, 0.95), weight_decay=0.0)]
    rates = [lr_matrix, lr_rest]
    step, progress, mean = 0, 0.0, 0.0
    start = saved = time.monotonic()
    for stage in stages:
        batches = windows(documents, stage.n_token)
        while progress < stage.until:
            pairs = [next(batches) for _ in range(stage.n_window)]
            x, y = (torch.from_numpy(np.stack(side)) for side in zip(*pairs))
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = model(x)
            loss = F.cross_entropy(logits.float().flatten(0, 1), y.flatten(), ignore_index=-1)
            total = loss + extra_loss() if extra_loss else loss
            total.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer, rate in zip(optimizers, rates):
                optimizer.param_groups[0]["lr"] = rate * min(1, (step + 1) / 50, 2 * (1 - progress))
                optimizer.step()
            model.zero_grad(set_to_none=True)
            step += 1
            passed = time.monotonic() - start
            progress = max(step / n_step, passed / (60 * minutes))
            mean = loss.item() if step == 1 else 0.98 * mean + 0.02 * loss.item()
            if step % 20 == 0:
                print(f"step {step}/{n_step} loss {mean:.4f} {passed:.0f} s", flush=True)
            if time.monotonic() - saved > 240:
                save()
                saved = time.monotonic()
    save()


def checkpoint(model: nn.Module, path: Path) -> None:
    """Saves the weights so that a reader never meets half a file."""
    part = path.with_suffix(".part")
    torch.save(model.state_dict(), part)
    part.replace(path)
