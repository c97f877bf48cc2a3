"""Examples by their codes on the axes, and how well a latent variable tells an axis."""

from __future__ import annotations

import torch
from attrs import evolve, frozen
from torch import Tensor

from gradiend_core.api import (
    Examples,
    GradientRole,
    LearningTask,
    TrainingRow,
    class_mean_values,
    correlation,
    labels_of,
    on_axis,
    subset,
)


@frozen
class LatentScore:
    """How well one latent variable tells the classes of one axis apart."""

    correlation: float | None
    first: float
    second: float

    @classmethod
    def of(
        cls, codes: Tensor, examples: Examples, axis: tuple[str, str], source: GradientRole, latent: int
    ) -> LatentScore:
        labels, codes_of_latent = labels_of(examples.pairs, axis, source), codes[:, latent]
        seen = on_axis(examples.pairs, axis)
        means = class_mean_values(codes_of_latent, labels)
        return cls(correlation(codes_of_latent[seen], labels[seen]), *means)


def flipped(row: TrainingRow) -> TrainingRow:
    """A training row after the sign of the code was flipped."""

    def minus(value: float | None) -> float | None:
        return None if value is None else -value

    return evolve(
        row,
        validation_correlation=minus(row.validation_correlation),
        validation_first=minus(row.validation_first),
        validation_second=minus(row.validation_second),
    )


def grouped(examples: Examples, axes: tuple[tuple[str, str], ...]) -> dict[tuple[float, ...], list[int]]:
    """Rows by their codes on the axes, without those that say nothing about any axis. For two classes the
    groups are the classes, for several axes the transitions between classes."""
    codes = torch.stack([labels_of(examples.pairs, axis) for axis in axes], 1).tolist()
    seen = torch.stack([on_axis(examples.pairs, axis) for axis in axes], 1).any(1)
    groups: dict[tuple[float, ...], list[int]] = {}
    for row, row_codes in sorted(enumerate(codes), key=lambda item: [-code for code in item[1]]):
        if seen[row]:
            groups.setdefault(tuple(row_codes), []).append(row)
    return groups


def validation_of(task: LearningTask, axes: tuple[tuple[str, str], ...], most: int) -> Examples:
    """The first validation pairs of each group, in equal numbers where there are enough."""
    groups = grouped(task.validation, axes).values()
    return subset(
        task.validation, sorted(row for rows in groups for row in rows[: max(1, most // len(groups))])
    )
