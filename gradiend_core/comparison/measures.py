"""Further measures of two features, which are computed where `comparison.measures` names them: the rank
correlation of their weights, and how much of their weights' mass lies in the same place."""

from __future__ import annotations

import numpy as np
import torch
from attrs import frozen
from torch import Tensor

from gradiend_core.comparison.weights import TINY, Weights, cosines_of

SPEARMAN, MASS = "spearman", "mass"
#: random pairs of positions that the chance of mass overlap is estimated from; its error is some thousandths
SAMPLES = 2**20
#: values of a number of 16 bits
VALUES = 2**16


@frozen(eq=False)
class Measured:
    """A measure of every two features, its value by chance, and by chance within the same parameters, [K, K]
    each."""

    value: np.ndarray
    chance: np.ndarray
    chance_in_place: np.ndarray


def spearman(weights: Weights, side: str) -> Measured:
    """Spearman's correlation of the entries of every two features. Entries are rounded to bfloat16 and ties
    have their mean rank, so ranks are counted instead of sorted: two passes over the vectors, and no vector
    of ranks in memory."""
    count, features = weights.scope.size, len(weights.features)
    counts = torch.zeros(features, VALUES, dtype=torch.int64)
    for _, vectors in weights.chunks(side):
        for total, keys in zip(counts, _keys(vectors), strict=True):
            total += torch.bincount(keys, minlength=VALUES)
    centred_ranks = counts.cumsum(1).double() - (counts.double() - 1) / 2 - (count + 1) / 2
    products = torch.zeros(features, features, dtype=torch.float64)
    for _, vectors in weights.chunks(side):
        ranked = centred_ranks.gather(1, _keys(vectors))
        products += ranked @ ranked.T
    value = cosines_of([products])
    return Measured(value, np.zeros_like(value), np.zeros_like(value))


def _keys(vectors: Tensor) -> Tensor:
    """Numbers from 0 to 2¹⁶ − 1 in the order of the entries, which are rounded to bfloat16."""
    bits = (vectors + 0.0).bfloat16().view(torch.int16).long()  # + 0.0 makes −0 to 0
    return torch.where(bits < 0, -1 - (bits + 2**15), bits) + 2**15


def mass(weights: Weights, side: str) -> Measured:
    """Σᵢ min(|aᵢ| / Σ|a|, |bᵢ| / Σ|b|) for every two features a and b: the part of their absolute weights
    that lies in the same entries. Two unrelated features of the same distribution reach about a half. So
    chance is the same sum for entries at random positions, anywhere or within the same parameter. Time grows
    with the square of the number of features."""
    features = len(weights.features)
    totals = torch.zeros(features, dtype=torch.float64)
    for _, vectors in weights.chunks(side):
        totals += vectors.abs().double().sum(1)
    totals.clamp_(min=TINY)
    value = torch.zeros(features, features, dtype=torch.float64)
    for _, vectors in weights.chunks(side):
        shares = vectors.abs() / totals[:, None].float()
        for number, mine in enumerate(shares):
            value[number] += torch.minimum(mine, shares).sum(1, dtype=torch.float64)
    one, anywhere, near = (
        weights.at(side, positions).abs().double() / totals[:, None] for positions in _positions(weights)
    )
    chances = []
    for other in (anywhere, near):
        means = [torch.minimum(mine, other).mean(1) for mine in one]
        chances.append((torch.stack(means) * weights.scope.size).numpy())
    return Measured(value.numpy(), *chances)


def _positions(weights: Weights) -> tuple[Tensor, Tensor, Tensor]:
    """Random positions, as many others, and as many in the same parameters as the first, [SAMPLES] each."""
    generator, size = torch.Generator().manual_seed(0), weights.scope.size
    one, other = (torch.randint(size, (SAMPLES,), generator=generator) for _ in range(2))
    sizes = torch.tensor([parameter.size for parameter in weights.scope.slices])
    ends = sizes.cumsum(0)
    parameter = torch.searchsorted(ends, one, right=True)
    inside = (torch.rand(SAMPLES, generator=generator, dtype=torch.float64) * sizes[parameter]).long()
    return one, other, ends[parameter] - sizes[parameter] + inside


#: what `comparison.measures` may name
MEASURES = {SPEARMAN: spearman, MASS: mass}
