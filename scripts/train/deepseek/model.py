"""DeepSeek-V2 (DeepSeek-AI 2024) at the size of a demonstration: latent attention, routed and shared experts."""
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common.gguf import Value
from common.layers import RmsNorm, Rope, SwiGlu, TextModel, attend, heads, matrix


@dataclass(frozen=True)
class Hparams:
    n_vocab: int = 640
    n_ctx: int = 1024
    n_embd: int = 128
    n_layer: int = 4
    n_layer_dense: int = 1
    n_head: int = 4
    q_lora_rank: int = 64
    kv_lora_rank: int = 64
    n_rot: int = 32
    n_nope: int = 32
    n_value: int = 32
    n_ff: int = 384
    n_expert: int = 8
    n_expert_used: int = 2
    n_ff_exp: int = 64
    eps: float = 1e-6
    rope_base: float = 10_000.0


class LatentAttention(nn.Module):
    """Keys and values of all heads come from one small row per token, and from one turned key that heads share."""

    def __init__(self, h: Hparams, rope: Rope) -> None:
        super().__init__()
        self.h = h
        self.rope = rope
        self.q_down = matrix(h.n_embd, h.q_lora_rank)
        self.q_norm = RmsNorm(h.q_lora_rank, h.eps)
        self.q_up = matrix(h.q_lora_rank, h.n_head * (h.n_nope + h.n_rot))
        self.kv_down = matrix(h.n_embd, h.kv_lora_rank + h.n_rot)
        self.kv_norm = RmsNorm(h.kv_lora_rank, h.eps)
        self.k_up = nn.Parameter(torch.empty(h.n_head, h.kv_lora_rank, h.n_nope))
        self.v_up = nn.Parameter(torch.empty(h.n_head, h.n_value, h.kv_lora_rank))
        self.o = matrix(h.n_head * h.n_value, h.n_embd)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        h = self.h
        q_nope, q_rot = heads(self.q_up(self.q_norm(self.q_down(x))), h.n_head).split((h.n_nope, h.n_rot), -1)
        c, k_rot = self.kv_down(x).split((h.kv_lora_rank, h.n_rot), -1)
        c = self.kv_norm(c).unsqueeze(1)  # [B, 1, T, kvLoraRank]
        k_rot = self.rope(k_rot.unsqueeze(1)).expand(-1, h.n_head, -1, -1)
        q = torch.cat((q_nope, self.rope(q_rot)), -1)
        y = attend(q, torch.cat((c @ self.k_up, k_rot), -1), c @ self.v_up.transpose(-1, -2), mask)
        return self.o(y.transpose(1, 2).flatten(2))


class Experts(nn.Module):
    """Every token asks `n_expert_used` of the experts, and one that all tokens share."""

    def __init__(self, h: Hparams) -> None:
        super().__init__()
        self.h = h
        self.router = matrix(h.n_embd, h.n_expert)
        self.gate = nn.Parameter(torch.empty(h.n_expert, h.n_ff_exp, h.n_embd))
        self.up = nn.Parameter(torch.empty(h.n_expert, h.n_ff_exp, h.n_embd))
        self.down = nn.Parameter(torch.empty(h.n_expert, h.n_embd, h.n_ff_exp))
        self.shared = SwiGlu(h.n_embd, h.n_ff_exp)
        self.imbalance = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(0, 1)
        with torch.autocast("cpu", enabled=False):
            p = F.linear(flat.float(), self.router.weight).softmax(-1)
        weight, chosen = p.topk(self.h.n_expert_used, -1)
        weight = weight / weight.sum(-1, keepdim=True)
        share = F.one_hot(chosen, self.h.n_expert).float().mean((0, 1))
        self.imbalance = self.h.n_expert * (share * p.mean(0)).sum()  # 1 where all are asked alike
        y = self.shared(flat).float()
        for e in range(self.h.n_expert):
            token, slot = torch.where(chosen == e)
            z = flat[token]
            z = F.linear(F.silu(F.linear(z, self.gate[e])) * F.linear(z, self.up[e]), self.down[e])
            y = y.index_add(0, token, z.float() * weight[token, slot, None])
        return y.view_as(x)


class Layer(nn.Module):
    def __init__(self, h: Hparams, rope: Rope, il: int) -> None:
        super().__init__()
        self.attn_norm = RmsNorm(h.n_embd, h.eps)
        self.attn = LatentAttention(h, rope)
        self.ffn_norm = RmsNorm(h.n_embd, h.eps)
        self.ffn = SwiGlu(h.n_embd, h.n_ff) if il < h.n_layer_dense else Experts(h)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + self.attn(self.attn_norm(x), mask)
        return x + self.ffn(self.ffn_norm(x))


class Deepseek2(TextModel):
    def __init__(self, h: Hparams) -> None:
        rope = Rope(h.n_rot, h.rope_base, h.n_ctx)
        super().__init__(h.n_vocab, h.n_embd, (Layer(h, rope, il) for il in range(h.n_layer)), h.eps)
        self.h = h

    def extra_loss(self) -> Tensor:
        """A little for how unevenly the experts were asked; 1 a layer at best (Fedus et al. 2021)."""
        return 0.003 * torch.stack([b.ffn.imbalance for b in self.layers if isinstance(b.ffn, Experts)]).sum()

    def metadata(self) -> dict[str, Value]:
        h = self.h
        numbers: dict[str, Value] = {
            "vocab_size": h.n_vocab,
            "context_length": h.n_ctx,
            "embedding_length": h.n_embd,
            "block_count": h.n_layer,
            "leading_dense_block_count": h.n_layer_dense,
            "feed_forward_length": h.n_ff,
            "attention.head_count": h.n_head,
            "attention.head_count_kv": 1,
            "attention.layer_norm_rms_epsilon": h.eps,
            "attention.q_lora_rank": h.q_lora_rank,
            "attention.kv_lora_rank": h.kv_lora_rank,
            # One key and value of the cache, and of a head.
            "attention.key_length": h.kv_lora_rank + h.n_rot,
            "attention.value_length": h.kv_lora_rank,
            "attention.key_length_mla": h.n_nope + h.n_rot,
            "attention.value_length_mla": h.n_value,
            "rope.dimension_count": h.n_rot,
            "rope.freq_base": h.rope_base,
            "expert_count": h.n_expert,
            "expert_used_count": h.n_expert_used,
            "expert_shared_count": 1,
            "expert_feed_forward_length": h.n_ff_exp,
            "expert_gating_func": 1,
            "expert_weights_norm": True,
            "expert_weights_scale": 1.0,
        }
        return {"general.architecture": "deepseek2", **{f"deepseek2.{key}": value for key, value in numbers.items()}}

    def tensors(self) -> dict[str, np.ndarray]:
        named = {
            "token_embd.weight": self.embd.weight, "output_norm.weight": self.norm.weight, "output.weight": self.head.weight,
        }
        for il, b in enumerate(self.layers):
            a = b.attn
            parts = {
                "attn_norm": b.attn_norm.weight, "attn_q_a": a.q_down.weight, "attn_q_a_norm": a.q_norm.weight,
                "attn_q_b": a.q_up.weight, "attn_kv_a_mqa": a.kv_down.weight, "attn_kv_a_norm": a.kv_norm.weight,
                "attn_k_b": a.k_up, "attn_v_b": a.v_up, "attn_output": a.o.weight, "ffn_norm": b.ffn_norm.weight,
            }
            if isinstance(b.ffn, SwiGlu):
                parts |= {f"ffn_{part}": getattr(b.ffn, part).weight for part in ("gate", "up", "down")}
            else:
                parts["ffn_gate_inp"] = b.ffn.router.weight
                for part in ("gate", "up", "down"):
                    parts[f"ffn_{part}_exps"] = getattr(b.ffn, part)
                    parts[f"ffn_{part}_shexp"] = getattr(b.ffn.shared, part).weight
            named |= {f"blk.{il}.{name}.weight": part for name, part in parts.items()}
        return {name: p.detach().float().numpy() for name, p in named.items()}
