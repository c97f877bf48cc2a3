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
    """Everything that an evaluator may use."""

    #: the feature that is measured
    feature: LearnedFeature
    #: the features of all successful seeds, this one included
    seeds: tuple[LearnedFeature, ...]
    #: the gradient matrix over the weights of the feature; its `model` is the run's
    gradients: ModelGradients
    #: the gradient source of the run
    source: GradientSource
    #: the tokenizer of the model
    tokenizer: Any
    #: prepared pairs under train, validation, test and neutral
    examples: Mapping[str, Examples]
    #: the pairs, neutral texts, words of the classes and related words
    data: PairData
    #: the random seed
    seed: int
    #: the goals of edits (`rewrite.toward`)
    goals: tuple[Goal, ...]
    #: how edits are made
    rewrite: RewriteSettings
    #: chooses the best edit
    policy: Policy
    #: the name of the policy, for reports
    policy_name: str
    #: the edit that an earlier evaluator chose for a goal; raises ConfigError if none did
    edit: Callable[[str], WeightUpdate]
    #: slots of the paradigm's other classes, whose two fillers are both the original word
    controls: Callable[[], Examples]
    #: the run's texts that no training or validation pair was made from
    ordinary: Callable[[], Sequence[Text]]
    #: prepares pairs whose fillers may have any number of tokens, and returns their gradients too
    spans: Callable[[Sequence[MinimalPair]], tuple[Examples, ModelGradients]]
    #: this task for a copy of the model with random weights, drawn with a seed, from which the feature is
    #: learned anew; raises ModelError where no copy can be made, and LearningError where nothing is learned
    untrained: Callable[[int], EvaluationTask]
    #: slots of the classes that an edit must not change, with a word of the axis as alternative; None without
    kept: Callable[[], Examples | None]
    #: whether the lengths of the encoder's entries have a meaning
    encoder_identified: bool = True

    @property
    def dampings(self) -> tuple[float | None, ...]:
        """The dampings that edits are tried with: numbers for the metric, or None for the plain direction."""
        known = self.rewrite.metric != "none" and self.feature.curvature is not None
        return self.rewrite.dampings if known else (None,)


class Evaluator(Protocol):
    """Measures a feature. Built by its factory from its configuration."""

    def evaluate(self, task: EvaluationTask) -> Report:
        """A report. The model's weights are left unchanged to the bit."""
