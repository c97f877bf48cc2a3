"""What many features have in common in the weights, as rows of tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations, combinations_with_replacement, product

import numpy as np
from attrs import evolve, field, frozen
from torch import Tensor

from gradiend_core.comparison.measures import MASS, Measured
from gradiend_core.comparison.weights import Tops, cosines_of
from gradiend_core.comparison.where import Location
from gradiend_core.records.feature import LearnedFeature

SIDES = ("decoder", "encoder")
#: combinations of features whose common weights are counted, the largest first
SHOWN = 64
OVERLAP = "overlap"


@frozen
class FeatureRow:
    """A feature: its classes, whether they are poles, whether the classes were shuffled, its model, its
    seeds, the number of weights in scope, and the correlation on its own test pairs."""

    feature: str
    first: str
    second: str
    poles: bool
    null: bool
    model: str
    seeds: int
    weights: int
    correlation: float | None


@frozen
class PairRow:
    """One measure of two features: `value` for the best seeds, `mean` and `std` over all seeds, and what
    chance gives. `signed` where both features have poles, so that the sign has a meaning.

    `p_value` is how often two features of shuffled classes share as much; `adjusted_p_value` corrects it over
    all pairs of features (Benjamini and Hochberg). Both are None without such features."""

    one: str
    two: str
    side: str
    measure: str
    value: float
    mean: float
    std: float | None
    chance: float
    chance_in_place: float
    p_value: float | None
    adjusted_p_value: float | None
    signed: bool
    one_model: bool


@frozen
class SetRow:
    """Weights among the largest of exactly these features and of no other feature of their shape."""

    features: str
    number: int
    weights: int
    measure: str


@frozen
class LocationPairRow:
    """The cosines of two features at one location of the model."""

    one: str
    two: str
    layer: int | None
    component: str
    decoder_cosine: float
    encoder_cosine: float


@frozen
class FeatureLocationRow:
    """Like `where.LocationRow`, for one feature."""

    feature: str
    layer: int | None
    component: str
    weights: int
    share_of_weights: float
    share_of_decoder: float
    share_of_encoder: float | None
    share_of_largest: float
    share_of_ordinary: float | None


@frozen
class CrossingRow:
    """What a feature reads in the test pairs of another: the correlation with its classes, the mean encoding
    of each class, half of their difference, and `std` over the seeds."""

    feature: str
    texts_of: str
    correlation: float | None
    correlation_std: float | None
    first: float
    second: float
    oriented: float
    oriented_std: float | None
    n: int


@frozen
class CrossedTransitionRow:
    """The mean encoding of the pairs of one transition between classes."""

    feature: str
    texts_of: str
    factual_class: str = field(metadata={"column": "class"})
    alternative_class: str
    mean: float
    n: int


@frozen(eq=False)
class Compared:
    """A feature in a comparison."""

    name: str
    #: what each random seed gave, the best first
    seeds: tuple[LearnedFeature, ...]
    model: str
    #: whether its first class is a positive pole, so that its sign means something beside others
    poles: bool = False
    #: whether it was learned from shuffled classes
    null: bool = False

    @property
    def classes(self) -> tuple[str, str]:
        return self.seeds[0].classes

    def row(self, correlation: float | None) -> FeatureRow:
        """The feature with the correlation on its own test pairs."""
        size = self.seeds[0].scope.size
        return FeatureRow(
            self.name, *self.classes, self.poles, self.null, self.model, len(self.seeds), size, correlation
        )


class Seeds:
    """All seeds of all features in one list. Turns a number for every two seeds into one for every two
    features."""

    def __init__(self, features: Sequence[Compared]) -> None:
        self.flat = [seed for feature in features for seed in feature.seeds]
        ends = np.cumsum([len(feature.seeds) for feature in features])
        self.of = [
            list(range(end - len(feature.seeds), end)) for feature, end in zip(features, ends, strict=True)
        ]

    def between(self, values: np.ndarray, one: int, two: int) -> tuple[float, float, float | None]:
        """The value for the best seeds, and mean and standard deviation over all seeds; for a feature and
        itself, over its different seeds."""
        pairs = [(a, b) for a, b in product(self.of[one], self.of[two]) if one != two or a < b]
        best = values[self.of[one][0], self.of[two][0]]
        every = np.array([values[pair] for pair in pairs] or [best])
        spread = float(every.std(ddof=1)) if len(every) > 1 else None
        return float(best), float(every.mean()), spread


def pairs(
    group: Sequence[Compared],
    seeds: Seeds,
    products: Mapping[str, Mapping[str, Tensor]],
    tops: Mapping[tuple[str, float], Tops],
    further: Mapping[tuple[str, str], Measured],
) -> Iterator[PairRow]:
    """All measures of every two features, and of each with itself over its seeds."""
    cosines = {side: cosines_of(products[side].values()) for side in SIDES}
    measures = {
        (side, overlap_of(top)): Measured(of_top.overlap, of_top.chance, of_top.chance_in_place)
        for (side, top), of_top in tops.items()
    } | dict(further)
    for one, two in combinations_with_replacement(range(len(group)), 2):
        first, second = group[one], group[two]
        best = seeds.of[one][0], seeds.of[two][0]
        about = first.poles and second.poles, first.model == second.model
        names = first.name, second.name
        for side in SIDES:
            value, mean, std = seeds.between(cosines[side], one, two)
            yield PairRow(*names, side, "cosine", value, mean, std, 0.0, 0.0, None, None, *about)
        for (side, measure), measured in measures.items():
            value, mean, std = seeds.between(measured.value, one, two)
            by_chance, in_place = float(measured.chance[best]), float(measured.chance_in_place[best])
            yield PairRow(*names, side, measure, value, mean, std, by_chance, in_place, None, None, *about)


def against_nulls(rows: Sequence[PairRow], nulls: Collection[str]) -> list[PairRow]:
    """Overlaps, of mass too, with their p-values: the rank of an overlap among those of pairs of features of
    shuffled classes, the pair itself included. A pair of shuffled features is ranked among the others. The
    correction is over the pairs of real features of one measure."""
    from scipy.stats import false_discovery_control

    def key(row: PairRow) -> tuple[str, str]:
        return row.side, row.measure

    def is_null(row: PairRow) -> bool:
        return row.one in nulls and row.two in nulls

    counted = [row for row in rows if row.measure.startswith((OVERLAP, MASS)) and row.one != row.two]
    p_values: dict[int, float] = {}
    adjusted: dict[int, float] = {}
    for measured in dict.fromkeys(map(key, counted)):
        same = [row for row in counted if key(row) == measured]
        null_values = np.array([row.value for row in same if is_null(row)])
        for row in same if len(null_values) > 1 else ():
            others = len(null_values) - is_null(row)
            reached = int((null_values >= row.value).sum()) - is_null(row)
            p_values[id(row)] = (1 + reached) / (1 + others)
        real = [row for row in same if id(row) in p_values and not {row.one, row.two} & set(nulls)]
        if real:
            corrected = false_discovery_control([p_values[id(row)] for row in real])
            adjusted |= {id(row): float(value) for row, value in zip(real, corrected, strict=True)}
    return [
        evolve(row, p_value=p_values.get(id(row)), adjusted_p_value=adjusted.get(id(row))) for row in rows
    ]


def overlap_of(top: float) -> str:
    """The name of the measure."""
    return f"{OVERLAP} {top}"


def sets(group: Sequence[Compared], seeds: Seeds, tops: Tops, measure: str) -> Iterator[SetRow]:
    """How many of the largest weights exactly these features share; features of shuffled classes are left
    out."""
    real = [number for number, feature in enumerate(group) if not feature.null]
    for combination, count in tops.patterns([seeds.of[number][0] for number in real])[:SHOWN]:
        names = ", ".join(group[real[position]].name for position in combination)
        yield SetRow(names, len(combination), count, measure)


def location_pairs(
    group: Sequence[Compared],
    seeds: Seeds,
    products: Mapping[str, Mapping[str, Tensor]],
    location_of: Mapping[str, Location],
) -> Iterator[LocationPairRow]:
    """Cosines of every two features at every location."""
    by_location: dict[str, dict[Location, dict[str, Tensor]]] = {side: {} for side in SIDES}
    for side in SIDES:
        for name, product_of_all in products[side].items():
            by_location[side].setdefault(location_of[name], {})[name] = product_of_all
    cosines = {
        side: {location: cosines_of(there.values()) for location, there in by_location[side].items()}
        for side in SIDES
    }
    best = [numbers[0] for numbers in seeds.of]
    for one, two in combinations(range(len(best)), 2):
        for location in cosines["decoder"]:
            decoder, encoder = (float(cosines[side][location][best[one], best[two]]) for side in SIDES)
            names = group[one].name, group[two].name
            yield LocationPairRow(*names, location.layer, location.component, decoder, encoder)
