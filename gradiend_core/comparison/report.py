"""The comparison of many features as one report: what they share in the weights, and what each reads of the
others' texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen

from gradiend_core.comparison.crossing import crossing, encode_all
from gradiend_core.comparison.tables import (
    CROSSING,
    FEATURES,
    PAIRS,
    PARTS,
    SETS,
    SIDES,
    TRANSITIONS,
    WHERE,
    Compared,
    Seeds,
    overlap_of,
    pairs,
    parts,
    sets,
)
from gradiend_core.comparison.weights import Weights
from gradiend_core.comparison.where import places, shares_by_place
from gradiend_core.learning.encodings import labels_of
from gradiend_core.records.metric import Metric
from gradiend_core.records.report import Report, Table
from gradiend_core.records.run import ComparisonSettings
from gradiend_core.roles.gradients import ModelGradients
from gradiend_core.roles.source import Examples

COLUMNS = {
    "features": FEATURES,
    "pairs": PAIRS,
    "sets": SETS,
    "parts": PARTS,
    "where": WHERE,
    "crossing": CROSSING,
    "transitions": TRANSITIONS,
}


@frozen(eq=False)
class Reading:
    """A model, and the test pairs on which its features are tried, each once; `rows` are those of each
    feature, by name."""

    gradients: ModelGradients
    examples: Examples
    rows: Mapping[str, Sequence[int]]


def compare_features(
    features: Sequence[Compared], settings: ComparisonSettings, readings: Mapping[str, Reading] | None = None
) -> Report:
    """The tables `features`, `pairs`, `sets`, `parts`, `where`, and, for models of which there is a reading,
    `crossing` and `transitions`. Weights are compared among features of models of one shape, encodings among
    features of one model."""
    readings = readings or {}
    rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in COLUMNS}
    metrics: dict[tuple[str, ...], Metric] = {}
    lines: list[str] = []
    own: dict[str, float | None] = {}
    for model, reading in readings.items():
        own |= _crossings([each for each in features if each.model == model], reading, rows)
    for group in of_one_shape(features):
        seeds = Seeds(group)
        weights = Weights(seeds.flat)
        products = {side: weights.products(side) for side in SIDES}
        tops = {(side, top): weights.largest(side, top) for side in SIDES for top in settings.top}
        known = [readings[each.model].gradients.model for each in group if each.model in readings]
        place = places(weights.scope, known[0] if known else None)
        rows["pairs"] += pairs(group, seeds, products, tops)
        rows["sets"] += sets(group, seeds, tops["decoder", settings.top[0]], overlap_of(settings.top[0]))
        rows["parts"] += parts(group, seeds, products, place)
        for each in group:
            rows["where"] += [
                (each.name, *row) for row in shares_by_place(each.seeds[0], place, settings.top[0])
            ]
        rows["features"] += [each.row(own.get(each.name)) for each in group]
        found, said = _summary(group, rows, settings)
        metrics |= found
        lines += said
    tables = {name: Table(COLUMNS[name], tuple(own)) for name, own in rows.items() if own}
    return Report("comparison", metrics, tables, lines=tuple(lines))


def of_one_shape(features: Sequence[Compared]) -> list[list[Compared]]:
    """Features in groups whose models have parameters of the same names and shapes."""
    groups: list[tuple[dict[str, tuple[int, ...]], list[Compared]]] = []
    for each in features:
        shapes = {part.name: part.shape for part in each.seeds[0].scope.slices}
        for known, own in groups:
            common = known.keys() & shapes.keys()
            if each.model == own[0].model or (common and all(known[name] == shapes[name] for name in common)):
                known |= shapes
                own.append(each)
                break
        else:
            groups.append((shapes, [each]))
    return [own for _, own in groups]


def _crossings(
    features: Sequence[Compared], reading: Reading, rows: dict[str, list[tuple[Any, ...]]]
) -> dict[str, float | None]:
    """Every feature on every feature's test pairs, but not on those of shuffled classes; gives back how each
    tells its own."""
    seeds = Seeds(features)
    values, own = encode_all(seeds.flat, reading.gradients, reading.examples), {}
    for other in features:
        theirs = list(reading.rows[other.name])
        about = [reading.examples.pairs[row] for row in theirs]
        labels = labels_of(about, other.classes)
        moves: dict[tuple[str, str], list[int]] = {}
        for row, pair in zip(theirs, about, strict=True):
            moves.setdefault((pair.factual_class, pair.alternative_class), []).append(row)
        for each, numbers in zip(features, seeds.of, strict=True):
            found = [crossing(values[number][theirs], labels) for number in numbers]
            best = found[0]
            if each is other:
                own[each.name] = best.correlation
            if other.null:
                continue
            rows["crossing"].append(
                (
                    each.name,
                    other.name,
                    best.correlation,
                    _spread([one.correlation for one in found]),
                    best.first,
                    best.second,
                    best.oriented,
                    _spread([one.oriented for one in found]),
                    best.n,
                )
            )
            for move, inside in sorted(moves.items()):
                mean = float(values[numbers[0]][inside].mean())
                rows["transitions"].append((each.name, other.name, *move, mean, len(inside)))
    return own


def _spread(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.std(known, ddof=1)) if len(known) > 1 else None


def _summary(
    group: Sequence[Compared], rows: dict[str, list[tuple[Any, ...]]], settings: ComparisonSettings
) -> tuple[dict[tuple[str, ...], Metric], list[str]]:
    """What every two features of a group share on average, and what a feature shares with one of nothing."""
    null, names = {each.name for each in group if each.null}, {each.name for each in group}
    label = ", ".join(dict.fromkeys(each.model for each in group))
    metrics: dict[tuple[str, ...], Metric] = {}
    count = len(names) - len(null)
    lines = [f"{count} feature{'s' if count != 1 else ''} of {label}"]
    overlap = overlap_of(settings.top[0])
    for kind, nulls, what in (
        ("features", 0, "two features"),
        ("nulls", 1, "a feature and one of shuffled classes"),
    ):
        found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
        for one, two, side, measure, value, _, _, chance, in_place, *_ in rows["pairs"]:
            if one in names and one != two and len({one, two} & null) == nulls:
                found.setdefault((side, measure), []).append((abs(value), chance, in_place))
        for (side, measure), values in found.items():
            for name, mean in zip(
                ("value", "chance", "chance_in_place"), np.mean(values, axis=0), strict=True
            ):
                metrics[label, kind, side, measure, name] = Metric(float(mean), len(values))
        if found:
            count = len(next(iter(found.values())))
            cosine = metrics[label, kind, "decoder", "cosine", "value"].value
            shared, *by = (
                metrics[label, kind, "decoder", overlap, name].value
                for name in ("value", "chance", "chance_in_place")
            )
            lines.append(
                f"{what}: |cosine| of decoders {cosine:.3f}; of the largest weights ({settings.top[0]}) they"
                f" share {shared:.3f}, by chance {by[0]:.3f}, by chance within the same parameters"
                f" {by[1]:.3f} (means of {count})"
            )
    crossings = [row for row in rows["crossing"] if row[0] in names - null]
    for kind, some in (
        ("own", [r for r in crossings if r[0] == r[1]]),
        ("others", [r for r in crossings if r[0] != r[1]]),
    ):
        if some:
            mean = float(np.mean([abs(row[CROSSING.index("oriented")]) for row in some]))
            metrics[label, kind, "oriented"] = Metric(mean, len(some))
            whose = "their own texts" if kind == "own" else "other features' texts"
            lines.append(
                f"encoders read {whose} by {mean:.3f} (half the difference of class means, without its sign)"
            )
    return metrics, lines
