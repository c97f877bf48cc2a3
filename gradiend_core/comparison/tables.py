"""What many features share in the weights, as rows of tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, combinations_with_replacement, product
from typing import Any

import numpy as np
from attrs import frozen
from torch import Tensor

from gradiend_core.comparison.weights import Tops
from gradiend_core.comparison.where import PLACE_COLUMNS, Place
from gradiend_core.records.feature import LearnedFeature

SIDES = ("decoder", "encoder")
#: combinations of features whose common weights are counted, the largest first
SHOWN = 64
FEATURES = ("feature", "first", "second", "poles", "null", "model", "seeds", "weights", "correlation")
WHERE = ("feature", *PLACE_COLUMNS)
#: weights that are among the largest of just these features, and of no other one of their shape
SETS = ("features", "number", "weights", "measure")
PARTS = ("one", "two", "layer", "component", "decoder_cosine", "encoder_cosine")
CROSSING = (
    "feature",
    "texts_of",
    "correlation",
    "correlation_std",
    "first",
    "second",
    "oriented",
    "oriented_std",
    "n",
)
TRANSITIONS = ("feature", "texts_of", "class", "alternative_class", "mean", "n")
#: `value` is of the best seeds, `mean` and `std` over all; `signed` where both have poles, so that the sign
#: means something
PAIRS = (
    "one",
    "two",
    "side",
    "measure",
    "value",
    "mean",
    "std",
    "chance",
    "chance_in_place",
    "p_value",
    "signed",
    "one_model",
)


@frozen(eq=False)
class Compared:
    """A feature to be compared: the one of each seed, the best first; its model; whether its first class is a
    positive pole, so that its sign means something beside others; and whether it was learned from shuffled
    classes."""

    name: str
    seeds: tuple[LearnedFeature, ...]
    model: str
    poles: bool = False
    null: bool = False

    @property
    def classes(self) -> tuple[str, str]:
        return self.seeds[0].classes

    def row(self, correlation: float | None) -> tuple[Any, ...]:
        """Of the table `features`, with the correlation on its own test pairs."""
        size = self.seeds[0].scope.size
        return self.name, *self.classes, self.poles, self.null, self.model, len(self.seeds), size, correlation


class Seeds:
    """All seeds of all features in a row, and what a number for every two of them is for every two
    features."""

    def __init__(self, features: Sequence[Compared]) -> None:
        self.flat = [seed for each in features for seed in each.seeds]
        ends = np.cumsum([len(each.seeds) for each in features])
        self.of = [list(range(end - len(each.seeds), end)) for each, end in zip(features, ends, strict=True)]

    def between(self, values: np.ndarray, one: int, two: int) -> tuple[float, float, float | None]:
        """That of the best seeds, and mean and spread over all; of a feature and itself over its different
        seeds."""
        pairs = [(a, b) for a, b in product(self.of[one], self.of[two]) if one != two or a < b]
        found = np.array([values[pair] for pair in pairs] or [values[self.of[one][0], self.of[two][0]]])
        spread = float(found.std(ddof=1)) if len(found) > 1 else None
        return float(values[self.of[one][0], self.of[two][0]]), float(found.mean()), spread


def _cosines(products: Mapping[str, Tensor]) -> np.ndarray:
    """[K, K]; 0 for a feature that is nothing there."""
    whole = sum(products.values()).numpy()  # type: ignore[union-attr]
    lengths = np.sqrt(np.diag(whole))
    return np.asarray(whole / np.maximum(np.outer(lengths, lengths), 1e-300))


def pairs(
    group: Sequence[Compared],
    seeds: Seeds,
    products: Mapping[str, Mapping[str, Tensor]],
    tops: Mapping[tuple[str, float], Tops],
) -> Iterator[tuple[Any, ...]]:
    cosines = {side: _cosines(products[side]) for side in SIDES}
    overlaps = {key: (own.overlap, own.chance, own.chance_in_place) for key, own in tops.items()}
    for one, two in combinations_with_replacement(range(len(group)), 2):
        first, second = group[one], group[two]
        best, end = (
            (seeds.of[one][0], seeds.of[two][0]),
            (first.poles and second.poles, first.model == second.model),
        )
        for side in SIDES:
            yield (
                first.name,
                second.name,
                side,
                "cosine",
                *seeds.between(cosines[side], one, two),
                0.0,
                0.0,
                None,
                *end,
            )
        for (side, top), (overlap, *chances) in overlaps.items():
            value = seeds.between(overlap, one, two)
            by_chance = (float(chance[best]) for chance in chances)
            yield (
                first.name,
                second.name,
                side,
                overlap_of(top),
                *value,
                *by_chance,
                tops[side, top].p_value(*best),
                *end,
            )


def overlap_of(top: float) -> str:
    """The name of the measure."""
    return f"overlap {top}"


def sets(group: Sequence[Compared], seeds: Seeds, tops: Tops, measure: str) -> Iterator[tuple[Any, ...]]:
    real = [number for number, each in enumerate(group) if not each.null]
    for combination, count in tops.patterns([seeds.of[number][0] for number in real])[:SHOWN]:
        yield ", ".join(group[real[place]].name for place in combination), len(combination), count, measure


def _by_place(products: Mapping[str, Tensor], place: Mapping[str, Place]) -> dict[Place, dict[str, Tensor]]:
    found: dict[Place, dict[str, Tensor]] = {}
    for name, own in products.items():
        found.setdefault(place[name], {})[name] = own
    return found


def parts(
    group: Sequence[Compared],
    seeds: Seeds,
    products: Mapping[str, Mapping[str, Tensor]],
    place: Mapping[str, Place],
) -> list[tuple[Any, ...]]:
    cosines = {
        side: {at: _cosines(own) for at, own in _by_place(products[side], place).items()} for side in SIDES
    }
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
