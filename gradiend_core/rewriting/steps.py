"""Edits in several steps. The decoder's direction holds for the unedited weights. A large edit is therefore
made in steps, each along the direction of the gradients at the weights so far."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gradiend_core.learning.closed_form import mean_gradients
from gradiend_core.learning.encodings import labels_of
from gradiend_core.progress import progress
from gradiend_core.records.update import WeightUpdate
from gradiend_core.rewriting.apply import Rewriter
from gradiend_core.rewriting.natural import natural_direction
from gradiend_core.rewriting.search import LADDER, largest_within
from gradiend_core.roles.evaluator import EvaluationTask


def stepped(
    task: EvaluationTask,
    rewriter: Rewriter,
    feature_factor: float,
    damping: float | None,
    spent: Callable[[], float],
    steps: int,
) -> WeightUpdate | None:
    """The sum of the steps, at learning rate 1; None where the first step finds no rate within the budget.
    `spent` returns the fraction of the budget that the model in its present state uses. As that fraction
    grows with the square of an edit, the first k of n steps may use (k / n)² of the budget."""
    scope = task.feature.scope
    total: Tensor | None = None
    rewriter.restore()
    with progress("steps of the edit", steps) as done:
        for step in range(1, steps + 1):
            if total is not None:
                rewriter.apply(WeightUpdate(total, scope, feature_factor, 1.0))
            direction = natural_direction(task, target_gradient(task, feature_factor), damping)
            before = torch.zeros_like(direction) if total is None else total

            def share(
                rate: float, before: Tensor = before, direction: Tensor = direction, step: int = step
            ) -> float:
                moved = before.add(direction, alpha=rate)
                rewriter.apply(WeightUpdate(moved, scope, feature_factor, 1.0))
                return spent() * (steps / step) ** 2

            length = float(direction.norm())
            rate = largest_within(share, LADDER[0] * rewriter.norm() / length / steps) if length else 0.0
            if not rate:
                break
            total = before.add_(direction, alpha=rate)
            done.advance()
    rewriter.restore()
    return None if total is None else WeightUpdate(total, scope, feature_factor, 1.0)


def target_gradient(task: EvaluationTask, feature_factor: float) -> Tensor:
    """What the decoder predicts, computed for the model in its present state: the mean target gradient of the
    training pairs whose code has the sign of the feature factor, or, at 0, of both classes, [n]."""
    train, feature = task.examples["train"], task.feature
    labels = labels_of(train.pairs, feature.classes)
    codes = [math.copysign(1.0, feature_factor)] if feature_factor else [1.0, -1.0]
    means = [
        mean_gradients(task.gradients, train, labels.eq(code).nonzero()[:, 0].tolist(), [feature.target])[0]
        for code in codes
    ]
    return (means[0] if len(means) == 1 else means[0].add_(means[1]).div_(2)).float()
