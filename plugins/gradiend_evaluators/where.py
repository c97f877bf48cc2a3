"""In which layers and components of the model the feature is."""

from __future__ import annotations

from gradiend_core.api import (
    EvaluationTask,
    LocationRow,
    Metric,
    Metrics,
    Report,
    Table,
    WeightRow,
    largest_weights,
    locations,
    shares_by_location,
)
from gradiend_evaluators import WhereSettings


class WhereEvaluator:
    """Looks at the feature alone, at no text."""

    def __init__(self, config: WhereSettings) -> None:
        self.config = config

    def evaluate(self, task: EvaluationTask) -> Report:
        feature = task.feature
        rows = shares_by_location(feature, locations(feature.scope, task.gradients.model), self.config.top)
        by_component: dict[str, float] = {}
        for row in rows:
            by_component[row.component] = by_component.get(row.component, 0.0) + row.share_of_decoder
        metrics: Metrics = {
            ("share_of_decoder", name): Metric(share, feature.scope.size)
            for name, share in by_component.items()
        }
        tables = {
            "places": Table.of(LocationRow, rows),
            "weights": Table.of(WeightRow, largest_weights(feature, self.config.listed)),
        }
        return Report("where", metrics, tables)
