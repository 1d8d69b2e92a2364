"""The optimizer of matrices in all four models."""
import torch
from torch import Tensor, nn


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
