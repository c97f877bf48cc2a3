"""Minimal pairs, and the data that a paradigm makes of texts."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from attrs import asdict, field, frozen

from gradiend_core.errors import DataError
from gradiend_core.records.card import card, html_table
from gradiend_core.records.funnel import Funnel

SPLITS = ("train", "validation", "test")
#: The class of a slot that has nothing to do with the feature.
NEUTRAL = "neutral"
#: The class of such a slot in a text that has the feature elsewhere.
NEUTRAL_SLOT = "neutral slot"
#: As the second class of an axis: every class but the first.
OTHERS = "others"


@frozen
class MinimalPair:
    """A text with one slot, the filler that it has (factual), and one of another class (alternative).

    `document` is what it is from, where that is known. `left + factual + right` is the original text, to the
    letter. In a neutral pair both fillers are the original word, and both classes the same: "neutral" in a
    neutral text, "neutral slot" in a text that has the feature elsewhere, or a class of the paradigm that is
    not told apart.

    Where a class is made of several ("1SG+3SG"), `factual_subclass` and `alternative_subclass` say of which
    of them the fillers are; elsewhere, and where a filler is of several, they are empty."""

    left: str
    right: str
    factual: str
    alternative: str
    factual_class: str
    alternative_class: str
    split: str
    document: str = ""
    factual_subclass: str = ""
    alternative_subclass: str = ""

    @property
    def transition(self) -> tuple[str, str]:
        """The classes of both fillers, before any were put together."""
        return (
            self.factual_subclass or self.factual_class,
            self.alternative_subclass or self.alternative_class,
        )

    @property
    def text(self) -> str:
        """The original text."""
        return self.left + self.factual + self.right


def code_of(pair: MinimalPair, axis: tuple[str, str]) -> float:
    """The code that a pair should have: +1 where its factual class is the first of an axis, −1 where it is
    the second, else 0.

    Against all others, −1 is a pair in which the first class is the alternative; a pair of two others says
    nothing of the axis.
    """
    first, second = axis
    if pair.factual_class == first != pair.alternative_class:
        return 1.0
    if second == OTHERS:
        return -1.0 if pair.alternative_class == first != pair.factual_class else 0.0
    return -1.0 if pair.factual_class == second else 0.0


def check_class_names(classes: Sequence[str]) -> None:
    """Raises DataError for a name that cannot be part of a file's name: files of a feature are named after
    its classes."""
    for name in classes:
        if not re.fullmatch(r'(?!\.)[^\x00-\x1f\x7f/\\:*?"<>|]{1,60}', name):
            raise DataError(
                f"the class {name!r:.80} cannot name a file; give it at most 60 characters, none of / \\ : *"
                ' ? " < > |, and no dot at the beginning'
            )


def axes_of(classes: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """What there is to learn of some classes: two from each other, of more each from all others."""
    if len(classes) == 2:
        return ((classes[0], classes[1]),)
    return tuple((name, OTHERS) for name in classes)


def word_pairs(words: Mapping[str, Sequence[str]], axis: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """The pairs of aligned words by class that tell an axis: the n-th of its first class and the n-th of its
    second, or, of all others, the n-th of any; without those that are equal or missing on one side."""
    first, second = axis
    others = [name for name in words if name != first] if second == OTHERS else [second]
    pairs = [
        (one, two)
        for name in others
        for one, two in zip(words.get(first, ()), words.get(name, ()), strict=False)
    ]
    return tuple(dict.fromkeys((one, two) for one, two in pairs if one and two and one != two))


#: words of a class that a sentence names
SHOWN = 4


@frozen(repr=False)
class PairData:
    """What a paradigm makes of texts: pairs in three splits, neutral text, and what was dropped on the way.

    Of two classes the first encodes to +1 and the second to −1; of more, each is told from all others.
    `words` has the target words of each; with `drop_multi_token_words`, one that a tokenizer splits is left
    out, and is no error. `related` has words that tell the same classes apart and are not learned from,
    the n-th of a class beside the n-th of another.
    """

    classes: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]]
    pairs: tuple[MinimalPair, ...]
    neutral_pairs: tuple[MinimalPair, ...]
    neutral_texts: tuple[str, ...]
    funnel: Funnel
    drop_multi_token_words: bool = False
    related: Mapping[str, tuple[str, ...]] = field(factory=dict)

    def __repr__(self) -> str:
        return (
            f"<PairData {' against '.join(self.classes)}: {len(self.pairs):,} pairs,"
            f" {len(self.neutral_pairs):,} neutral ones, {len(self.neutral_texts):,} neutral texts>"
        )

    def _repr_html_(self) -> str:
        counts = sorted(self.counts().items())
        rows = [(self.described(name), split, count) for (split, name), count in counts]
        return card(repr(self).strip("<>"), (), html_table(("class", "split", "pairs"), rows))

    @property
    def axes(self) -> tuple[tuple[str, str], ...]:
        """What there is to learn, as (class that encodes to +1, class that encodes to −1)."""
        return axes_of(self.classes)

    def described(self, name: str) -> str:
        """A class with its words: "3SG (he, she, it)"."""
        words = self.words.get(name, ())
        shown = ", ".join(words[:SHOWN]) + (", …" if len(words) > SHOWN else "")
        return name if words in ((), (name,)) else f"{name} ({shown})"

    def split(self, name: str) -> tuple[MinimalPair, ...]:
        return tuple(pair for pair in self.pairs if pair.split == name)

    def counts(self) -> Counter[tuple[str, str]]:
        """Number of pairs by (split, factual class)."""
        return Counter((pair.split, pair.factual_class) for pair in self.pairs)

    def fingerprint(self) -> str:
        """A hash of everything that reaches the model."""
        content = [asdict(pair) for pair in self.pairs + self.neutral_pairs] + list(self.neutral_texts)
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:16]
