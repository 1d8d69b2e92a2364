"""Writes the ViT as vit.cpp reads it, matrices in F16."""
from pathlib import Path

import numpy as np
from common.ggml import MAGIC, ints, text, write_tensor
from common.quants import TYPE_IDS
from torch import Tensor

from vit.model import Vit


def export(model: Vit, labels: list[str], path: Path) -> None:
    c = model.config
    with open(path, "wb") as file:
        file.write(MAGIC + ints(c.width, c.layers, c.heads, len(labels), c.patch_size, c.image_size, TYPE_IDS["f16"]))
        file.write(ints(len(labels)) + b"".join(ints(i) + text(label.encode()) for i, label in enumerate(labels)))
        for name, tensor in tensors(model).items():
            values = as_stored(name, tensor.detach().float().numpy())
            is_matrix = name.endswith("weight") and values.ndim > 1
            write_tensor(file, name, values, "f16" if is_matrix else "f32")


def tensors(model: Vit) -> dict[str, Tensor]:
    """The weights by vit.cpp's names, with one head instead of two."""
    own = {name: t for name, t in model.state_dict().items() if "_head." not in name}
    weight, bias = model.joint_head()
    return {**own, "head.weight": weight, "head.bias": bias}


def as_stored(name: str, values: np.ndarray) -> np.ndarray:
    """vit.cpp adds this one bias to images, so it stores it as one."""
    return values.reshape(1, -1, 1, 1) if name == "patch_embed.proj.bias" else values
