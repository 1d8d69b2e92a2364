"""Whisper (Radford et al. 2022) under OpenAI's tensor names, and a head for phonemes that only training uses."""
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PHONEMES = 95  # '!' to '~', and none


@dataclass(frozen=True)
class Config:
    width: int = 64
    heads: int = 2
    encoder_layers: int = 3
    decoder_layers: int = 3  # whisper.cpp takes two for a distilled model, which knows no timestamps
    mels: int = 80
    audio_context: int = 1500
    text_context: int = 448


def sinusoids(length: int, channels: int) -> Tensor:
    frequencies = torch.exp(-log(10_000) / (channels // 2 - 1) * torch.arange(channels // 2))
    angles = torch.arange(length)[:, None] * frequencies[None]
    return torch.cat([angles.sin(), angles.cos()], 1)


class Attention(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.heads = c.heads
        self.query, self.key = nn.Linear(c.width, c.width), nn.Linear(c.width, c.width, bias=False)
        self.value, self.out = nn.Linear(c.width, c.width), nn.Linear(c.width, c.width)

    def forward(self, x: Tensor, source: Tensor, bias: Tensor | None) -> Tensor:
        """`bias` is added to the scores: [queries, keys], or [keys] for every query."""
        split = lambda y: y.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        q, k, v = split(self.query(x)), split(self.key(source)), split(self.value(source))
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        weights = (scores if bias is None else scores + bias).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, c: Config, is_decoder: bool):
        super().__init__()
        self.attn, self.attn_ln = Attention(c), nn.LayerNorm(c.width)
        if is_decoder:
            self.cross_attn, self.cross_attn_ln = Attention(c), nn.LayerNorm(c.width)
        self.mlp = nn.Sequential(nn.Linear(c.width, 4 * c.width), nn.GELU(), nn.Linear(4 * c.width, c.width))
        self.mlp_ln = nn.LayerNorm(c.width)

    def forward(self, x: Tensor, bias: Tensor | None, heard: "Heard | None" = None) -> Tensor:
        a = self.attn_ln(x)
        x = x + self.attn(a, a, bias)
        if heard is not None:
            x = x + self.cross_attn(self.cross_attn_ln(x), heard.sound, heard.bias)
        return x + self.mlp(self.mlp_ln(x))


def convolution(x: Tensor, conv: nn.Conv1d) -> Tensor:
    """
    [B, T, in] to [B, T / stride, out], as a matrix product: PyTorch 1.13's own convolution in bfloat16 answers with
    wrong gradients on a processor.
    """
    taps = F.pad(x, (0, 0, 1, 1)).unfold(1, 3, conv.stride[0])  # [B, T / stride, in, 3]
    return F.linear(taps.flatten(2), conv.weight.flatten(1), conv.bias)


@dataclass(frozen=True)
class Places:
    """Where the frames of a window lie among the 1500 of 30 s, and the logarithm of how many frames each stands for."""

    positions: Tensor
    bias: Tensor


@dataclass(frozen=True)
class Heard:
    sound: Tensor  # [B, T, width]
    bias: Tensor | None


class Encoder(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.conv1 = nn.Conv1d(c.mels, c.width, 3, padding=1)
        self.conv2 = nn.Conv1d(c.width, c.width, 3, stride=2, padding=1)
        self.register_buffer("positional_embedding", sinusoids(c.audio_context, c.width))
        self.blocks = nn.ModuleList(Block(c, False) for _ in range(c.encoder_layers))
        self.ln_post = nn.LayerNorm(c.width)

    def forward(self, mel: Tensor, places: Places | None = None) -> Heard:
        """Mel [B, mels, 2 T] to T frames, which are those of the first T / 50 s unless told."""
        x = F.gelu(convolution(F.gelu(convolution(mel.transpose(1, 2), self.conv1)), self.conv2))
        table = self.positional_embedding
        x = x + (table[: x.shape[1]] if places is None else table[places.positions])
        bias = None if places is None else places.bias
        for block in self.blocks:
            x = block(x, bias)
        return Heard(self.ln_post(x), bias)


class Decoder(nn.Module):
    """Knows the tokens in use by their rows in a small table."""

    def __init__(self, c: Config, rows: int):
        super().__init__()
        self.token_embedding = nn.Embedding(rows, c.width)
        self.positional_embedding = nn.Parameter(0.01 * torch.randn(c.text_context, c.width))
        self.blocks = nn.ModuleList(Block(c, True) for _ in range(c.decoder_layers))
        self.ln = nn.LayerNorm(c.width)

    def forward(self, rows: Tensor, heard: Heard) -> Tensor:
        n = rows.shape[1]
        mask = torch.full((n, n), float("-inf")).triu(1)
        x = self.token_embedding(rows) + self.positional_embedding[:n]
        for block in self.blocks:
            x = block(x, mask, heard)
        return self.ln(x)


class Whisper(nn.Module):
    """
    @param used: ids of the tokens in use, sorted; the rows of all others are zero in the exported table
    @param first_time: row of the timestamp 0.00, with those of the later ones behind it
    """

    def __init__(self, c: Config, used: list[int], vocabulary_size: int, first_time: int):
        super().__init__()
        self.config, self.used = c, used
        self.unused_logit = log(vocabulary_size - len(used))
        self.encoder, self.decoder = Encoder(c), Decoder(c, len(used))
        self.phonemes = nn.Linear(c.width, PHONEMES)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv1d)):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        table = self.decoder.token_embedding.weight
        nn.init.normal_(table, std=0.05)
        with torch.no_grad():  # neighbours in time begin as neighbours in the table
            table[first_time : first_time + c.audio_context] += 0.1 * self.encoder.positional_embedding

    def resume(self, state: dict[str, Tensor]) -> None:
        """Goes on from these weights. Layers of the decoder that they lack begin as layers that add nothing."""
        missing, _ = self.load_state_dict(state, strict=False)
        own = dict(self.named_parameters())
        for name in missing:
            if ".out." in name or ".mlp.2." in name:
                nn.init.zeros_(own[name])

    def logits(self, x: Tensor) -> Tensor:
        """
        Logits of the used tokens, and one for all others together: zero rows make their logits 0, and the softmax
        over n of those is that of a single logit ln n.
        """
        y = (x @ self.decoder.token_embedding.weight.T).float()
        return torch.cat([y, torch.full_like(y[..., :1], self.unused_logit)], -1)
