"""Minimal pairs, and the data that a paradigm makes from texts."""

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
from gradiend_core.records.gradient_role import GradientRole

#: The names of the splits.
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
    `document` is the document that it comes from, if known. `left + factual + right` is the original text, to
    the letter.

    In a neutral pair both fillers are the original word, and both classes are equal: "neutral" in a neutral
    text, "neutral slot" in a text that has the feature elsewhere, or a class of the paradigm that is not
    among those compared. Where a class is merged from several ("1SG+3SG"), `factual_subclass` and
    `alternative_subclass` tell which of them the fillers belong to; otherwise, and for a filler of several of
    them, they are empty. Where the classes are degrees of one feature, `factual_grade` and
    `alternative_grade` are those of both, from −1 to +1."""

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
    factual_grade: float | None = None
    alternative_grade: float | None = None

    @property
    def transition(self) -> tuple[str, str]:
        """The classes of both fillers, before classes were merged."""
        return (
            self.factual_subclass or self.factual_class,
            self.alternative_subclass or self.alternative_class,
        )

    @property
    def text(self) -> str:
        """The original text."""
        return self.left + self.factual + self.right


def code_of(pair: MinimalPair, axis: tuple[str, str], role: GradientRole = GradientRole.FACTUAL) -> float:
    """The expected code of a pair: +1 if its factual class is the first of an axis, −1 if it is the second,
    else 0. Where the second is "all others", −1 is a pair whose alternative is the first class; a pair
    between two others says nothing about the axis.

    Where the classes are degrees, the code also depends on the gradient that is encoded: the degree of the
    factual word for factual gradients, minus that of the alternative word for alternative ones, and for
    differences of both the mean of these two. For two classes all three are the same."""
    first, second = axis
    if pair.factual_grade is not None and pair.alternative_grade is not None:
        factual, alternative = role.degree_weights
        return factual * pair.factual_grade + alternative * pair.alternative_grade
    if pair.factual_class == first != pair.alternative_class:
        return 1.0
    if second == OTHERS:
        return -1.0 if pair.alternative_class == first != pair.factual_class else 0.0
    return -1.0 if pair.factual_class == second else 0.0


def is_on_axis(pair: MinimalPair, axis: tuple[str, str]) -> bool:
    """Whether a pair has one of the classes of an axis, or a degree between them. Neutral pairs and those of
    other classes are not on it, and their code is 0."""
    return pair.factual_grade is not None or code_of(pair, axis) != 0


def check_class_names(classes: Sequence[str]) -> None:
    """Raises DataError for a class name that cannot be part of a file name, as the files of a feature are
    named after its classes."""
    for name in classes:
        if not re.fullmatch(r'(?!\.)[^\x00-\x1f\x7f/\\:*?"<>|]{1,60}', name):
            raise DataError(
                f"the class {name!r:.80} cannot name a file; give it at most 60 characters, none of / \\ : *"
                ' ? " < > |, and no dot at the beginning'
            )


def axes_of(classes: Sequence[str], grades: Mapping[str, float] | None = None) -> tuple[tuple[str, str], ...]:
    """The axes to learn: of two classes one, of more one for each class against all others; where the classes
    are degrees of one feature, one from the highest to the lowest."""
    if grades:
        return ((max(classes, key=grades.__getitem__), min(classes, key=grades.__getitem__)),)
    if len(classes) == 2:
        return ((classes[0], classes[1]),)
    return tuple((name, OTHERS) for name in classes)


def word_pairs(words: Mapping[str, Sequence[str]], axis: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """The pairs of aligned words of an axis: the n-th of its first class with the n-th of its second or, for
    "all others", with the n-th of any other class. Pairs that are equal or lack a word are left out."""
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
    """The data that a paradigm makes from texts: pairs in three splits, neutral text, and what was dropped.

    Of two classes the first encodes to +1 and the second to −1; of more, each is told from all others. Where
    they are degrees of one feature, `grades` has the code of each, from −1 to +1.
    `words` has the target words of each class. With `drop_multi_token_words` a word of several tokens is left
    out instead of being an error. `related` has words of the same classes that are kept out of learning,
    aligned: the n-th of one class belongs to the n-th of another."""

    classes: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]]
    pairs: tuple[MinimalPair, ...]
    neutral_pairs: tuple[MinimalPair, ...]
    neutral_texts: tuple[str, ...]
    funnel: Funnel
    drop_multi_token_words: bool = False
    related: Mapping[str, tuple[str, ...]] = field(factory=dict)
    grades: Mapping[str, float] = field(factory=dict)

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
        """What to learn, as (class that encodes to +1, class that encodes to −1)."""
        return axes_of(self.classes, self.grades)

    def described(self, name: str) -> str:
        """A class with its words: "3SG (he, she, it)"."""
        words = self.words.get(name, ())
        shown = ", ".join(words[:SHOWN]) + (", …" if len(words) > SHOWN else "")
        return name if words in ((), (name,)) else f"{name} ({shown})"

    def split(self, name: str) -> tuple[MinimalPair, ...]:
        return tuple(pair for pair in self.pairs if pair.split == name)

    def counts(self) -> Counter[tuple[str, str]]:
        """The number of pairs by (split, factual class)."""
        return Counter((pair.split, pair.factual_class) for pair in self.pairs)

    def fingerprint(self) -> str:
        """A hash of everything that reaches the model."""
        content = [asdict(pair) for pair in self.pairs + self.neutral_pairs] + list(self.neutral_texts)
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:16]
