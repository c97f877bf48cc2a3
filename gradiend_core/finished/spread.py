"""All numbers of many runs in one table, and how much they vary between runs that differ only in their
seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from attrs import frozen

from gradiend_core.run.folder import REPORTS, RESULTS
from gradiend_core.storage.files import read_json
from gradiend_core.storage.reports import load_report


@frozen
class MetricRow:
    """A metric of a run: the name of the report (with the classes before it where a run has several
    features), the path of the metric in it, the value, and the number of observations."""

    run: str
    report: str
    metric: str
    value: float | None
    n: int


@frozen
class SpreadRow:
    """A metric of runs that differ only in their seed: mean, standard deviation (n − 1), smallest and largest
    value over the runs that have it."""

    runs: str
    report: str
    metric: str
    seeds: int
    mean: float
    std: float | None
    least: float
    largest: float


def metrics_of(finished: Mapping[str, Path]) -> list[MetricRow]:
    """Every metric of every report of the runs."""
    return [
        MetricRow(run, path.stem, ".".join(names), metric.value, metric.n)
        for run, folder in finished.items()
        for path in sorted((folder / REPORTS).glob("*.json"))
        for names, metric in load_report(path).metrics.items()
    ]


def over_seeds(rows: Iterable[MetricRow], repeated: Mapping[str, str]) -> list[SpreadRow]:
    """The spread of each metric over the runs of one repeated member."""
    values: dict[tuple[str, str, str], list[float]] = {}
    for row in rows:
        if row.run in repeated and row.value is not None:
            values.setdefault((repeated[row.run], row.report, row.metric), []).append(row.value)
    return [
        SpreadRow(
            *key,
            len(measured),
            float(np.mean(measured)),
            float(np.std(measured, ddof=1)) if len(measured) > 1 else None,
            min(measured),
            max(measured),
        )
        for key, measured in values.items()
    ]


def lines_of(spread: Sequence[SpreadRow]) -> list[str]:
    """A line for each set of runs, with its correlations."""
    lines = []
    for runs in dict.fromkeys(row.runs for row in spread):
        shown = [
            f"{row.report} {row.metric} {row.mean:.3f} ± {row.std:.3f}"
            for row in spread
            if row.runs == runs and row.std is not None and row.metric.rpartition(".")[2] == "correlation"
        ]
        count = max(row.seeds for row in spread if row.runs == runs)
        lines.append(f"{runs} over {count} seeds: {', '.join(shown)} (all metrics: tables/spread.csv)")
    return lines


def first_findings(finished: Mapping[str, Path]) -> dict[str, str]:
    """The first sentence of each run's findings, for the runs that have findings."""
    first = {}
    for run, folder in finished.items():
        results = read_json(folder / RESULTS)
        for name, of_axis in results.get("axes", {"": results}).items():
            if of_axis["findings"]:
                first[f"{run}.{name}" if name else run] = of_axis["findings"][0]
    return first
