"""The comparison of many features as one report: which weights they share, and what each reads in the others'
texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from attrs import asdict, field, frozen, mutable

from gradiend_core.comparison.crossing import crossing, encode_all
from gradiend_core.comparison.measures import MEASURES
from gradiend_core.comparison.tables import (
    SIDES,
    Compared,
    CrossedTransitionRow,
    CrossingRow,
    FeatureLocationRow,
    FeatureRow,
    LocationPairRow,
    PairRow,
    Seeds,
    SetRow,
    against_nulls,
    location_pairs,
    overlap_of,
    pairs,
    sets,
)
from gradiend_core.comparison.weights import Weights
from gradiend_core.comparison.where import locations, shares_by_location
from gradiend_core.learning.encodings import labels_of
from gradiend_core.records.metric import Metric
from gradiend_core.records.report import Metrics, Report, Table
from gradiend_core.records.run import ComparisonSettings
from gradiend_core.roles.gradients import ModelGradients
from gradiend_core.roles.source import Examples

#: the share of false discoveries that is accepted
SIGNIFICANT = 0.05


@frozen(eq=False)
class Reading:
    """A model, and the test pairs of its features, each pair once. `rows` gives the rows of each feature by
    name."""

    gradients: ModelGradients
    examples: Examples
    rows: Mapping[str, Sequence[int]]


@mutable
class ComparisonRows:
    """The rows of all tables while they are collected."""

    features: list[FeatureRow] = field(factory=list)
    pairs: list[PairRow] = field(factory=list)
    sets: list[SetRow] = field(factory=list)
    parts: list[LocationPairRow] = field(factory=list)
    where: list[FeatureLocationRow] = field(factory=list)
    crossing: list[CrossingRow] = field(factory=list)
    transitions: list[CrossedTransitionRow] = field(factory=list)

    def tables(self) -> dict[str, Table]:
        """The tables that have rows."""
        collected = asdict(self, recurse=False)
        return {name: Table.of(type(rows[0]), rows) for name, rows in collected.items() if rows}


def compare_features(
    features: Sequence[Compared], settings: ComparisonSettings, readings: Mapping[str, Reading] | None = None
) -> Report:
    """The report with the tables `features`, `pairs`, `sets`, `parts`, `where` and, for models with a
    `Reading`, `crossing` and `transitions`. Weights are compared among features of models of one shape,
    encodings among features of one model."""
    readings, rows = readings or {}, ComparisonRows()
    metrics: Metrics = {}
    lines: list[str] = []
    correlations: dict[str, float | None] = {}
    top = settings.top[0]
    for model, reading in readings.items():
        correlations |= _crossings([feature for feature in features if feature.model == model], reading, rows)
    for group in of_one_shape(features):
        seeds = Seeds(group)
        weights = Weights(seeds.flat)
        products = {side: weights.products(side) for side in SIDES}
        tops = {(side, share): weights.largest(side, share) for side in SIDES for share in settings.top}
        further = {
            (side, measure): MEASURES[measure](weights, side)
            for side in SIDES
            for measure in settings.measures
        }
        models = [readings[feature.model].gradients.model for feature in group if feature.model in readings]
        location_of = locations(weights.scope, models[0] if models else None)
        nulls = {feature.name for feature in group if feature.null}
        group_pairs = against_nulls(list(pairs(group, seeds, products, tops, further)), nulls)
        rows.pairs += group_pairs
        rows.sets += sets(group, seeds, tops["decoder", top], overlap_of(top))
        rows.parts += location_pairs(group, seeds, products, location_of)
        for feature in group:
            rows.where += [
                FeatureLocationRow(feature.name, **asdict(row))
                for row in shares_by_location(feature.seeds[0], location_of, top)
            ]
            rows.features.append(feature.row(correlations.get(feature.name)))
        group_metrics, group_lines = _summary(group, group_pairs, rows.crossing, top)
        metrics |= group_metrics
        lines += group_lines
    return Report("comparison", metrics, rows.tables(), lines=tuple(lines))


def of_one_shape(features: Sequence[Compared]) -> list[list[Compared]]:
    """Groups of features whose models have parameters of the same names and shapes."""
    groups: list[tuple[dict[str, tuple[int, ...]], list[Compared]]] = []
    for feature in features:
        shapes = {parameter.name: parameter.shape for parameter in feature.seeds[0].scope.slices}
        for known, members in groups:
            common = known.keys() & shapes.keys()
            same_shapes = common and all(known[name] == shapes[name] for name in common)
            if feature.model == members[0].model or same_shapes:
                known |= shapes
                members.append(feature)
                break
        else:
            groups.append((shapes, [feature]))
    return [members for _, members in groups]


def _crossings(
    features: Sequence[Compared], reading: Reading, rows: ComparisonRows
) -> dict[str, float | None]:
    """Each feature on the test pairs of every feature, except those of shuffled classes. Returns how well
    each feature tells its own classes apart."""
    seeds = Seeds(features)
    values = encode_all(seeds.flat, reading.gradients, reading.examples)
    correlations: dict[str, float | None] = {}
    for other in features:
        numbers_of_pairs = list(reading.rows[other.name])
        test_pairs = [reading.examples.pairs[row] for row in numbers_of_pairs]
        transitions: dict[tuple[str, str], list[int]] = {}
        for row, pair in zip(numbers_of_pairs, test_pairs, strict=True):
            transitions.setdefault(pair.transition, []).append(row)
        for feature, numbers in zip(features, seeds.of, strict=True):
            labels = labels_of(test_pairs, other.classes, feature.seeds[0].source)
            by_seed = [crossing(values[number][numbers_of_pairs], labels) for number in numbers]
            best = by_seed[0]
            if feature is other:
                correlations[feature.name] = best.correlation
            if other.null:
                continue
            rows.crossing.append(
                CrossingRow(
                    feature.name,
                    other.name,
                    best.correlation,
                    _spread([one.correlation for one in by_seed]),
                    best.first,
                    best.second,
                    best.oriented,
                    _spread([one.oriented for one in by_seed]),
                    best.n,
                )
            )
            for transition, inside in sorted(transitions.items()):
                mean = float(values[numbers[0]][inside].mean())
                rows.transitions.append(
                    CrossedTransitionRow(feature.name, other.name, *transition, mean, len(inside))
                )
    return correlations


def _spread(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.std(known, ddof=1)) if len(known) > 1 else None


def _summary(
    group: Sequence[Compared], pairs_of_group: Sequence[PairRow], crossings: Sequence[CrossingRow], top: float
) -> tuple[Metrics, list[str]]:
    """The mean similarity of the features of a group, and the mean similarity with features of shuffled
    classes."""
    names, null = {feature.name for feature in group}, {feature.name for feature in group if feature.null}
    label = ", ".join(dict.fromkeys(feature.model for feature in group))
    metrics: Metrics = {}
    count = len(names) - len(null)
    lines = [f"{count} feature{'s' if count != 1 else ''} of {label}"]
    for kind, nulls, what in (
        ("features", 0, "two features"),
        ("nulls", 1, "a feature and one of shuffled classes"),
    ):
        by_measure: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
        for row in pairs_of_group:
            if row.one != row.two and len({row.one, row.two} & null) == nulls:
                values = abs(row.value), row.chance, row.chance_in_place
                by_measure.setdefault((row.side, row.measure), []).append(values)
        for (side, measure), numbers in by_measure.items():
            means = np.mean(numbers, axis=0)
            for name, mean in zip(("value", "chance", "chance_in_place"), means, strict=True):
                metrics[label, kind, side, measure, name] = Metric(float(mean), len(numbers))
        if by_measure:
            decoder = label, kind, "decoder"
            cosine = metrics[*decoder, "cosine", "value"]
            shared, chance, in_place = (
                metrics[*decoder, overlap_of(top), name] for name in ("value", "chance", "chance_in_place")
            )
            lines.append(
                f"{what}: |cosine| of decoders {cosine.shown()}; of the largest weights ({top}) they share"
                f" {shared.shown()}, by chance {chance.shown()}, by chance within the same parameters"
                f" {in_place.shown()} (means of {cosine.n})"
            )
    adjusted = [row.adjusted_p_value for row in pairs_of_group if row.adjusted_p_value is not None]
    if adjusted:
        beyond = sum(value <= SIGNIFICANT for value in adjusted)
        metrics[label, "features", "beyond_nulls"] = Metric(beyond, len(adjusted))
        lines.append(
            f"{beyond} of {len(adjusted)} overlaps are larger than those of shuffled classes, corrected for"
            f" their number (Benjamini–Hochberg, {SIGNIFICANT:g})"
        )
    for kind, whose in (("own", "their own texts"), ("others", "other features' texts")):
        chosen = [
            row
            for row in crossings
            if row.feature in names - null and (row.feature == row.texts_of) == (kind == "own")
        ]
        if chosen:
            mean = float(np.mean([abs(row.oriented) for row in chosen]))
            metrics[label, kind, "oriented"] = Metric(mean, len(chosen))
            lines.append(
                f"encoders read {whose} by {mean:.3f} (half the difference of class means, without its sign)"
            )
    return metrics, lines
