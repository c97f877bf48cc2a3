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
    """Everything that a paradigm may use."""

    #: the texts, which can be read once
    texts: Iterable[Text]
    #: the settings of `[data]`
    settings: DataSettings
    #: the random seed, which all random choices follow from
    seed: int
    #: whether pairs are divided into splits; otherwise all are test pairs, and no class is required
    divided: bool = True


class Paradigm(Protocol):
    """Makes minimal pairs from texts. Built by its factory from its configuration, whose `classes` are the
    classes to tell apart; empty means all."""

    def pairs(self, task: PairingTask) -> PairData:
        """Minimal pairs of the configured classes in three splits, with neutral text and the funnel. Equal
        texts, settings and seeds give equal pairs. Raises DataError where a class would have no pairs."""
