"""Policies choose the best of several edits for a goal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gradiend_core.records.candidate import Candidate
from gradiend_core.records.goal import Goal


class Policy(Protocol):
    """Chooses the best edit for a goal. Built by its factory from its configuration."""

    def texts_of(self, goal: Goal) -> Sequence[str]:
        """The classes whose texts it needs probabilities on."""

    def score(self, goal: Goal, candidate: Candidate, base: Candidate) -> float | None:
        """How good the candidate is; higher is better, None forbids it. `base` is the unedited model, which
        is always a candidate."""
