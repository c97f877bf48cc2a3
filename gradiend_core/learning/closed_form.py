"""Features without training: class means of gradients, and a decoder for a given encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from attrs import evolve
from torch import Tensor

from gradiend_core.errors import LearningError
from gradiend_core.learning.encodings import (
    calibrated,
    class_mean_values,
    correlation,
    labels_of,
    projections,
)
from gradiend_core.records.feature import LearnedFeature, TrainingRow
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.roles.gradients import GradientMatrix
from gradiend_core.roles.learner import LearningTask
from gradiend_core.roles.source import Examples


def mean_gradients(
    gradients: GradientMatrix,
    examples: Examples,
    rows: Sequence[int],
    roles: Sequence[GradientRole],
    out: Tensor | None = None,
) -> Tensor:
    """Mean gradients of some rows of the examples for each role, [roles, n]."""
    return gradients.accumulate(examples, rows, torch.full((len(rows),), 1 / len(rows)), roles, out)


def class_means(task: LearningTask, axis: tuple[str, str], roles: Sequence[GradientRole]) -> Tensor:
    """Mean training gradients of the two classes of an axis for each role, [roles, 2, n]; each example is
    seen once."""
    labels, gradients = labels_of(task.train.pairs, axis), task.gradients
    means = torch.empty(2, len(roles), gradients.scope.size, dtype=gradients.dtype, device=gradients.device)
    for sign, out in zip((1.0, -1.0), means, strict=True):
        rows = labels.eq(sign).nonzero()[:, 0].tolist()
        mean_gradients(gradients, task.train, rows, roles, out)
    return means.transpose(0, 1)


def assembled(
    task: LearningTask,
    axis: tuple[str, str],
    encoder: Tensor,
    target_means: Tensor,
    roles: tuple[GradientRole, GradientRole],
    rows: Sequence[TrainingRow] = (),
) -> LearnedFeature:
    """The feature of an encoder [n] and the mean target gradients of the classes [2, n]: the decoder that
    gives each class's mean at its code. Oriented and calibrated on validation pairs; without bias, so that a
    gradient of nothing encodes to 0."""
    if not bool(encoder.any()):
        raise LearningError(
            "the encoder is zero everywhere, as gradients of the classes do not differ: nothing can be"
            " learned"
        )
    feature = LearnedFeature(
        encoder,
        0.0,
        (target_means[0] - target_means[1]).div_(2),
        target_means.mean(0),
        task.gradients.scope,
        axis,
        *roles,
        seed=task.seed,
    )
    labels = labels_of(task.validation.pairs, axis)
    projected = projections(feature, task.gradients, task.validation)[labels != 0]
    labels = labels[labels != 0]
    first, second = class_mean_values(projected, labels)
    if first < second:
        # the decoder belongs to the classes, whatever sign the encoder happens to have
        feature, projected = evolve(feature, encoder=-feature.encoder), -projected
    feature = calibrated(feature, projected, labels)
    codes = feature.encode(projected)
    first, second = class_mean_values(codes, labels)
    last = TrainingRow(
        len(rows) + 1, rows[-1].loss if rows else 0.0, correlation(codes, labels), first, second, kept=True
    )
    return evolve(feature, training=(*rows, last), best_step=last.step)
