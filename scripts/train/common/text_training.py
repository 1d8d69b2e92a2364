"""Trains a language model on a processor: packed windows, Muon for matrices and AdamW for the rest."""
import time
from dataclasses import dataclass
from random import Random
from typing import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from common.layers import TextModel
from common.muon import Muon

# A document in parts, and whether the model is to learn to write each.
Parts = Iterable[tuple[str, bool]]

RATE_MATRIX, RATE_REST, RATE_EMBD = 0.02, 3e-3, 1e-2


@dataclass(frozen=True)
class Document:
    """Token ids, and which of them the model is to learn to write."""

    ids: list[int]
    learnt: list[bool]


@dataclass(frozen=True)
class Stage:
    """
    A part of the training, on `n_window` windows of `n_token` tokens a step, of documents that `document` makes; `until` is
    1 at the end of all.
    """

    until: float
    n_window: int
    n_token: int
    document: Callable[[Random], Parts]


def windows(documents: Iterator[Document], n_token: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """
    Windows that begin with a document and go on with others: inputs, which document each belongs to, and targets, of
    which nobody learns -1.
    """
    while True:
        ids: list[int] = []
        learnt: list[bool] = []
        lengths: list[int] = []
        while len(ids) <= n_token:
            document = next(documents)
            ids += document.ids
            learnt += document.learnt
            lengths.append(len(document.ids))
        x = np.array(ids[: n_token + 1])
        yield x[:-1], np.repeat(np.arange(len(lengths)), lengths)[:n_token], np.where(learnt[1 : n_token + 1], x[1:], -1)


def train(
    model: TextModel,
    documents: Callable[[Stage], Iterator[Document]],
    stages: Sequence[Stage],
    *,
    n_step: int,
    minutes: float,
    rate: float,
    save: Callable[[], None],
) -> None:
    """
    Trains in place for `n_step` steps, or as many as fit in the minutes of processor time, and saves now and then and at
    the end. The rates, `rate` times those of a first run, rise for 50 steps; from the middle on they fall to zero.
    """
    hidden = [p for n, p in model.named_parameters() if p.ndim >= 2 and not n.startswith(("embd", "head"))]
    rest = [p for n, p in model.named_parameters() if p.ndim < 2 or n.startswith("head")]
    embd = [p for n, p in model.named_parameters() if n.startswith("embd")]
    groups = [{"params": rest, "lr": RATE_REST}, {"params": embd, "lr": RATE_EMBD}]
    optimizers = [Muon(hidden, RATE_MATRIX), torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0)]
    rates = [[g["lr"] for g in optimizer.param_groups] for optimizer in optimizers]
    step, progress = 0, 0.0
    losses: list[float] = []
    start, saved = time.process_time(), time.monotonic()
    for stage in stages:
        batches = windows(documents(stage), stage.n_token)
        while progress < stage.until:
            batch = [next(batches) for _ in range(stage.n_window)]
            x, document, y = (torch.from_numpy(np.stack(part)) for part in zip(*batch))
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = model(x, document)
            loss = F.cross_entropy(logits.float().flatten(0, 1), y.flatten(), ignore_index=-1)
            (loss + model.extra_loss()).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer, own in zip(optimizers, rates):
                for group, full in zip(optimizer.param_groups, own):
                    group["lr"] = rate * full * min(1, (step + 1) / 50, 2 * (1 - progress))
                optimizer.step()
            model.zero_grad(set_to_none=True)
            step += 1
            passed = time.process_time() - start
            progress = max(step / n_step, passed / (60 * minutes))
            losses.append(loss.item())
            if step % 20 == 0:
                print(f"step {step}/{n_step} loss {np.mean(losses[-20:]):.4f} {passed:.0f} s", flush=True)
            if time.monotonic() - saved > 240:
                save()
                saved = time.monotonic()
    save()
