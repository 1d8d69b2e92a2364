"""What both text models are made of."""
from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common.gguf import Value


class TextModel(nn.Module):
    """From tokens, and which document each belongs to, [B, T], to logits [B, T, nVocab]; a layer is given the mask too."""

    def __init__(self, n_vocab: int, n_embd: int, layers: Iterable[nn.Module], eps: float) -> None:
        super().__init__()
        self.embd = nn.Embedding(n_vocab, n_embd)
        self.layers = nn.ModuleList(layers)
        self.norm = RmsNorm(n_embd, eps)
        self.head = matrix(n_embd, n_vocab)
        initialise(self)

    def forward(self, tokens: Tensor, document: Tensor) -> Tensor:
        x, mask = self.embd(tokens), bias(document)
        for layer in self.layers:
            x = layer(x, mask)
        return self.head(self.norm(x))

    def metadata(self) -> dict[str, Value]:
        """Its architecture, and the keys of that in a GGUF file."""
        raise NotImplementedError

    def tensors(self) -> dict[str, np.ndarray]:
        """The weights by their names in GGUF files."""
        raise NotImplementedError

    def extra_loss(self) -> Tensor | float:
        """What the last batch costs beside wrong tokens."""
        return 0.0


class RmsNorm(nn.Module):
    def __init__(self, n: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


class SwiGlu(nn.Module):
    """Feed-forward network with a gate (Shazeer 2020)."""

    def __init__(self, n_embd: int, n_ff: int) -> None:
        super().__init__()
        self.gate, self.up, self.down = matrix(n_embd, n_ff), matrix(n_embd, n_ff), matrix(n_ff, n_embd)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.silu(self.gate(x)) * self.up(x))


def matrix(n_in: int, n_out: int) -> nn.Linear:
    return nn.Linear(n_in, n_out, bias=False)


class Rope(nn.Module):
    """Rotary positions (Su et al. 2021); neighbours are pairs, as in LLaMA's own code and in GGUF files of it."""

    def __init__(self, n_rot: int, base: float, n_ctx: int) -> None:
        super().__init__()
        frequency = base ** (-torch.arange(0, n_rot, 2) / n_rot)
        angle = torch.arange(n_ctx)[:, None] * frequency
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:  # [B, nHead, T, nRot]
        cos, sin = self.cos[: x.shape[-2]], self.sin[: x.shape[-2]]
        a, b = x[..., 0::2], x[..., 1::2]
        return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


def bias(document: Tensor) -> Tensor:
    """What keeps tokens from looking ahead, or at another document: 0 or -inf, [B, 1, T, T]; `document` is [B, T]."""
    n = document.shape[-1]
    visible = (document[:, :, None] == document[:, None, :]) & torch.ones(n, n, dtype=torch.bool).tril()
    return torch.where(visible, 0.0, -torch.inf).unsqueeze(1)


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Attention, heads before positions: [B, nHead, T, headDim]."""
    with torch.autocast("cpu", enabled=False):  # long windows take a hundred times as long in half precision
        scores = torch.matmul(q.float() * q.shape[-1] ** -0.5, k.float().transpose(-1, -2))
        return torch.matmul((scores + bias).softmax(-1), v.float())


def heads(x: Tensor, n_head: int) -> Tensor:
    """[B, T, nHead * headDim] -> [B, nHead, T, headDim]"""
    return x.unflatten(-1, (n_head, -1)).transpose(1, 2)


def initialise(model: nn.Module) -> None:
    """At first the stream is the embedding: what writes into it writes nothing, and what reads it keeps its scale."""
    for name, p in model.named_parameters():
        if name.startswith("embd"):
            nn.init.normal_(p)
        elif name.startswith("head"):
            nn.init.normal_(p, std=0.02)
        elif name.endswith(("ffn.down.weight", "shared.down.weight", "ffn.down", "o.weight")):
            nn.init.zeros_(p)
        elif p.ndim >= 2:
            nn.init.normal_(p, std=p.shape[-1] ** -0.5)
