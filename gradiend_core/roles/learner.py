"""A learner: gradients in, a learned feature out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from attrs import frozen

from gradiend_core.records.feature import LearnedFeature, TrainingRow
from gradiend_core.roles.source import Examples

if TYPE_CHECKING:
    from gradiend_core.gradients.operator import GradientOperator


@frozen(eq=False)
class LearningTask:
    """Everything that a learner may use. Labels are +1 where a pair's factual class is `classes[0]`, else −1."""

    gradients: GradientOperator
    train: Examples
    validation: Examples
    classes: tuple[str, str]
    seed: int
    tell: Callable[[TrainingRow], None]


class Learner(Protocol):
    """Made by its factory from its configuration."""

    def learn(self, task: LearningTask) -> LearnedFeature:
        """The feature, oriented so that the first class encodes to +1. Equal seeds give equal bits on CPU."""
