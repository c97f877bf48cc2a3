"""The largest entries of a vector over a scope, and the vector that weights are selected by before
learning."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gradiend_core.errors import ConfigError
from gradiend_core.learning.encodings import calibrated, labels_of, on_axis, projections
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.scope import ParameterScope
from gradiend_core.roles.gradients import GradientMatrix
from gradiend_core.roles.source import Examples

#: entries that a selection looks at together
PIECE = 2**24


def count_of(share: float, n: int, path: str) -> int:
    """A fraction (float) or a count (int) of n as a count; raises ConfigError for more than there are."""
    count = max(1, round(share * n)) if isinstance(share, float) else share
    if count > n:
        raise ConfigError(f"{path} is {share}, but there are only {n:,} weights to choose from")
    return count


def largest(sizes: Tensor, count: int) -> Tensor:
    """Positions of the `count` largest entries, ascending; of equal entries the first. Entries must not be
    negative. Nothing is sorted: the bits of such floats have the order of their values, so counting entries
    by 16 bits at a time finds the smallest entry to take, in place and piece by piece."""
    bits = 8 * sizes.dtype.itemsize
    pieces = sizes.view({16: torch.int16, 32: torch.int32, 64: torch.int64}[bits]).split(PIECE)
    edge, missing = (
        0,
        count,
    )  # the leading bits of the smallest that is taken, and how many of those that begin so
    for shift in range(bits - 16, -1, -16):
        counts = torch.zeros(2**16, dtype=torch.int64, device=sizes.device)
        for piece in pieces:
            alike = piece if shift == bits - 16 else piece[piece >> (shift + 16) == edge]
            counts += torch.bincount(alike >> shift & 0xFFFF, minlength=2**16)
        digit = 2**16 - 1 - int(torch.searchsorted(counts.flip(0).cumsum(0), missing))
        missing -= int(counts[digit + 1 :].sum())
        edge = edge << 16 | digit
    positions = []
    for number, piece in enumerate(pieces):
        taken, equal = piece > edge, (piece == edge).nonzero()[:missing, 0]
        taken[equal] = True
        missing -= len(equal)
        positions.append(taken.nonzero()[:, 0] + number * PIECE)
    return torch.cat(positions).cpu()


def pruned(
    feature: LearnedFeature,
    keep: float,
    by: str,
    gradients: Callable[[ParameterScope], GradientMatrix],
    validation: Examples,
) -> LearnedFeature:
    """The feature with only its largest weights, calibrated anew on validation examples."""
    sizes: Tensor = getattr(feature, by)
    small = feature.narrowed(largest(sizes.abs(), count_of(keep, len(sizes), "prune.keep")))
    labels = labels_of(validation.pairs, feature.classes, feature.source)
    seen = on_axis(validation.pairs, feature.classes)
    projected = projections(small, gradients(small.scope), validation)
    return calibrated(small, projected[seen], labels[seen])


def difference_of_means(
    gradients: GradientMatrix, examples: Examples, axes: tuple[tuple[str, str], ...], pairs: int
) -> Tensor:
    """|mean difference gradient of the first class − that of the second|, the largest value over the axes,
    [n]; from at most `pairs` examples of each axis, equally many of each class, in one pass."""
    coefficients = torch.zeros(len(axes), len(examples.pairs))
    for row, axis in zip(coefficients, axes, strict=True):
        labels = labels_of(examples.pairs, axis)
        for sign in (1.0, -1.0):
            rows = labels.eq(sign).nonzero()[: max(1, pairs // 2), 0]
            row[rows] = sign / max(1, len(rows))
    rows = coefficients.abs().sum(0).nonzero()[:, 0]
    sums = gradients.accumulate(
        examples, rows.tolist(), coefficients[:, rows], [GradientRole.DIFFERENCE] * len(axes)
    )
    sums = sums.abs_()
    return sums[0] if len(sums) == 1 else sums.amax(0)
