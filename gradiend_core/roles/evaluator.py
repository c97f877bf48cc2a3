"""An evaluator: what a feature is worth, as numbers."""

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
    """Everything that an evaluator may use. `examples` has the keys train, validation, test and neutral;
    `seeds` has the feature of each seed that gave one, `feature` among them. `goals` are what edits are for,
    `rewrite` says what they are made of, and `policy` which is best; `edit` gives the one that an evaluator
    before this one has chosen for a goal, and raises ConfigError where none has. `controls` prepares slots of
    the paradigm's other classes, whose two fillers are both the word that stands there.

    `ordinary` gives the run's texts of which no training or validation pair was made. `spans` prepares pairs
    whose fillers may have any number of tokens, and gives the gradients that belong to them. `untrained` is
    the same task on a copy of the model with random weights, by a seed, from which the feature was learned
    anew; it raises ModelError where no such copy can be made, and LearningError where nothing is learned from
    it. `kept` gives slots of classes that an edit is to leave as they are, with a word of the axis as
    alternative; None without any. The lengths of the encoder's entries mean something only if it is
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
        """What edits are tried with: numbers for the metric, or None for the direction as it is."""
        known = self.rewrite.metric != "none" and self.feature.curvature is not None
        return self.rewrite.dampings if known else (None,)


class Evaluator(Protocol):
    """Made by its factory from its configuration."""

    def evaluate(self, task: EvaluationTask) -> Report:
        """A report. The model is left bitwise as it was."""
