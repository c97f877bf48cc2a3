"""The edit that was chosen for a goal, and what it was chosen for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from gradiend_core.records.metric import Metric

if TYPE_CHECKING:
    from gradiend_core.records.feature import LearnedFeature
    from gradiend_core.records.update import WeightUpdate


@frozen
class EditScores:
    """What a model does: the mean of what the goal is about (`goal_values`) on test texts, the language
    modelling score and the perplexity of neutral texts."""

    probability: Metric
    lms: Metric
    perplexity: Metric


@frozen
class ChosenEdit:
    """The best edit for a goal among those that were tried. Its learning rate is 0 where the unedited model
    is the best. `direction` is the vector of the encoder-decoder that is added (`RewriteSettings`), and
    `judged_by` the policy that chose."""

    goal: str
    feature_factor: float
    learning_rate: float
    direction: str
    before: EditScores
    after: EditScores
    judged_by: str

    def update(self, feature: LearnedFeature) -> WeightUpdate:
        """The change of weights, from the feature that the edit was chosen for."""
        return feature.update(
            self.goal, self.learning_rate, feature_factor=self.feature_factor, direction=self.direction
        )
