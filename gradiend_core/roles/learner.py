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
    """Everything that a learner may use."""

    #: the gradient matrix over the selected weights
    gradients: GradientMatrix
    #: the training pairs
    train: Examples
    #: the validation pairs
    validation: Examples
    #: neutral pairs, whose gradient should change nothing; no evaluator sees them
    neutral: Examples | None
    #: the pairs of classes to learn; `code_of` gives the code of a pair on an axis
    axes: tuple[tuple[str, str], ...]
    #: the random seed
    seed: int
    #: called with each row of the training record
    tell: Callable[[TrainingRow], None]
    #: a folder whose files are there again when an interrupted task continues; None: no folder
    checkpoint: Path | None = None


class Learner(Protocol):
    """Learns features from gradients. Built by its factory from its configuration. With a method
    `vectors(axes)`, the number of float32 vectors over the scope that it holds at once for this many axes,
    the memory of its runs can be estimated."""

    def learn(self, task: LearningTask) -> tuple[LearnedFeature, ...]:
        """A feature for each axis, in order, oriented such that the first class encodes to +1. Equal seeds
        give the same bits on the CPU. Raises LearningError with a diagnosis where nothing was learned."""
