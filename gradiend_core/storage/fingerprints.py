"""The weights that a result was made from."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def model_fingerprint(model: nn.Module) -> str:
    """A hash of names, shapes and every bit of the weights, and of everything else that the model is saved
    with."""
    import torch

    digest = hashlib.sha256()
    buffers, saved = dict(model.named_buffers()), model.state_dict()
    for name, tensor in (
        *model.named_parameters(),
        *((name, saved[name]) for name in buffers if name in saved),
    ):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        values = (
            tensor.detach() if any(tensor.stride()) else tensor.detach()[(0,) * tensor.dim()]
        )  # one number for all entries
        digest.update(values.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]
