"""The edit that was chosen for a goal, and what it was chosen for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import frozen

from gradiend_core.errors import ConfigError
from gradiend_core.records.metric import Metric

if TYPE_CHECKING:
    from gradiend_core.records.feature import LearnedFeature
    from gradiend_core.records.report import Report
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


def chosen_edits(reports: Mapping[str, Report]) -> dict[str, ChosenEdit]:
    """The chosen edit of each goal, from the reports of one axis."""
    return {edit.goal: edit for report in reports.values() for edit in report.edits}


def chosen_edit(reports: Mapping[str, Report], goal: str) -> ChosenEdit:
    """The edit that was chosen for a goal. Raises ConfigError where none was looked for."""
    edits = chosen_edits(reports)
    if not edits:
        raise ConfigError("no evaluator has chosen a learning rate; give one")
    if goal not in edits:
        raise ConfigError(
            f"no edit toward {goal} was looked for, only toward {', '.join(edits)}; give a learning rate, or"
            " name it in rewrite.toward"
        )
    return edits[goal]
