"""Evaluators measure a feature."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from attrs import frozen

from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.goal import Goal
from gradiend_core.records.pair import MinimalPair, PairData
from gradiend_core.records.report import Report
from gradiend_core.records.run import RewriteSettings
from gradiend_core.records.text import Text
from gradiend_core.records.update import WeightUpdate
from gradiend_core.roles.gradients import ModelGradients
from gradiend_core.roles.policy import Policy
from gradiend_core.roles.source import Examples, GradientSource


@frozen(eq=False)
class EvaluationTask:
    """Everything that an evaluator may use.

    `examples` has the keys train, validation, test and neutral; `seeds` has the features of all successful
    seeds, including `feature`. `goals` are the goals of edits, `rewrite` how edits are made, and `policy`
    chooses the best. `edit` gives the edit for a goal that an earlier evaluator chose, and raises ConfigError
    if none did. `controls` prepares slots of the paradigm's other classes, whose two fillers are both the
    original word. `ordinary` gives the run's texts that no training or validation pair was made from. `spans`
    prepares pairs whose fillers may have any number of tokens, and gives their gradients. `untrained` is the
    same task on a copy of the model with random weights, drawn with a seed, from which the feature was
    learned again; it raises ModelError where no such copy can be made, and LearningError where nothing is
    learned from it. `kept` gives slots of the classes that an edit must not change, with a word of the axis
    as alternative; None without any. The lengths of the encoder's entries have a meaning only if it is
    `encoder_identified`."""

    feature: LearnedFeature
    seeds: tuple[LearnedFeature, ...]
    gradients: ModelGradients
    source: GradientSource
    tokenizer: Any
    examples: Mapping[str, Examples]
    data: PairData
    seed: int
    goals: tuple[Goal, ...]
    rewrite: RewriteSettings
    policy: Policy
    policy_name: str
    edit: Callable[[str], WeightUpdate]
    controls: Callable[[], Examples]
    ordinary: Callable[[], Sequence[Text]]
    spans: Callable[[Sequence[MinimalPair]], tuple[Examples, ModelGradients]]
    untrained: Callable[[int], EvaluationTask]
    kept: Callable[[], Examples | None]
    encoder_identified: bool = True

    @property
    def dampings(self) -> tuple[float | None, ...]:
        """The dampings that edits are tried with: numbers for the metric, or None for the plain direction."""
        known = self.rewrite.metric != "none" and self.feature.curvature is not None
        return self.rewrite.dampings if known else (None,)


class Evaluator(Protocol):
    """Made by its factory from its configuration."""

    def evaluate(self, task: EvaluationTask) -> Report:
        """A report. The model's weights are left unchanged to the bit."""
