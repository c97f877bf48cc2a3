"""A learner: gradients in, a learned feature out."""

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
    """Everything that a learner may use.

    `axes` says what to learn, as pairs of classes; `records.pair.code_of` says which examples have which code
    on an axis. `neutral` has neutral examples that no evaluation sees. What a learner writes to the folder
    `checkpoint` (none if None) is there when the same task is learned again after an interruption.
    """

    gradients: GradientMatrix
    train: Examples
    validation: Examples
    neutral: Examples | None
    axes: tuple[tuple[str, str], ...]
    seed: int
    tell: Callable[[TrainingRow], None]
    checkpoint: Path | None = None


class Learner(Protocol):
    """Made by its factory from its configuration.

    With a method `vectors(axes)`, the number of float32 vectors over the scope that it holds at once for so
    many axes, the memory of its runs can be planned."""

    def learn(self, task: LearningTask) -> tuple[LearnedFeature, ...]:
        """A feature for each axis, in their order, oriented so that the first class encodes to +1. Equal
        seeds give equal bits on CPU. Raises LearningError with a diagnosis where nothing was learned."""
