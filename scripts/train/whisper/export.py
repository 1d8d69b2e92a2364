"""Writes the Whisper as whisper.cpp reads it.

    python3 scripts/train/whisper/export.py CHECKPOINT OUT --vocabulary demo/whisper.bin [--type q8_0]
"""
import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import common.processor  # noqa: F401  before PyTorch
import numpy as np
import torch
from common.ggml import MAGIC, ints, text, write_tensor
from common.quants import TensorType
from torch import Tensor

from whisper.mel import filters
from whisper.model import Config, Whisper
from whisper.tokens import COUNT, TIME_0, read_vocabulary

QUANTISATION_VERSION = 2
# What whisper.cpp's header calls the types.
FILE_TYPES: dict[TensorType, int] = {
    "f16": 1,
    "q8_0": 7 + 1000 * QUANTISATION_VERSION,
    "q5_1": 9 + 1000 * QUANTISATION_VERSION,
}


def export(model: Whisper, vocabulary: list[bytes], path: Path, kind: TensorType) -> None:
    """Matrices in `kind`, convolutions in F16, the rest in F32."""
    c = model.config
    audio = (c.audio_context, c.width, c.heads, c.encoder_layers)
    said = (c.text_context, c.width, c.heads, c.decoder_layers)
    bands = filters(c.mels)
    with open(path, "wb") as file:
        file.write(MAGIC + ints(COUNT, *audio, *said, c.mels, FILE_TYPES[kind]))
        file.write(ints(*bands.shape) + bands.astype("<f4").tobytes())
        file.write(ints(len(vocabulary)) + b"".join(map(text, vocabulary)))
        for name, tensor in tensors(model).items():
            values = as_stored(name, tensor.detach().float().numpy())
            write_tensor(file, name, values, type_of(name, values, kind))


def type_of(name: str, values: np.ndarray, kind: TensorType) -> TensorType:
    if not name.endswith("weight") or values.ndim == 1:
        return "f32"
    return kind if values.ndim == 2 else "f16"


def tensors(model: Whisper) -> dict[str, Tensor]:
    """The weights by OpenAI's names; rows of tokens that never occur are zero."""
    state = {name: t for name, t in model.state_dict().items() if not name.startswith("phonemes.")}
    table = torch.zeros(COUNT, model.config.width)
    table[model.used] = state["decoder.token_embedding.weight"]
    return {**state, "decoder.token_embedding.weight": table}


def as_stored(name: str, values: np.ndarray) -> np.ndarray:
    """whisper.cpp adds these two biases to columns, so it stores them as such."""
    return values[:, None] if name in ("encoder.conv1.bias", "encoder.conv2.bias") else values


def main() -> None:
    args = argparse.ArgumentParser()
    args.add_argument("checkpoint", type=Path)
    args.add_argument("out", type=Path)
    args.add_argument("--vocabulary", type=Path, required=True)
    args.add_argument("--type", choices=list(FILE_TYPES), default="q5_1")
    a = args.parse_args()
    saved = torch.load(a.checkpoint)
    model = Whisper(Config(), saved["used"], COUNT, saved["used"].index(TIME_0))
    model.load_state_dict(saved["state"])
    export(model, read_vocabulary(a.vocabulary), a.out, a.type)


if __name__ == "__main__":
    main()
