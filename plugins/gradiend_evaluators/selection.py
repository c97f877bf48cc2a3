"""Whether a selection before training would have found the weights that training found."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

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
        counts = [count_of(share, n, "evaluators.selection.shares") for share in self.config.shares]
        selected, encoder = _largest(before, counts), _largest(feature.encoder.abs(), counts)
        shared_tensor = feature.decoder is feature.encoder
        decoder = encoder if shared_tensor else _largest(feature.decoder.abs(), counts)
        metrics: Metrics = {}
        for share, count, chosen, *learned in zip(
            self.config.shares, counts, selected, encoder, decoder, strict=True
        ):
            for name, positions in zip(("encoder", "decoder"), learned, strict=True):
                overlap = shared(chosen, positions, n) / count
                metrics[f"top {share:g}", f"overlap_with_{name}"] = Metric(overlap, count)
            metrics[f"top {share:g}", "chance"] = Metric(count / n, count)
        return Report("selection", metrics)


def _largest(sizes: Tensor, counts: Sequence[int]) -> list[Tensor]:
    """Positions of the largest entries, for each count. The largest set contains the others, so all entries
    are looked at only once."""
    widest = largest(sizes, max(counts))
    entries = sizes[widest]
    return [widest[largest(entries, count)] for count in counts]
