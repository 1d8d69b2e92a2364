"""Writes files of the old ggml format, as whisper.cpp and vit.cpp read them: a header of their own, then tensors."""
import struct
from typing import BinaryIO, Literal

import numpy as np

MAGIC = struct.pack("<I", 0x67676D6C)
BLOCK = 32  # weights of a row that share a scale

TensorType = Literal["f32", "f16", "q5_1", "q8_0"]
TYPE_IDS: dict[TensorType, int] = {"f32": 0, "f16": 1, "q5_1": 7, "q8_0": 8}


def ints(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}i", *values)


def text(value: bytes) -> bytes:
    """Length, then bytes."""
    return ints(len(value)) + value


def write_tensor(file: BinaryIO, name: str, values: np.ndarray, kind: TensorType) -> None:
    """A tensor; its axes, outermost first in `values`, are stored innermost first."""
    spelled = name.encode()
    file.write(ints(values.ndim, len(spelled), TYPE_IDS[kind], *values.shape[::-1]) + spelled)
    file.write(encoded(values.astype(np.float32), kind))


def encoded(values: np.ndarray, kind: TensorType) -> bytes:
    match kind:
        case "f32":
            return np.ascontiguousarray(values, "<f4").tobytes()
        case "f16":
            return np.ascontiguousarray(values, "<f2").tobytes()
        case "q8_0":
            return _q8_0(values.reshape(-1, BLOCK))
        case "q5_1":
            return _q5_1(values.reshape(-1, BLOCK))


def _q8_0(blocks: np.ndarray) -> bytes:
    """A scale, then 32 signed bytes."""
    scale = np.abs(blocks).max(1, keepdims=True) / 127
    steps = np.rint(blocks * _inverse(scale)).astype(np.int8)
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
