"""Which weights, neurons, heads, layers and components have the large gradients of the feature.

A layer or a matrix with a large share is not where the model keeps a fact: facts that were trained into one
matrix are not found by these shares, and those that were trained into one neuron are among the first by
theirs (tests/benchmarks/planted.py)."""

from __future__ import annotations

from attrs import evolve

from gradiend_core.api import (
    EvaluationTask,
    LocationRow,
    Metric,
    Metrics,
    Report,
    Table,
    UnitRow,
    WeightRow,
    largest_units,
    largest_weights,
    locations,
    shares_by_location,
    standing_out,
)
from gradiend_evaluators import WhereSettings

#: units that a summary names
SHOWN = 3


class WhereEvaluator:
    """Uses the feature alone, and no text."""

    def __init__(self, config: WhereSettings) -> None:
        self.config = config

    def evaluate(self, task: EvaluationTask) -> Report:
        feature = task.feature
        model = task.gradients.model
        rows = shares_by_location(feature, locations(feature.scope, model), self.config.top)
        if not task.encoder_identified:
            rows = [evolve(row, share_of_encoder=None) for row in rows]
        by_component: dict[str, float] = {}
        for row in rows:
            by_component[row.component] = by_component.get(row.component, 0.0) + row.share_of_decoder
        metrics: Metrics = {
            ("share_of_decoder", name): Metric(share, feature.scope.size)
            for name, share in by_component.items()
        }
        units = largest_units(feature, model, self.config.listed)
        tables = {
            "places": Table.of(LocationRow, rows),
            "units": Table.of(UnitRow, units),
            "weights": Table.of(WeightRow, largest_weights(feature, self.config.listed)),
        }
        return Report("where", metrics, tables, lines=_lines(units))


def _lines(units: list[UnitRow]) -> tuple[str, ...]:
    """The units that stand out most against ordinary text."""
    named = (
        f"{row.kind} {row.layer}.{row.number} ({row.share_of_decoder:.1%} of the decoder,"
        f" {row.times_ordinary:.1f} times its share of ordinary text)"
        for row in standing_out(units, SHOWN)
    )
    sentence = ", ".join(named)
    return (f"units     {sentence}",) if sentence else ()
