"""Whether a model sees padding, measured on the actual model: some do, whatever mask they are given (FNet
mixes all positions, MobileBERT normalises over them)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import torch
from torch import Tensor, nn

from gradiend_core.roles.source import Examples

#: the relative difference of losses that rounding explains, of 32 and of 16 bits
ROUNDING, ROUNDING_HALF = 1e-4, 0.1
#: mixtures whose experts take so many tokens of a batch at most; two short examples may not fill them
WITH_CAPACITY = ("switch_transformers", "nllb-moe")
#: how much the loss of an example differs in a padded batch, for the models that were tried
_differences: WeakKeyDictionary[nn.Module, float] = WeakKeyDictionary()
_interacting: WeakSet[nn.Module] = WeakSet()


def check_padding(
    model: nn.Module, losses: Callable[[nn.Module, Any], Tensor], examples: Examples, device: torch.device
) -> None:
    """Compares the losses of the shortest example alone, in a batch with the longest, and with itself. Each
    model is measured once; examples of one length tell nothing."""
    lengths = examples.lengths
    if model in _differences or not lengths or min(lengths) == max(lengths):
        return
    short, long = lengths.index(min(lengths)), lengths.index(max(lengths))
    with torch.no_grad():
        alone = losses(model, examples.batch([short], device))[0].double()
        beside = losses(model, examples.batch([short, long], device))[0].double()
        twin = losses(model, examples.batch([short, short], device))[0].double()
    rounding = rounding_of(model)
    difference, interaction = (
        float((alone - other).abs().max() / alone.abs().max().clamp(min=1)) for other in (beside, twin)
    )
    note_padding(model, difference if difference > rounding else 0.0, interacting=interaction > rounding)


def rounding_of(model: nn.Module) -> float:
    """The difference that rounding explains."""
    half = any(parameter.dtype.itemsize < 4 for parameter in model.parameters())
    return ROUNDING_HALF if half else ROUNDING


def note_padding(model: nn.Module, difference: float, *, interacting: bool = False) -> None:
    """Records by which fraction padding changes losses or gradients of a model; with `interacting`, that any
    other example does."""
    _differences[model] = difference
    if interacting:
        _interacting.add(model)


def seen_padding(model: nn.Module) -> float:
    """The relative difference that padding makes to a loss or gradient; 0 where it is rounding or was not
    measured."""
    return _differences.get(model, 0.0)


def interacts(model: nn.Module) -> bool:
    """Whether examples in one batch change each other, as in a mixture whose experts take a limited number of
    tokens."""
    return model in _interacting or model_type(model) in WITH_CAPACITY


def model_type(model: nn.Module) -> str:
    """The model family as transformers names it; empty for an unknown one."""
    return str(getattr(getattr(model, "config", None), "model_type", ""))
