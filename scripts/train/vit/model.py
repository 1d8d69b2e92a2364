"""The Vision Transformer (Dosovitskiy et al. 2020) under the names vit.cpp and timm give its tensors."""
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Config:
    image_size: int = 64
    patch_size: int = 8
    width: int = 128
    layers: int = 4
    heads: int = 4


class Attention(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.heads = c.heads
        self.qkv = nn.Linear(c.width, 3 * c.width)
        self.proj = nn.Linear(c.width, c.width)

    def forward(self, x: Tensor) -> Tensor:
        b, t, n = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, n // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-1, -2) * (n // self.heads) ** -0.5).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(b, t, n))


class Mlp(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.fc1 = nn.Linear(c.width, 4 * c.width)
        self.fc2 = nn.Linear(4 * c.width, c.width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(c.width, eps=1e-6), Attention(c)
        self.norm2, self.mlp = nn.LayerNorm(c.width, eps=1e-6), Mlp(c)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.proj = nn.Conv2d(3, c.width, c.patch_size, c.patch_size)


class Vit(nn.Module):
    """
    What a thing is and which colour it has are learnt by a head each. `joint_head` makes one head of both: the
    logit of "red circle" is that of "red" plus that of "circle", so its softmax is the product of both softmaxes.
    """

    def __init__(self, c: Config, shapes: int, colours: int):
        super().__init__()
        self.config = c
        self.patch_embed = PatchEmbed(c)
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, c.width))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, 1 + (c.image_size // c.patch_size) ** 2, c.width))
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.layers))
        self.norm = nn.LayerNorm(c.width, eps=1e-6)
        self.shape_head = nn.Linear(c.width, shapes)
        self.colour_head = nn.Linear(c.width, colours)
        self.patch_head = nn.Linear(c.width, shapes + 1)  # for training only: what each patch is a part of

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images [B, 3, size, size] to the logits of the shapes, of the colours, and of each patch [B, patches, 1 + shapes]."""
        c = self.config
        side = c.image_size // c.patch_size
        # As the convolution of patch_embed, but a single matrix product: much quicker on a CPU.
        patches = images.view(-1, 3, side, c.patch_size, side, c.patch_size).permute(0, 2, 4, 1, 3, 5)
        proj = self.patch_embed.proj
        x = F.linear(patches.reshape(len(images), side * side, -1), proj.weight.flatten(1), proj.bias)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        summary = x[:, 0]
        return self.shape_head(summary), self.colour_head(summary), self.patch_head(x[:, 1:])

    def joint_head(self) -> tuple[Tensor, Tensor]:
        """Weight [shapes * colours, width] and bias of the head over all labels, shape by shape."""
        join = lambda s, c: (s[:, None] + c[None]).flatten(0, 1)
        return (
            join(self.shape_head.weight, self.colour_head.weight),
            join(self.shape_head.bias, self.colour_head.bias),
        )
