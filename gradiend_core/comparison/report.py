"""The comparison of many features as one report: what they share in the weights, and what each reads of the others' texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, combinations_with_replacement, product
from typing import Any

import numpy as np
from attrs import frozen
from torch import Tensor, nn

from gradiend_core.comparison.crossing import crossing, encode_all
from gradiend_core.comparison.weights import Tops, Weights
from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.gradients.places import component_of, layer_of
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.report import Metric, Report, Table
from gradiend_core.records.run import ComparisonSettings
from gradiend_core.roles.source import Examples

SIDES = ("decoder", "encoder")
FEATURES = ("feature", "first", "second", "poles", "null", "model", "seeds", "weights", "correlation")
WHERE = ("feature", "layer", "component", "weights", "share_of_decoder", "share_of_encoder", "share_of_largest")
PARTS = ("one", "two", "layer", "component", "decoder_cosine", "encoder_cosine")
CROSSING = ("feature", "texts_of", "correlation", "correlation_std", "first", "second", "oriented", "oriented_std", "n")
TRANSITIONS = ("feature", "texts_of", "class", "alternative_class", "mean", "n")
#: `value` is of the best seeds, `mean` and `std` over all; `signed` where both have poles, so that the sign means something
PAIRS = ("one", "two", "side", "measure", "value", "mean", "std", "chance", "chance_in_place", "p_value", "signed", "one_model")


@frozen(eq=False)
class Compared:
    """A feature to be compared: the one of each seed, the best first; its model; whether its first class is a positive pole, so
    that its sign means something beside others; and whether it was learned from shuffled classes."""

    name: str
    seeds: tuple[LearnedFeature, ...]
    model: str
    poles: bool = False
    null: bool = False

    @property
    def classes(self) -> tuple[str, str]:
        return self.seeds[0].classes


@frozen(eq=False)
class Reading:
    """A model, and the test pairs on which its features are tried, each once; `rows` are those of each feature, by name."""

    gradients: GradientOperator
    examples: Examples
    rows: Mapping[str, Sequence[int]]


class _Seeds:
    """All seeds of all features in a row, and what a number for every two of them is for every two features."""

    def __init__(self, features: Sequence[Compared]) -> None:
        self.flat = [seed for each in features for seed in each.seeds]
        ends = np.cumsum([len(each.seeds) for each in features])
        self.of = [list(range(end - len(each.seeds), end)) for each, end in zip(features, ends, strict=True)]

    def between(self, values: np.ndarray, one: int, two: int) -> tuple[float, float, float | None]:
        """That of the best seeds, and mean and spread over all; of a feature and itself over its different seeds."""
        pairs = [(a, b) for a, b in product(self.of[one], self.of[two]) if one != two or a < b]
        found = np.array([values[pair] for pair in pairs] or [values[self.of[one][0], self.of[two][0]]])
        spread = float(found.std(ddof=1)) if len(found) > 1 else None
        return float(values[self.of[one][0], self.of[two][0]]), float(found.mean()), spread


def compare_features(
    features: Sequence[Compared], settings: ComparisonSettings, readings: Mapping[str, Reading] | None = None
) -> Report:
    """The tables `features`, `pairs`, `parts`, `where`, and, for models of which there is a reading, `crossing` and
    `transitions`. Weights are compared among features of models of one shape, encodings among features of one model."""
    readings = readings or {}
    rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in COLUMNS}
    metrics: dict[tuple[str, ...], Metric] = {}
    lines: list[str] = []
    own: dict[str, float | None] = {}
    for model, reading in readings.items():
        own |= _crossings([each for each in features if each.model == model], reading, rows)
    for group in of_one_shape(features):
        seeds = _Seeds(group)
        weights = Weights(seeds.flat)
        products = {side: weights.products(side) for side in SIDES}
        tops = {(side, top): weights.largest(side, top) for side in SIDES for top in settings.top}
        known = [readings[each.model].gradients.model for each in group if each.model in readings]
        place = _places(weights, known[0] if known else None)
        rows["pairs"] += _pairs(group, seeds, products, tops)
        rows["parts"] += _parts(group, seeds, products, place)
        rows["where"] += _where(group, seeds, products, tops["decoder", settings.top[0]], place, weights)
        rows["features"] += [
            (
                each.name,
                *each.classes,
                each.poles,
                each.null,
                each.model,
                len(each.seeds),
                each.seeds[0].scope.size,
                own.get(each.name),
            )
            for each in group
        ]
        found, said = _summary(group, rows, settings)
        metrics |= found
        lines += said
    tables = {name: Table(COLUMNS[name], tuple(own)) for name, own in rows.items() if own}
    return Report("comparison", metrics, tables, lines=tuple(lines))


COLUMNS = {
    "features": FEATURES, "pairs": PAIRS, "parts": PARTS, "where": WHERE, "crossing": CROSSING, "transitions": TRANSITIONS
}  # fmt: skip


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


def _cosines(products: Mapping[str, Tensor]) -> np.ndarray:
    """[K, K]; 0 for a feature that is nothing there."""
    whole = sum(products.values()).numpy()  # type: ignore[union-attr]
    lengths = np.sqrt(np.diag(whole))
    return whole / np.maximum(np.outer(lengths, lengths), 1e-300)


def _pairs(
    group: Sequence[Compared], seeds: _Seeds, products: Mapping[str, Mapping[str, Tensor]], tops: Mapping[tuple[str, float], Tops]
) -> Iterator[tuple[Any, ...]]:
    cosines = {side: _cosines(products[side]) for side in SIDES}
    overlaps = {key: (own.overlap, own.chance, own.chance_in_place) for key, own in tops.items()}
    for one, two in combinations_with_replacement(range(len(group)), 2):
        first, second = group[one], group[two]
        best, end = (seeds.of[one][0], seeds.of[two][0]), (first.poles and second.poles, first.model == second.model)
        for side in SIDES:
            yield first.name, second.name, side, "cosine", *seeds.between(cosines[side], one, two), 0.0, 0.0, None, *end
        for (side, top), (overlap, *chances) in overlaps.items():
            value = seeds.between(overlap, one, two)
            by_chance = (float(chance[best]) for chance in chances)
            yield first.name, second.name, side, overlap_of(top), *value, *by_chance, tops[side, top].p_value(*best), *end


def overlap_of(top: float) -> str:
    """The name of the measure."""
    return f"overlap {top}"


Place = tuple[int | None, str]


def _places(weights: Weights, model: nn.Module | None) -> dict[str, Place]:
    """Layer and component of each parameter; without a model what its name tells."""
    names = [part.name for part in weights.scope.slices]
    return {name: (layer_of(name), component_of(model, name) if model else "") for name in names}


def _by_place(products: Mapping[str, Tensor], place: Mapping[str, Place]) -> dict[Place, dict[str, Tensor]]:
    found: dict[Place, dict[str, Tensor]] = {}
    for name, own in products.items():
        found.setdefault(place[name], {})[name] = own
    return found


def _parts(
    group: Sequence[Compared], seeds: _Seeds, products: Mapping[str, Mapping[str, Tensor]], place: Mapping[str, Place]
) -> list[tuple[Any, ...]]:
    cosines = {side: {at: _cosines(own) for at, own in _by_place(products[side], place).items()} for side in SIDES}
    best = [own[0] for own in seeds.of]
    return [
        (
            group[one].name,
            group[two].name,
            *at,
            *(float(cosines[side][at][best[one], best[two]]) for side in SIDES),
        )
        for one, two in combinations(range(len(best)), 2)
        for at in cosines["decoder"]
    ]


def _where(
    group: Sequence[Compared], seeds: _Seeds, products: Mapping[str, Mapping[str, Tensor]], tops: Tops,
    place: Mapping[str, Place], weights: Weights,
) -> list[tuple[Any, ...]]:  # fmt: skip
    """For each feature the share of its squared length, and of its largest weights, that is in each place."""
    sizes = {part.name: part.size for part in weights.scope.slices}
    largest = dict(zip(tops.names, tops.by_parameter.T, strict=True))
    by_place = {side: _by_place(products[side], place) for side in SIDES}
    rows = []
    for each, (best, *_) in zip(group, seeds.of, strict=True):
        lengths = {side: sum(float(own[best, best]) for own in products[side].values()) or 1.0 for side in SIDES}
        for at, inside in by_place["decoder"].items():
            shares = [sum(float(own[best, best]) for own in by_place[side][at].values()) / lengths[side] for side in SIDES]
            top = sum(int(largest[name][best]) for name in inside) / tops.counts[best]
            rows.append((each.name, *at, sum(sizes[name] for name in inside), *shares, top))
    return rows


def _crossings(features: Sequence[Compared], reading: Reading, rows: dict[str, list[tuple[Any, ...]]]) -> dict[str, float | None]:
    """Every feature on every feature's test pairs, but not on those of shuffled classes; gives back how each tells its own."""
    seeds = _Seeds(features)
    values, own = encode_all(seeds.flat, reading.gradients, reading.examples), {}
    for other in features:
        places = list(reading.rows[other.name])
        pairs = [reading.examples.pairs[row] for row in places]
        moves: dict[tuple[str, str], list[int]] = {}
        for row, pair in zip(places, pairs, strict=True):
            moves.setdefault((pair.factual_class, pair.alternative_class), []).append(row)
        for each, numbers in zip(features, seeds.of, strict=True):
            found = [crossing(values[number][places], pairs, other.classes) for number in numbers]
            best = found[0]
            if each is other:
                own[each.name] = best.correlation
            if other.null:
                continue
            rows["crossing"].append((
                each.name, other.name, best.correlation, _spread([one.correlation for one in found]), best.first, best.second,
                best.oriented, _spread([one.oriented for one in found]), best.n,
            ))  # fmt: skip
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
    lines = [f"{len(names) - len(null)} features of {label}"]
    overlap = overlap_of(settings.top[0])
    for kind, nulls, what in (("features", 0, "two features"), ("nulls", 1, "a feature and one of shuffled classes")):
        found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
        for one, two, side, measure, value, _, _, chance, in_place, *_ in rows["pairs"]:
            if one in names and one != two and len({one, two} & null) == nulls:
                found.setdefault((side, measure), []).append((abs(value), chance, in_place))
        for (side, measure), values in found.items():
            for name, mean in zip(("value", "chance", "chance_in_place"), np.mean(values, axis=0), strict=True):
                metrics[label, kind, side, measure, name] = Metric(float(mean), len(values))
        if found:
            count = len(next(iter(found.values())))
            cosine = metrics[label, kind, "decoder", "cosine", "value"].value
            shared, *by = (
                metrics[label, kind, "decoder", overlap, name].value for name in ("value", "chance", "chance_in_place")
            )
            lines.append(
                f"{what}: |cosine| of decoders {cosine:.3f}; of the largest weights ({settings.top[0]}) they share {shared:.3f}, "
                f"by chance {by[0]:.3f}, by chance within the same parameters {by[1]:.3f} (means of {count})"
            )
    crossings = [row for row in rows["crossing"] if row[0] in names - null]
    for kind, some in (("own", [r for r in crossings if r[0] == r[1]]), ("others", [r for r in crossings if r[0] != r[1]])):
        if some:
            mean = float(np.mean([abs(row[CROSSING.index("oriented")]) for row in some]))
            metrics[label, kind, "oriented"] = Metric(mean, len(some))
            whose = "their own texts" if kind == "own" else "other features' texts"
            lines.append(f"encoders read {whose} by {mean:.3f} (half the difference of class means, without its sign)")
    return metrics, lines
