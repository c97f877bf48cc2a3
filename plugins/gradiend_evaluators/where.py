"""In which layers and components of the model the feature is."""

from __future__ import annotations

from gradiend_core.api import (
    PLACE_COLUMNS,
    WEIGHT_COLUMNS,
    EvaluationTask,
    Metric,
    Metrics,
    Report,
    Table,
    largest_weights,
    places,
    shares_by_place,
)
from gradiend_evaluators import WhereSettings


class WhereEvaluator:
    """Looks at the feature alone, at no text."""

    def __init__(self, config: WhereSettings) -> None:
        self.config = config

    def evaluate(self, task: EvaluationTask) -> Report:
        feature = task.feature
        rows = shares_by_place(feature, places(feature.scope, task.gradients.model), self.config.top)
        by_component: dict[str, float] = {}
        for _, component, _, _, share, *_ in rows:
            by_component[str(component)] = by_component.get(str(component), 0.0) + float(share)  # type: ignore[arg-type]
        metrics: Metrics = {
            ("share_of_decoder", name): Metric(share, feature.scope.size)
            for name, share in by_component.items()
        }
        tables = {
            "places": Table(PLACE_COLUMNS, tuple(rows)),
            "weights": Table(WEIGHT_COLUMNS, tuple(largest_weights(feature, self.config.listed))),
        }
        return Report("where", metrics, tables)
