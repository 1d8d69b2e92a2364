"""Writes GGUF files (version 3) with tensors as F32 or Q8_0."""
import struct
from pathlib import Path
from typing import Mapping, Sequence

import numpy as np

from common.bpe import Tokenizer
from common.quants import BLOCK, TYPE_IDS, TensorType, encoded

Value = bool | int | float | str | Sequence[int] | Sequence[float] | Sequence[str]

U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
ALIGNMENT = 32
NORMAL, CONTROL, USER_DEFINED = 1, 3, 4


def string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def scalar(value: bool | int | float | str) -> tuple[int, bytes]:
    """The GGUF type of a value, and its bytes; whole numbers are u32, or i32 below zero."""
    if isinstance(value, bool):
        return BOOL, struct.pack("<?", value)
    if isinstance(value, int):
        return (I32, struct.pack("<i", value)) if value < 0 else (U32, struct.pack("<I", value))
    if isinstance(value, float):
        return F32, struct.pack("<f", value)
    return STRING, string(value)


def metadata_value(value: Value) -> bytes:
    if isinstance(value, (bool, int, float, str)):
        kind, data = scalar(value)
        return struct.pack("<I", kind) + data
    items = [scalar(item) for item in value]
    if isinstance(value[0], int):  # token types are i32 in the files that people have
        items = [(I32, struct.pack("<i", item)) for item in value]
    return struct.pack("<IIQ", ARRAY, items[0][0], len(items)) + b"".join(data for _, data in items)


def tensor_type(x: np.ndarray, matrices: TensorType) -> TensorType:
    """Matrices whose rows are whole blocks take this type; norms stay as they are, and so do the small routers."""
    return matrices if x.ndim >= 2 and x.shape[-1] % BLOCK == 0 and x.size >= 4096 else "f32"


def write_gguf(path: Path, metadata: Mapping[str, Value], tensors: Mapping[str, np.ndarray], matrices: TensorType) -> None:
    """Writes the file, its matrices in this type; a tensor's shape is outermost axis first, as in PyTorch."""
    head, body = [], []
    offset = 0
    for name, x in tensors.items():
        kind = tensor_type(x, matrices)
        data = encoded(x, kind)
        data += bytes(-len(data) % ALIGNMENT)
        axes = x.shape[::-1]
        head.append(string(name) + struct.pack(f"<I{len(axes)}QIQ", len(axes), *axes, TYPE_IDS[kind], offset))
        body.append(data)
        offset += len(data)
    entries = [string(key) + metadata_value(value) for key, value in metadata.items()]
    start = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries)) + b"".join(entries) + b"".join(head)
    path.write_bytes(start + bytes(-len(start) % ALIGNMENT) + b"".join(body))


def tokenizer_metadata(t: Tokenizer, roles: Mapping[str, str], shown: Sequence[str], template: str) -> dict[str, Value]:
    """The `tokenizer.ggml.*` keys; `roles` names the special token of each role, and `shown` ones are printed."""
    types = [NORMAL] * (len(t.tokens) - len(t.special)) + [USER_DEFINED if s in shown else CONTROL for s in t.special]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": t.pre,
        "tokenizer.ggml.tokens": t.tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": [f"{a} {b}" for a, b in t.merges],
        **{f"tokenizer.ggml.{role}_token_id": t.ids[token] for role, token in roles.items()},
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.chat_template": template,
    }
