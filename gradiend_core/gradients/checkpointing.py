"""Gradient checkpointing of a model that stays in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from gradiend_core.errors import ModelError


@contextmanager
def checkpointed(model: nn.Module) -> Iterator[None]:
    """Inside this context, transformers' layers are recomputed in the backward pass instead of kept.
    Transformers does so only in training mode, so the layers, but not the modules inside them, are set to
    training mode: dropout stays off."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers:
        raise ModelError(
            f"{type(model).__name__} has no layers with gradient checkpointing; set gradients.checkpointing ="
            " false"
        )
    before = [(module.training, module.gradient_checkpointing) for module in layers]
    caching = getattr(model.config, "use_cache", None)
    try:
        if caching:  # a cache of keys and values would be filled twice
            model.config.use_cache = False  # type: ignore[union-attr]  # of transformers' models, not of any module
        for module in layers:
            module._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)  # type: ignore[assignment]
            module.training = module.gradient_checkpointing = True
        yield
    finally:
        if caching:
            model.config.use_cache = caching  # type: ignore[union-attr]
        for module, (training, checkpointing) in zip(layers, before, strict=True):
            module.training, module.gradient_checkpointing = training, checkpointing
