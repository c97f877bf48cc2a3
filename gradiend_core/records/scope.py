"""Which parameters take part, and in which order: the columns of the gradient matrix."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import accumulate
from math import prod
from typing import TYPE_CHECKING

from attrs import frozen

from gradiend_core.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor


@frozen(eq=False)
class ParameterSlice:
    """One parameter of the model, whole or only the entries at `index` (flat, int64, ascending)."""

    name: str
    shape: tuple[int, ...]
    index: Tensor | None = None

    @property
    def size(self) -> int:
        return prod(self.shape) if self.index is None else len(self.index)

    def taken(self, values: Tensor) -> Tensor:
        """The entries of this slice out of values of the whole parameter, [..., entries] from [..., flat
        parameter]."""
        return values if self.index is None else values[..., self.index.to(values.device)]

    def spread(self, values: Tensor) -> Tensor:
        """Values of this slice in the shape of the whole parameter, zero where the slice does not reach."""
        if self.index is None:
            return values.view(self.shape)
        whole = values.new_zeros(self.shape)
        whole.view(-1)[self.index.to(values.device)] = values
        return whole


@frozen(eq=False)
class ParameterScope:
    """Ordered parameter slices. Entry i of any vector over the scope means the same weight everywhere."""

    slices: tuple[ParameterSlice, ...]

    @property
    def size(self) -> int:
        return sum(parameter.size for parameter in self.slices)

    def with_columns(self) -> Iterator[tuple[ParameterSlice, slice]]:
        """Each parameter slice with its position in a vector over the scope."""
        ends = list(accumulate(parameter.size for parameter in self.slices))
        for parameter, end in zip(self.slices, ends, strict=True):
            yield parameter, slice(end - parameter.size, end)

    def fingerprint(self) -> str:
        """A hash of names, shapes and indices: equal if and only if the columns mean the same weights."""
        digest = hashlib.sha256()
        for parameter in self.slices:
            digest.update(f"{parameter.name}{parameter.shape}".encode())
            if parameter.index is not None:
                digest.update(parameter.index.cpu().numpy().tobytes())
        return digest.hexdigest()[:16]

    def columns_in(self, whole: ParameterScope) -> Tensor:
        """The position of each entry of this scope in a larger scope, [size], int64."""
        import torch

        starts = {parameter.name: (parameter, columns.start) for parameter, columns in whole.with_columns()}
        positions = []
        for parameter in self.slices:
            there, start = starts[parameter.name]
            index = torch.arange(parameter.size) if parameter.index is None else parameter.index
            positions.append(
                start + (index if there.index is None else torch.searchsorted(there.index, index))
            )
        return torch.cat(positions)

    def joined(self, other: ParameterScope) -> ParameterScope:
        """The scope with the entries of both. Raises ModelError where a parameter has two shapes, as the
        scopes then belong to different models."""
        import torch

        slices = {parameter.name: parameter for parameter in self.slices}
        for parameter in other.slices:
            mine = slices.get(parameter.name, parameter)
            if mine.shape != parameter.shape:
                raise ModelError(
                    f"{parameter.name} has the shape {mine.shape} in one scope and {parameter.shape} in the"
                    " other"
                )
            whole = mine.index is None or parameter.index is None
            index = None if whole else torch.cat([mine.index, parameter.index]).unique()  # type: ignore[list-item]
            slices[parameter.name] = ParameterSlice(parameter.name, parameter.shape, index)
        return ParameterScope(tuple(slices.values()))

    def narrowed(self, columns: Tensor) -> ParameterScope:
        """The scope with only these columns (positions in this scope, int64; order and repeats do not
        matter)."""
        columns = columns.unique(sorted=True)
        slices = []
        for parameter, here in self.with_columns():
            inside = columns[(columns >= here.start) & (columns < here.stop)] - here.start
            if len(inside):
                index = inside if parameter.index is None else parameter.index[inside]
                slices.append(ParameterSlice(parameter.name, parameter.shape, index))
        return ParameterScope(tuple(slices))
