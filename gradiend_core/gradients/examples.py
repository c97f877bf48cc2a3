"""A part of some examples, without preparing anything again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen

from gradiend_core.records.pair import MinimalPair
from gradiend_core.roles.source import Examples


@frozen(eq=False)
class Subset:
    """The given rows of other examples, in the given order."""

    whole: Examples
    chosen: tuple[int, ...]
    drops: tuple[()] = ()

    @property
    def pairs(self) -> tuple[MinimalPair, ...]:
        return tuple(self.whole.pairs[row] for row in self.chosen)

    @property
    def lengths(self) -> tuple[int, ...]:
        return tuple(self.whole.lengths[row] for row in self.chosen)

    def batch(self, rows: Sequence[int], device: Any) -> Any:
        return self.whole.batch([self.chosen[row] for row in rows], device)


def subset(examples: Examples, rows: Sequence[int]) -> Examples:
    """These rows of the examples, as examples."""
    return Subset(examples, tuple(rows))
