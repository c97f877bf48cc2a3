"""Weight updates in place, undone to the bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

import torch
from torch import Tensor, nn

from gradiend_core.errors import ModelError
from gradiend_core.gradients.operator import parameters_in, spread
from gradiend_core.gradients.quantised import packed_length
from gradiend_core.records.scope import ParameterScope
from gradiend_core.records.update import WeightUpdate


class Rewriter:
    """While entered, `apply` gives the model `original + update`, one update at a time; leaving restores every bit.

    The originals are set aside, and each update starts from them, so that rounding does not add up.
    """

    def __init__(self, model: nn.Module, scope: ParameterScope) -> None:
        self.model, self.scope, self.parameters = model, scope, parameters_in(scope, model)
        self._originals: list[Tensor] = []

    def __enter__(self) -> Rewriter:
        self._originals = [parameter.detach() for parameter in self.parameters]
        return self

    def apply(self, update: WeightUpdate) -> None:
        """Weights become original + learning_rate · direction."""
        check_update(update, self.scope)
        for original, parameter, (part, place) in zip(self._originals, self.parameters, self.scope.parts(), strict=True):
            _add(parameter, original, spread(part, update.direction[place]), update.learning_rate)

    def norm(self) -> float:
        """Euclidean length of the original weights in scope."""
        lengths = (float(original.float().norm()) for original in self._originals)
        return math.hypot(packed_length(self.model, self.parameters), *lengths)

    def restore(self) -> None:
        for original, parameter in zip(self._originals, self.parameters, strict=True):
            parameter.data = original

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.restore()
        self._originals = []


@contextmanager
def applied(model: nn.Module, update: WeightUpdate, strength: float = 1.0) -> Iterator[Callable[[float], None]]:
    """While open, the model has the update times a strength in its weights; what it gives sets another strength. Every bit is
    restored in the end."""
    with Rewriter(model, update.scope) as rewriter:
        rewriter.apply(update * strength)
        yield lambda other: rewriter.apply(update * other)


def apply_update(model: nn.Module, update: WeightUpdate) -> None:
    """Adds an update to a model's weights for good, `0.5 * update` at half its strength; nothing is kept to undo it."""
    parameters = parameters_in(update.scope, model)
    check_update(update, update.scope)
    for parameter, (part, place) in zip(parameters, update.scope.parts(), strict=True):
        _add(parameter, parameter.data, spread(part, update.direction[place]), update.learning_rate)


def check_update(update: WeightUpdate, scope: ParameterScope) -> None:
    """Refuses an update that does not fit the scope or would put something that is no number into the weights."""
    if update.direction.shape != (scope.size,):
        raise ModelError(f"the update has {tuple(update.direction.shape)} values, the scope {scope.size}")
    if update.scope is not scope and update.scope.fingerprint() != scope.fingerprint():
        raise ModelError("the update was made for other weights than the scope has")
    if not bool(torch.stack(update.direction.aminmax()).isfinite().all()):
        raise ModelError("the update has values that are not finite; the model is left as it was")


def _add(parameter: nn.Parameter, original: Tensor, change: Tensor, rate: float) -> None:
    parameter.data = torch.add(original, change.to(original.device), alpha=rate).to(original.dtype)
