"""Policies: the gain of a goal, the allowed cost, and how both are weighed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradiend_core.api import Candidate, Goal, NoSettings, OrdinaryScores, goal_values
from gradiend_evaluators import BudgetSettings, ThresholdSettings


def gain(goal: Goal, candidate: Candidate) -> float:
    """Between 0 and 1, higher is better: the mean of `goal_values`; for less of a class, one minus that."""
    mean = float(goal_values(goal, candidate.probabilities).mean())
    return 1 - mean if goal.sign < 0 else mean


def _both(candidate: Candidate) -> tuple[Tensor, Tensor]:
    """Probabilities of the words of either class, on all texts."""
    return torch.cat(list(candidate.probabilities.values())).unbind(1)  # type: ignore[return-value]


class Gaining:
    """The common base of policies that weigh `gain`."""

    def texts_of(self, goal: Goal) -> Sequence[str]:
        return goal.texts


class Budget(Gaining):
    """The largest gain among edits within a budget for changes of ordinary text: the unwanted KL divergence
    from the unedited model, and the perplexity of tokens that are not words of the feature. Both are bounds
    for other text of the same kind. The language modelling score cannot guard an edit, because it rises when
    a model merely becomes more certain of everything."""

    def __init__(self, config: BudgetSettings) -> None:
        self.max_kl, self.max_growth = config.max_kl, math.log(config.max_perplexity)

    def score(self, goal: Goal, candidate: Candidate, base: Candidate) -> float | None:
        cost = candidate.ordinary
        if cost is None:
            return None
        return gain(goal, candidate) if self.spent(cost) <= 1 or not candidate.learning_rate else None

    def spent(self, ordinary: OrdinaryScores) -> float:
        return max(ordinary.unwanted_bound / self.max_kl, ordinary.growth_bound / self.max_growth)


class Threshold(Gaining):
    """The largest gain among edits that keep a given fraction of the language modelling score."""

    def __init__(self, config: ThresholdSettings) -> None:
        self.floor = config.lms_floor

    def score(self, goal: Goal, candidate: Candidate, base: Candidate) -> float | None:
        return gain(goal, candidate) if candidate.lms >= self.floor * base.lms else None


class Product(Gaining):
    """The largest product of gain and language modelling score."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def score(self, goal: Goal, candidate: Candidate, base: Candidate) -> float | None:
        return gain(goal, candidate) * candidate.lms


class PredictionIndex:
    """The indices of arXiv 2502.01406: language modelling score times the mean over the texts of both classes
    of P(1 − P') for the class that gains (FPI, MPI), and of (1 − |P − P'|)(P + P') for both equally (BPI)."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def texts_of(self, goal: Goal) -> Sequence[str]:
        return goal.classes

    def score(self, goal: Goal, candidate: Candidate, base: Candidate) -> float | None:
        if not goal.sign:
            return gain(goal, candidate) * candidate.lms
        one, two = _both(candidate)
        if (goal.of == goal.classes[0]) != (goal.sign > 0):
            one, two = two, one
        return float((one * (1 - two)).mean()) * candidate.lms
