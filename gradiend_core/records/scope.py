"""Which parameters take part, in which order: the columns of the gradient matrix."""

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
    """One parameter of the model, whole, or only the entries at `index` (flat, int64, ascending)."""

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
        return sum(part.size for part in self.slices)

    def parts(self) -> Iterator[tuple[ParameterSlice, slice]]:
        """Each parameter slice with its place in a vector over the scope."""
        ends = list(accumulate(part.size for part in self.slices))
        for part, end in zip(self.slices, ends, strict=True):
            yield part, slice(end - part.size, end)

    def fingerprint(self) -> str:
        """A hash of names, shapes and indices: equal if and only if the columns mean the same weights."""
        digest = hashlib.sha256()
        for part in self.slices:
            digest.update(f"{part.name}{part.shape}".encode())
            if part.index is not None:
                digest.update(part.index.cpu().numpy().tobytes())
        return digest.hexdigest()[:16]

    def places_in(self, whole: ParameterScope) -> Tensor:
        """Where each entry of this scope is in a scope that has all of them, [size], int64."""
        import torch

        starts = {part.name: (part, place.start) for part, place in whole.parts()}
        found = []
        for part in self.slices:
            there, start = starts[part.name]
            index = torch.arange(part.size) if part.index is None else part.index
            found.append(start + (index if there.index is None else torch.searchsorted(there.index, index)))
        return torch.cat(found)

    def joined(self, other: ParameterScope) -> ParameterScope:
        """The scope that has the entries of both. Raises ModelError where one parameter has two shapes: the
        scopes are of different models."""
        import torch

        slices = {part.name: part for part in self.slices}
        for part in other.slices:
            own = slices.get(part.name, part)
            if own.shape != part.shape:
                raise ModelError(
                    f"{part.name} has the shape {own.shape} in one scope and {part.shape} in the other"
                )
            whole = own.index is None or part.index is None
            index = None if whole else torch.cat([own.index, part.index]).unique()  # type: ignore[list-item]
            slices[part.name] = ParameterSlice(part.name, part.shape, index)
        return ParameterScope(tuple(slices.values()))

    def narrowed(self, columns: Tensor) -> ParameterScope:
        """The scope with only these columns (positions in this scope, int64; order and repeats do not
        matter)."""
        columns = columns.unique(sorted=True)
        slices = []
        for part, place in self.parts():
            inside = columns[(columns >= place.start) & (columns < place.stop)] - place.start
            if len(inside):
                index = inside if part.index is None else part.index[inside]
                slices.append(ParameterSlice(part.name, part.shape, index))
        return ParameterScope(tuple(slices))
