"""A feature paradigm: which words mean which class, and how texts become minimal pairs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from gradiend_core.records.pair import PairData


class Paradigm(Protocol):
    """Made by its factory from its configuration."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Every class of the paradigm."""

    def pairs(self, texts: Iterable[str], seed: int) -> PairData:
        """Minimal pairs for the configured classes, in three splits, with neutral text and the funnel.

        The same texts and seed give the same pairs. Raises DataError when a class would have no pairs.
        """
