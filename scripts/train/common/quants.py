"""Weights as ggml stores them, in both kinds of file."""
from typing import Literal

import numpy as np

TensorType = Literal["f32", "f16", "q5_1", "q8_0"]
TYPE_IDS: dict[TensorType, int] = {"f32": 0, "f16": 1, "q5_1": 7, "q8_0": 8}
BLOCK = 32  # weights of a row that share a scale


def encoded(weights: np.ndarray, kind: TensorType) -> bytes:
    values = weights.astype(np.float32)
    match kind:
        case "f32":
            return values.astype("<f4").tobytes()
        case "f16":
            return values.astype("<f2").tobytes()
        case "q8_0":
            return _q8_0(values.reshape(-1, BLOCK))
        case "q5_1":
            return _q5_1(values.reshape(-1, BLOCK))


def _q8_0(blocks: np.ndarray) -> bytes:
    """A scale, then 32 signed bytes (ggml's quantize_row_q8_0, which rounds halves away from zero)."""
    scale = np.abs(blocks).max(1, keepdims=True) / 127
    scaled = blocks * _inverse(scale)
    steps = np.trunc(scaled + np.copysign(0.5, scaled)).astype(np.int8)
    return np.concatenate([_f16(scale), steps.view(np.uint8)], 1).tobytes()


def _q5_1(blocks: np.ndarray) -> bytes:
    """A scale and the least weight, the fifth bits of all, then the lower four bits of weights i and i + 16."""
    least = blocks.min(1, keepdims=True)
    scale = (blocks.max(1, keepdims=True) - least) / 31
    steps = np.minimum(31, (blocks - least) * _inverse(scale) + 0.5).astype(np.uint8)
    fifth = np.packbits(steps >> 4, axis=1, bitorder="little")
    low = steps & 15
    pairs = low[:, : BLOCK // 2] | low[:, BLOCK // 2 :] << 4
    return np.concatenate([_f16(scale), _f16(least), fifth, pairs], 1).tobytes()


def _inverse(scale: np.ndarray) -> np.ndarray:
    return np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)


def _f16(column: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(column, "<f2").view(np.uint8)
