"""Writes files of the old ggml format, as whisper.cpp and vit.cpp read them: a header of their own, then tensors."""
import struct
from typing import BinaryIO

import numpy as np

from common.quants import TYPE_IDS, TensorType, encoded

MAGIC = struct.pack("<I", 0x67676D6C)


def ints(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}i", *values)


def text(value: bytes) -> bytes:
    """Length, then bytes."""
    return ints(len(value)) + value


def write_tensor(file: BinaryIO, name: str, values: np.ndarray, kind: TensorType) -> None:
    """A tensor; its axes, outermost first in `values`, are stored innermost first."""
    spelled = name.encode()
    file.write(ints(values.ndim, len(spelled), TYPE_IDS[kind], *values.shape[::-1]) + spelled)
    file.write(encoded(values, kind))
