"""Minimal pairs, and the data that a paradigm makes of texts."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping

from attrs import asdict, frozen

from gradiend_core.records.funnel import Funnel

SPLITS = ("train", "validation", "test")
#: The class of a slot that has nothing to do with the feature.
NEUTRAL = "neutral"


@frozen
class MinimalPair:
    """A text with one slot, the filler that it has (factual), and one of another class (alternative).

    `left + factual + right` is the original text, to the letter. In a neutral pair both fillers are the original
    word and both classes are "neutral".
    """

    left: str
    right: str
    factual: str
    alternative: str
    factual_class: str
    alternative_class: str
    split: str

    @property
    def text(self) -> str:
        """The original text."""
        return self.left + self.factual + self.right


@frozen
class PairData:
    """What a paradigm makes of texts: pairs in three splits, neutral text, and what was dropped on the way.

    `classes` are the two poles, the first encodes to +1; `words` has the target words of each.
    """

    classes: tuple[str, str]
    words: Mapping[str, tuple[str, ...]]
    pairs: tuple[MinimalPair, ...]
    neutral_pairs: tuple[MinimalPair, ...]
    neutral_texts: tuple[str, ...]
    funnel: Funnel

    def split(self, name: str) -> tuple[MinimalPair, ...]:
        return tuple(pair for pair in self.pairs if pair.split == name)

    def counts(self) -> Counter[tuple[str, str]]:
        """Number of pairs by (split, factual class)."""
        return Counter((pair.split, pair.factual_class) for pair in self.pairs)

    def fingerprint(self) -> str:
        """A hash of everything that reaches the model."""
        content = [asdict(pair) for pair in self.pairs + self.neutral_pairs] + list(self.neutral_texts)
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:16]
