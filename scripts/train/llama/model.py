"""LLaMA (Touvron et al. 2023) at the size of a demonstration, and its GGUF names."""
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from common.gguf import Value
from common.layers import RmsNorm, Rope, SwiGlu, TextModel, attend, heads, matrix


@dataclass(frozen=True)
class Hparams:
    n_vocab: int = 1024
    n_ctx: int = 1024
    n_embd: int = 192
    n_layer: int = 4
    n_head: int = 6
    n_head_kv: int = 2
    n_ff: int = 512
    eps: float = 1e-5
    rope_base: float = 10_000.0

    @property
    def head_dim(self) -> int:
        return self.n_embd // self.n_head


class Layer(nn.Module):
    def __init__(self, h: Hparams, rope: Rope) -> None:
        super().__init__()
        self.h = h
        self.rope = rope
        self.attn_norm = RmsNorm(h.n_embd, h.eps)
        self.q = matrix(h.n_embd, h.n_head * h.head_dim)
        self.k = matrix(h.n_embd, h.n_head_kv * h.head_dim)
        self.v = matrix(h.n_embd, h.n_head_kv * h.head_dim)
        self.o = matrix(h.n_head * h.head_dim, h.n_embd)
        self.ffn_norm = RmsNorm(h.n_embd, h.eps)
        self.ffn = SwiGlu(h.n_embd, h.n_ff)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        a = self.attn_norm(x)
        q, k = self.rope(heads(self.q(a), self.h.n_head)), self.rope(heads(self.k(a), self.h.n_head_kv))
        v = heads(self.v(a), self.h.n_head_kv)
        group = self.h.n_head // self.h.n_head_kv
        y = attend(q, k.repeat_interleave(group, 1), v.repeat_interleave(group, 1), mask)
        x = x + self.o(y.transpose(1, 2).flatten(2))
        return x + self.ffn(self.ffn_norm(x))


class Llama(TextModel):
    def __init__(self, h: Hparams) -> None:
        rope = Rope(h.head_dim, h.rope_base, h.n_ctx)
        super().__init__(h.n_vocab, h.n_embd, (Layer(h, rope) for _ in range(h.n_layer)), h.eps)
        self.h = h

    def metadata(self) -> dict[str, Value]:
        h = self.h
        return {
            "general.architecture": "llama",
            "llama.vocab_size": h.n_vocab,
            "llama.context_length": h.n_ctx,
            "llama.embedding_length": h.n_embd,
            "llama.block_count": h.n_layer,
            "llama.feed_forward_length": h.n_ff,
            "llama.attention.head_count": h.n_head,
            "llama.attention.head_count_kv": h.n_head_kv,
            "llama.attention.layer_norm_rms_epsilon": h.eps,
            "llama.rope.dimension_count": h.head_dim,
            "llama.rope.freq_base": h.rope_base,
        }

    def tensors(self) -> dict[str, np.ndarray]:
        named = {
            "token_embd.weight": self.embd.weight, "output_norm.weight": self.norm.weight, "output.weight": self.head.weight,
        }
        for il, b in enumerate(self.layers):
            parts = {
                "attn_norm": b.attn_norm, "attn_q": b.q, "attn_k": b.k, "attn_v": b.v, "attn_output": b.o,
                "ffn_norm": b.ffn_norm, "ffn_gate": b.ffn.gate, "ffn_up": b.ffn.up, "ffn_down": b.ffn.down,
            }
            named |= {f"blk.{il}.{name}.weight": part.weight for name, part in parts.items()}
        return {name: p.detach().float().numpy() for name, p in named.items()}
