"""The edit that was chosen for a goal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from gradiend_core.records.metric import Metric
from gradiend_core.records.update import WeightUpdate

if TYPE_CHECKING:
    from gradiend_core.records.feature import LearnedFeature


@frozen
class EditScores:
    """The scores of a model on test texts, on neutral texts, and on ordinary texts that were not used to
    choose the edit."""

    #: the mean of what the goal is about on test texts (`goal_values`)
    probability: Metric
    #: the class's share there of the probability of both classes
    share: Metric
    #: the language modelling score of neutral texts
    lms: Metric
    #: of ordinary texts, as all that follows
    perplexity: Metric
    #: the KL divergence from the unedited model, in nats a token
    kl: Metric
    #: the unwanted part of it (`OrdinaryScores`), in nats a token
    unwanted_kl: Metric
    #: the share of tokens with the same likeliest prediction
    agreement: Metric


@frozen
class ChosenEdit:
    """The best edit for a goal among those that were tried. Its learning rate is 0 where the unedited model
    is the best. `direction` is the vector of the encoder-decoder that is added (`RewriteSettings`), divided
    by the curvature with this `damping`, if any, relative to the mean `damping_mean`; `judged_by` is the
    policy that chose it."""

    goal: str
    feature_factor: float
    learning_rate: float
    direction: str
    before: EditScores
    after: EditScores
    judged_by: str
    damping: float | None = None
    damping_mean: str = "all"
    #: the direction, a Tensor [n], where the feature alone does not give it, as that of an edit which keeps
    #: some slots
    vector: Any = field(default=None, eq=False, repr=False)

    def update(self, feature: LearnedFeature) -> WeightUpdate:
        """The change of weights, from the feature that the edit was chosen with."""
        if self.vector is not None:
            return WeightUpdate(self.vector, feature.scope, self.feature_factor, self.learning_rate)
        return feature.update(
            self.goal,
            self.learning_rate,
            feature_factor=self.feature_factor,
            direction=self.direction,
            damping=self.damping,
            damping_mean=self.damping_mean,
        )
