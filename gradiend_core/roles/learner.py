"""Learners turn gradients into a learned feature."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from attrs import frozen

from gradiend_core.records.feature import LearnedFeature, TrainingRow
from gradiend_core.roles.gradients import GradientMatrix
from gradiend_core.roles.source import Examples

if TYPE_CHECKING:
    from pathlib import Path


@frozen(eq=False)
class LearningTask:
    """Everything that a learner may use. `axes` are the pairs of classes to learn; `records.pair.code_of`
    gives the code of an example on an axis. `neutral` has neutral examples that no evaluator sees. Whatever a
    learner writes to the folder `checkpoint` (None: no folder) is there again when the same task continues
    after an interruption."""

    gradients: GradientMatrix
    train: Examples
    validation: Examples
    neutral: Examples | None
    axes: tuple[tuple[str, str], ...]
    seed: int
    tell: Callable[[TrainingRow], None]
    checkpoint: Path | None = None


class Learner(Protocol):
    """Built by its factory from its configuration. With a method `vectors(axes)`, the number of float32
    vectors over the scope that it holds at once for this many axes, the memory of its runs can be
    estimated."""

    def learn(self, task: LearningTask) -> tuple[LearnedFeature, ...]:
        """A feature for each axis, in order, oriented such that the first class encodes to +1. Equal seeds
        give the same bits on the CPU. Raises LearningError with a diagnosis where nothing was learned."""
