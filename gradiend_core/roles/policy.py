"""A policy: which of several edits is the best one for a goal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gradiend_core.records.candidate import Candidate
from gradiend_core.records.goal import Goal


class Policy(Protocol):
    """Made by its factory from its configuration."""

    def texts_of(self, goal: Goal) -> Sequence[str]:
        """The classes on whose texts it needs probabilities."""

    def score(self, goal: Goal, candidate: Candidate, base: Candidate) -> float | None:
        """How good the candidate is, higher is better; None where it must not be taken. `base` is the
        unedited model, which is always among those to choose from."""
