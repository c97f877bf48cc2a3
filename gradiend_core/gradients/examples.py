"""Subsets of prepared examples, without preparing anything again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import evolve, frozen

from gradiend_core.records.pair import MinimalPair
from gradiend_core.roles.source import Examples


@frozen(eq=False)
class Subset:
    """The given rows of other examples, in the given order, with their pairs."""

    whole: Examples
    chosen: tuple[int, ...]
    pairs: tuple[MinimalPair, ...]
    drops: tuple[()] = ()

    @property
    def lengths(self) -> tuple[int, ...]:
        return tuple(self.whole.lengths[row] for row in self.chosen)

    def batch(self, rows: Sequence[int], device: Any) -> Any:
        return self.whole.batch([self.chosen[row] for row in rows], device)


def subset(examples: Examples, rows: Sequence[int]) -> Examples:
    """These rows of the examples, as examples."""
    return Subset(examples, tuple(rows), tuple(examples.pairs[row] for row in rows))


def relabelled(examples: Examples, others: Sequence[MinimalPair]) -> Examples:
    """The same examples under the classes and grades of other pairs."""
    pairs = [
        evolve(
            pair,
            factual_class=other.factual_class,
            alternative_class=other.alternative_class,
            factual_grade=other.factual_grade,
            alternative_grade=other.alternative_grade,
        )
        for pair, other in zip(examples.pairs, others, strict=True)
    ]
    return Subset(examples, tuple(range(len(pairs))), tuple(pairs))


def origin(examples: Examples) -> tuple[Examples, list[int]]:
    """The examples that these are a subset of, through any number of subsets, and their rows there."""
    rows = list(range(len(examples.pairs)))
    while isinstance(examples, Subset):
        rows = [examples.chosen[row] for row in rows]
        examples = examples.whole
    return examples, rows
