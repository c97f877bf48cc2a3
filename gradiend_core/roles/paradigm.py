"""Feature paradigms: which words belong to which class, and how texts become minimal pairs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from attrs import frozen

from gradiend_core.records.pair import PairData
from gradiend_core.records.run import DataSettings
from gradiend_core.records.text import Text


@frozen(eq=False)
class PairingTask:
    """Everything that a paradigm may use. `texts` can be read once; all random choices follow from `seed`.
    Pairs that are not `divided` are not for learning: all are test pairs, and no class is required."""

    texts: Iterable[Text]
    settings: DataSettings
    seed: int
    divided: bool = True


class Paradigm(Protocol):
    """Built by its factory from its configuration, whose `classes` are the classes to tell apart; empty means
    all."""

    def pairs(self, task: PairingTask) -> PairData:
        """Minimal pairs of the configured classes in three splits, with neutral text and the funnel. Equal
        texts, settings and seeds give equal pairs. Raises DataError where a class would have no pairs."""
