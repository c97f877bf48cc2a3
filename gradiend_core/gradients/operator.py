"""The gradient matrix G, a row for each example and a column for each parameter in scope, as a linear operator.

Three products, exact to rounding, none of which forms G:
    project      G @ W      encodings, by forward-mode differentiation
    accumulate   Gᵀ @ c     a weighted sum of gradients, by one backward pass
    columns      G[:, S]    chosen columns of each example
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from gradiend_core.errors import ModelError
from gradiend_core.gradients.batching import micro_batches
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.scope import ParameterScope, ParameterSlice
from gradiend_core.roles.source import Examples, GradientSource


class GradientOperator:
    """G for one model, one gradient source and one scope; which examples are its rows is said at each product."""

    def __init__(self, model: nn.Module, source: GradientSource, scope: ParameterScope) -> None:
        self.model, self.source, self.scope = model, source, scope
        self.parameters = parameters_in(scope, model)
        self.device = self.parameters[0].device
        #: float32, or float64 for a float64 model: results are never coarser than float32
        self.dtype = torch.promote_types(self.parameters[0].dtype, torch.float32)
        self._losses = _Losses(model, source)

    def project(self, examples: Examples, directions: Tensor, role: GradientRole) -> Tensor:
        """G @ directionsᵀ: each example's gradient along K directions, [examples, K], from directions [K, n].

        One forward pass a direction carries the derivatives of the whole batch along (forward mode, so that memory does
        not grow with depth and nothing is done one example at a time).
        """
        weights = torch.tensor(role.loss_weights, dtype=self.dtype, device=self.device)
        result = torch.empty(len(examples.pairs), len(directions), dtype=self.dtype, device=self.device)
        fixed = {f"model.{name}": value.detach() for name, value in self.model.named_parameters()}
        for rows in micro_batches(examples.lengths):
            batch = examples.batch(rows, self.device)
            for k, direction in enumerate(directions):
                with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), forward_ad.dual_level():
                    tangents = zip(self.scope.slices, self.parameters, self._split(direction), strict=True)
                    dual = {
                        f"model.{part.name}": forward_ad.make_dual(value.detach(), spread(part, tangent).to(value.dtype))
                        for part, value, tangent in tangents
                    }
                    losses = functional_call(self._losses, fixed | dual, (batch,))
                    tangent = forward_ad.unpack_dual(losses).tangent
                    result[rows, k] = 0.0 if tangent is None else tangent.to(self.dtype) @ weights
        return result

    def accumulate(self, examples: Examples, rows: Sequence[int], coefficients: Tensor, roles: Sequence[GradientRole]) -> Tensor:
        """Gᵀ @ coefficients over some rows, [roles, n]; all roles share one forward pass."""
        total = torch.zeros(len(roles), self.scope.size, dtype=self.dtype, device=self.device)
        for places in micro_batches([examples.lengths[row] for row in rows]):
            batch = examples.batch([rows[place] for place in places], self.device)
            weights = coefficients[places].to(self.device, self.dtype)
            with self._gradients_into(total) as choose:
                losses = self.source.losses(self.model, batch).to(self.dtype)
                for r, role in enumerate(roles):
                    choose(r)
                    weighted = (losses @ losses.new_tensor(role.loss_weights)) @ weights
                    torch.autograd.backward(weighted, inputs=self.parameters, retain_graph=r + 1 < len(roles))
        return total

    def columns(self, examples: Examples, columns: Tensor, role: GradientRole) -> Tensor:
        """G[:, columns] for all examples, [examples, columns]; columns are positions in the scope, ascending.

        Only the parameters that hold a chosen column are differentiated. Examples of one length share a batch, so that no
        row carries padding and the loss of one example can be mapped over the batch.
        """
        narrow = self.scope.narrowed(columns)
        if narrow.size != len(columns):
            raise ValueError("columns must be ascending and unique")
        names = [part.name for part in narrow.slices]
        values = dict(self.model.named_parameters())
        fixed = {f"model.{name}": value.detach() for name, value in values.items() if name not in names}
        chosen = {f"model.{name}": values[name].detach() for name in names}
        full = sum(values[name].numel() for name in names)

        def loss(parameters: dict[str, Tensor], fields: tuple[Tensor, ...], *, make: Any) -> Tensor:
            losses = functional_call(self._losses, fixed | parameters, (make(fields),))[0].to(self.dtype)
            return losses @ losses.new_tensor(role.loss_weights)

        result = torch.empty(len(examples.pairs), len(columns), dtype=self.dtype, device=self.device)
        for rows in micro_batches(examples.lengths, same_length=True, most=max(1, COLUMN_BUDGET // full)):
            fields, make = _mappable(examples.batch(rows, self.device))
            with sdpa_kernel(SDPBackend.MATH):
                rows_of = vmap(grad(partial(loss, make=make)), in_dims=(None, 0))(chosen, fields)
            for (part, place), gradient in zip(narrow.parts(), rows_of.values(), strict=True):
                flat = gradient.flatten(1)
                result[rows, place] = (flat if part.index is None else flat[:, part.index.to(self.device)]).to(self.dtype)
        return result

    def _split(self, vector: Tensor) -> Iterator[Tensor]:
        vector = vector.to(self.device)
        for _, place in self.scope.parts():
            yield vector[place]

    @contextmanager
    def _gradients_into(self, total: Tensor) -> Iterator[Any]:
        """While open, what reaches a parameter in scope is added to a row of `total` and not kept; nothing else changes."""
        row = 0

        def choose(r: int) -> None:
            nonlocal row
            row = r

        def hook(part: ParameterSlice, place: slice) -> Any:
            def add(parameter: nn.Parameter) -> None:
                assert parameter.grad is not None  # this hook runs right after it was set
                gradient = parameter.grad.flatten()
                total[row, place] += gradient if part.index is None else gradient[part.index.to(gradient.device)]
                parameter.grad = None

            return add

        needed = {id(parameter) for parameter in self.parameters}
        before = [(parameter, parameter.requires_grad, parameter.grad) for parameter in self.model.parameters()]
        handles = []
        try:
            for parameter, _, _ in before:
                parameter.requires_grad_(id(parameter) in needed)
                parameter.grad = None
            for (part, place), parameter in zip(self.scope.parts(), self.parameters, strict=True):
                handles.append(parameter.register_post_accumulate_grad_hook(hook(part, place)))
            yield choose
        finally:
            for handle in handles:
                handle.remove()
            for parameter, required, gradient in before:
                parameter.requires_grad_(required)
                parameter.grad = gradient


#: numbers that `columns` may hold at once in per-example gradients
COLUMN_BUDGET = 2**25


class _Losses(nn.Module):
    """The losses as a module, so that `functional_call` can put other weights into the model, tied ones too."""

    def __init__(self, model: nn.Module, source: GradientSource) -> None:
        super().__init__()
        self.model, self.source = model, source

    def forward(self, batch: Any) -> Tensor:
        return self.source.losses(self.model, batch)


def parameters_in(scope: ParameterScope, model: nn.Module) -> list[nn.Parameter]:
    """The model's parameters in the order of the scope; raises ModelError where the scope is not of this model."""
    parameters = dict(model.named_parameters())
    for part in scope.slices:
        if part.name not in parameters:
            raise ModelError(f"the scope has the parameter {part.name!r}, which this model has not; was it made for another?")
        here = tuple(parameters[part.name].shape)
        if part.shape != here:
            raise ModelError(
                f"{part.name!r} has shape {here} in this model and {part.shape} in the scope; was it made for another?"
            )
    return [parameters[part.name] for part in scope.slices]


def spread(part: ParameterSlice, values: Tensor) -> Tensor:
    """Values of a slice in the shape of its parameter, zero where the slice does not reach."""
    if part.index is None:
        return values.view(part.shape)
    whole = values.new_zeros(part.shape)
    whole.view(-1)[part.index.to(values.device)] = values
    return whole


def _mappable(batch: Any) -> tuple[tuple[Tensor, ...], Any]:
    """The tensor fields of a batch record, and how to make a record of one example of them."""
    names = [field.name for field in attrs.fields(type(batch)) if isinstance(getattr(batch, field.name), Tensor)]

    def make(fields: tuple[Tensor, ...]) -> Any:
        return attrs.evolve(batch, **{name: value[None] for name, value in zip(names, fields, strict=True)})

    return tuple(getattr(batch, name) for name in names), make
