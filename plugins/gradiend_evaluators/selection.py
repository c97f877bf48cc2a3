"""Whether a selection before training would have found the weights that training found."""

from __future__ import annotations

from gradiend_core.api import (
    EvaluationTask,
    Metric,
    Metrics,
    Report,
    count_of,
    difference_of_means,
    largest,
    shared,
)
from gradiend_evaluators import SelectionSettings


class SelectionEvaluator:
    """The overlap of the weights with the largest mean gradient and those with the largest learned weights,
    for some fractions."""

    def __init__(self, config: SelectionSettings) -> None:
        self.config = config

    def evaluate(self, task: EvaluationTask) -> Report:
        feature, n = task.feature, task.feature.scope.size
        before = difference_of_means(
            task.gradients, task.examples["train"], (feature.classes,), self.config.pairs
        ).cpu()
        metrics: Metrics = {}
        for share in self.config.shares:
            count = count_of(share, n, "evaluators.selection.shares")
            chosen = largest(before, count)
            for name in ("encoder", "decoder"):
                both = shared(chosen, largest(getattr(feature, name).abs(), count), n)
                metrics[f"top {share:g}", f"overlap_with_{name}"] = Metric(both / count, count)
            metrics[f"top {share:g}", "chance"] = Metric(count / n, count)
        return Report("selection", metrics)
