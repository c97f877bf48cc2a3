"""A feature paradigm: which words mean which class, and how texts become minimal pairs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from attrs import frozen

from gradiend_core.records.pair import PairData
from gradiend_core.records.run import DataSettings
from gradiend_core.records.text import Text


@frozen(eq=False)
class PairingTask:
    """Everything that a paradigm may use. `texts` can be read once; every draw follows from `seed`. Pairs
    that are not `divided` are not learned from: all are test pairs, and no class has to be there."""

    texts: Iterable[Text]
    settings: DataSettings
    seed: int
    divided: bool = True


class Paradigm(Protocol):
    """Made by its factory from its configuration, which has `classes`, the classes that are told apart; empty
    means all."""

    def pairs(self, task: PairingTask) -> PairData:
        """Minimal pairs for the configured classes, in three splits, with neutral text and the funnel.

        Equal texts, settings and seeds give equal pairs. Raises DataError when a class would have no pairs.
        """
