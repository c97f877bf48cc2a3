"""Where in a model a parameter is: its layer, and what it does there."""

from __future__ import annotations

import re

import torch
from torch import nn

NUMBER = re.compile(r"\.(\d+)\.")
ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)


def layer_of(name: str) -> int | None:
    """The number of the layer that a parameter is in, by its name; None for one in no layer."""
    found = NUMBER.search(name)
    return int(found.group(1)) if found else None


def component_of(model: nn.Module, name: str) -> str:
    """An embedding or a normalisation by its module, attention by its name; the rest of a layer is "mlp", all
    else "other"."""
    module = model.get_submodule(name.rpartition(".")[0])
    if isinstance(module, torch.nn.Embedding):
        return "embeddings"
    if "Norm" in type(module).__name__:
        return "norm"
    if ATTENTION.search(name):
        return "attention"
    return "mlp" if layer_of(name) is not None else "other"
