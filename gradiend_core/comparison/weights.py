"""Many features over the union of their weights: inner products, and which weights are the largest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from math import prod

import numpy as np
import torch
from attrs import frozen
from scipy.sparse import csr_array
from torch import Tensor

from gradiend_core.learning.selection import count_of, largest
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.scope import ParameterScope, ParameterSlice

#: numbers that all features together hold at once, beside their own
BUDGET = 2**25
#: the least that lengths count as where they divide
TINY = 1e-300


def common_scope(features: Sequence[LearnedFeature]) -> ParameterScope:
    """The union of the features' scopes; the first one's scope where all are the same."""
    scope = features[0].scope
    for feature in features[1:]:
        if feature.scope.fingerprint() != scope.fingerprint():
            scope = scope.joined(feature.scope)
    return scope


def cosines_of(products: Iterable[Tensor]) -> np.ndarray:
    """Cosines of every two vectors, [K, K], from the inner products of their parts, [K, K] each in float64; 0
    for a vector of zeros."""
    total = sum(products).numpy()  # type: ignore[union-attr]
    lengths = np.sqrt(np.diag(total))
    return np.asarray(total / np.maximum(np.outer(lengths, lengths), TINY))


class Weights:
    """K features of models of one shape. A weight outside of a feature's scope counts as 0. Raises ModelError
    for features of models of different shapes."""

    def __init__(self, features: Sequence[LearnedFeature]) -> None:
        self.features = tuple(features)
        self.scope = common_scope(features)
        whole = self.scope.fingerprint()
        self._positions = [
            None if feature.scope.fingerprint() == whole else feature.scope.columns_in(self.scope)
            for feature in features
        ]
        self.alike = all(positions is None for positions in self._positions)

    def chunks(self, name: str) -> Iterator[tuple[ParameterSlice, Tensor]]:
        """The vectors `name` ("encoder" or "decoder") of all features, [K, entries of a parameter], with the
        parameter, one parameter at a time: features that were loaded from files need not fit into memory
        together."""
        width = max(1, BUDGET // len(self.features))
        for parameter, columns in self.scope.with_columns():
            for start in range(columns.start, columns.stop, width):
                stop = min(columns.stop, start + width)
                yield (
                    parameter,
                    torch.stack(
                        [self._between(number, name, start, stop) for number in range(len(self.features))]
                    ),
                )

    def _between(self, number: int, name: str, start: int, stop: int) -> Tensor:
        """The entries of a feature at these positions of the common scope."""
        vector: Tensor = getattr(self.features[number], name)
        positions = self._positions[number]
        if positions is None:
            return vector[start:stop]
        entries, inside = (
            torch.zeros(stop - start, dtype=vector.dtype),
            (positions >= start) & (positions < stop),
        )
        entries[positions[inside] - start] = vector.cpu()[inside]
        return entries

    def at(self, name: str, positions: Tensor) -> Tensor:
        """The entries of all features at some positions of the common scope, [K, positions]."""
        rows = []
        for feature, mine in zip(self.features, self._positions, strict=True):
            vector: Tensor = getattr(feature, name).cpu()
            if mine is None:
                rows.append(vector[positions])
                continue
            nearest = torch.searchsorted(mine, positions).clamp(max=len(mine) - 1)
            rows.append(torch.where(mine[nearest] == positions, vector[nearest], 0))
        return torch.stack(rows)

    def products(self, name: str) -> dict[str, Tensor]:
        """Inner products of every two features for each parameter, [K, K] in float64."""
        products: dict[str, Tensor] = {}
        for parameter, vectors in self.chunks(name):
            vectors = vectors.double()
            products[parameter.name] = products.get(parameter.name, 0) + vectors @ vectors.T
        return products

    def largest(self, name: str, top: float) -> Tops:
        """The `top` (fraction or count) largest entries of each feature."""
        counts, chosen_positions = [], []
        for feature, positions in zip(self.features, self._positions, strict=True):
            count = count_of(top, feature.scope.size, "comparison.top")
            chosen = largest(getattr(feature, name).abs(), count)
            chosen_positions.append(chosen if positions is None else positions[chosen])
            counts.append(count)
        ends = np.concatenate([[0], np.cumsum(counts)])
        ones = np.ones(ends[-1], dtype=np.int64)
        which = csr_array(
            (ones, torch.cat(chosen_positions).numpy(), ends), shape=(len(counts), self.scope.size)
        )
        names = [parameter.name for parameter in self.scope.slices]
        # of weights that no feature could choose there are none, unless their scopes differ
        sizes = [parameter.size if self.alike else prod(parameter.shape) for parameter in self.scope.slices]
        starts = np.concatenate([[0], np.cumsum([parameter.size for parameter in self.scope.slices])])
        by_parameter = np.stack([which[:, a:b].sum(axis=1) for a, b in pairwise(starts)], axis=1)
        return Tops(tuple(counts), which, by_parameter, np.array(sizes), tuple(names))


@frozen(eq=False)
class Tops:
    """The largest weights of K features: how many each has, which they are [K, n] (sparse), how many lie in
    each parameter [K, parameters], and the parameters' sizes and names."""

    counts: tuple[int, ...]
    which: csr_array
    by_parameter: np.ndarray
    sizes: np.ndarray
    names: tuple[str, ...]

    @cached_property
    def shared(self) -> np.ndarray:
        """How many of the largest weights every two features share, [K, K]."""
        return np.asarray((self.which @ self.which.T).toarray())

    @property
    def least(self) -> np.ndarray:
        """The largest number that every two features could share, [K, K]."""
        return np.minimum.outer(self.counts, self.counts)

    @property
    def overlap(self) -> np.ndarray:
        """The fraction of the smaller set that is also in the larger one, [K, K]."""
        return np.asarray(self.shared / self.least)

    @property
    def chance(self) -> np.ndarray:
        """The overlap expected of weights drawn from all weights, [K, K]."""
        return np.asarray(np.outer(self.counts, self.counts) / self.sizes.sum() / self.least)

    @property
    def chance_in_place(self) -> np.ndarray:
        """The overlap expected of weights drawn from each parameter, as many from each as a feature has
        there, [K, K]. Features that only prefer the same layers reach this value."""
        return np.asarray((self.by_parameter / self.sizes) @ self.by_parameter.T / self.least)

    def patterns(self, features: Sequence[int]) -> list[tuple[tuple[int, ...], int]]:
        """How many weights exactly these features have among their largest, for each combination that occurs,
        largest first."""
        some = self.which[list(features)].tocsc()
        some = some[:, np.diff(some.indptr) > 0]
        # each combination as one number: sums of random ones are equal by chance once in 2^64
        marks = np.random.default_rng(0).integers(-(2**62), 2**62, len(features)) @ some
        _, first, count = np.unique(np.asarray(marks), return_index=True, return_counts=True)
        patterns = [
            (tuple(sorted(some.indices[some.indptr[at] : some.indptr[at + 1]].tolist())), int(n))
            for at, n in zip(first, count, strict=True)
        ]
        return sorted(patterns, key=lambda pattern: (-pattern[1], pattern[0]))
