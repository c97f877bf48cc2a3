"""Weight updates in place that can be undone to the bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

import torch
from torch import Tensor, nn

from gradiend_core.errors import ModelError
from gradiend_core.gradients.passes import parameters_in
from gradiend_core.gradients.quantised import Change, QuantisedLinear
from gradiend_core.records.scope import ParameterScope, ParameterSlice
from gradiend_core.records.update import WeightUpdate


class Rewriter:
    """While entered, `apply` gives the model `original + update`, one update at a time; leaving restores
    every bit. Only the originals in scope are kept, and each update starts from them, so that rounding does
    not add up."""

    def __init__(self, model: nn.Module, scope: ParameterScope) -> None:
        self.model, self.scope = model, scope
        self._weights: list[_Weight] = []
        self._length = 0.0

    def __enter__(self) -> Rewriter:
        self._weights = _weights(self.model, self.scope)
        self._length = math.hypot(*(weight.length() for weight in self._weights))
        return self

    def apply(self, update: WeightUpdate) -> None:
        """Weights become original + learning_rate · direction."""
        check_update(update, self.scope)
        for weight, (_, columns) in zip(self._weights, self.scope.with_columns(), strict=True):
            weight.change(update.direction[columns], update.learning_rate)

    def norm(self) -> float:
        """Euclidean length of the parameters in scope, whole and as they were."""
        return self._length

    def restore(self) -> None:
        for weight in self._weights:
            weight.restore()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.restore()
        self._weights = []


@contextmanager
def applied(
    model: nn.Module, update: WeightUpdate, strength: float = 1.0
) -> Iterator[Callable[[float], None]]:
    """Inside this context the model has the update times a strength in its weights. The yielded function sets
    another strength. Every bit is restored at the end."""
    with Rewriter(model, update.scope) as rewriter:
        rewriter.apply(update * strength)
        yield lambda other: rewriter.apply(update * other)


def apply_update(model: nn.Module, update: WeightUpdate) -> None:
    """Adds an update to a model's weights permanently, `0.5 * update` at half its strength; it cannot be
    undone."""
    weights = _weights(model, update.scope)
    check_update(update, update.scope)
    for weight, (_, columns) in zip(weights, update.scope.with_columns(), strict=True):
        weight.change(update.direction[columns], update.learning_rate)


def check_update(update: WeightUpdate, scope: ParameterScope) -> None:
    """Raises an error for an update that does not fit the scope, or has entries that are not finite."""
    if update.direction.shape != (scope.size,):
        raise ModelError(f"the update has {tuple(update.direction.shape)} values, the scope {scope.size}")
    if update.scope is not scope and update.scope.fingerprint() != scope.fingerprint():
        raise ModelError("the update was made for other weights than the scope has")
    if not bool(torch.stack(update.direction.aminmax()).isfinite().all()):
        raise ModelError("the update has values that are not finite; the model is left as it was")


class _Weight:
    """A parameter with an edited slice: the edited tensor replaces the original, which is kept unchanged."""

    def __init__(self, parameter: nn.Parameter, parameter_slice: ParameterSlice) -> None:
        self.parameter, self.parameter_slice, self.original = parameter, parameter_slice, parameter.detach()

    def length(self) -> float:
        """Euclidean length of the whole parameter."""
        exact = torch.promote_types(self.parameter.dtype, torch.float32)
        return float(torch.linalg.vector_norm(self.parameter.detach(), dtype=exact))

    def change(self, values: Tensor, rate: float) -> None:
        """The slice becomes original + rate · values."""
        changed = torch.add(
            self.original, self.parameter_slice.spread(values).to(self.original.device), alpha=rate
        )
        self.parameter.data = changed.to(self.original.dtype)

    def restore(self) -> None:
        self.parameter.data = self.original


class _Entries(_Weight):
    """Some entries of a parameter, changed in place: only these entries are kept."""

    def __init__(self, parameter: nn.Parameter, parameter_slice: ParameterSlice, index: Tensor) -> None:
        super().__init__(parameter, parameter_slice)
        self.index, self.flat = index.to(parameter.device), parameter.detach().view(-1)
        self.original = self.flat[self.index]

    def change(self, values: Tensor, rate: float) -> None:
        self.flat[self.index] = torch.add(self.original, values.to(self.flat.device), alpha=rate).to(
            self.flat.dtype
        )

    def restore(self) -> None:
        self.flat[self.index] = self.original


class _BesidePacked(_Weight):
    """The change that is added to a packed weight."""

    def __init__(
        self, parameter: nn.Parameter, parameter_slice: ParameterSlice, layer: QuantisedLinear
    ) -> None:
        super().__init__(parameter, parameter_slice)
        self.layer, self.before = layer, layer.change

    def length(self) -> float:
        return self.layer.length

    def change(self, values: Tensor, rate: float) -> None:
        parameter_slice, added = self.parameter_slice, (values * rate).to(self.parameter)
        if self.before is not None:
            added = self.before.dense().flatten() + parameter_slice.spread(added).flatten()
            parameter_slice = ParameterSlice(parameter_slice.name, parameter_slice.shape)
        self.layer.change = Change(parameter_slice, added)

    def restore(self) -> None:
        self.layer.change = self.before


def _weights(model: nn.Module, scope: ParameterScope) -> list[_Weight]:
    layers = {id(layer.weight): layer for layer in model.modules() if isinstance(layer, QuantisedLinear)}
    weights: list[_Weight] = []
    for parameter, parameter_slice in zip(parameters_in(scope, model), scope.slices, strict=True):
        if layer := layers.get(id(parameter)):
            weights.append(_BesidePacked(parameter, parameter_slice, layer))
        elif parameter_slice.index is not None and parameter.is_contiguous():
            weights.append(_Entries(parameter, parameter_slice, parameter_slice.index))
        else:
            weights.append(_Weight(parameter, parameter_slice))
    return weights
