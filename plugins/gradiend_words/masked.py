"""Rows that are already masked, such as those of a published data set, or the pairs.jsonl of `gradiend
data`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import evolve, field, mutable

from gradiend_core.api import (
    NEUTRAL,
    Classes,
    DataError,
    Finding,
    PairData,
    PairingTask,
    Slot,
    Text,
    choose_classes,
    make_pairs,
    read_texts,
)
from gradiend_words import MaskedSettings


class MaskedParadigm:
    """The classes that the rows name."""

    def __init__(self, config: MaskedSettings) -> None:
        self.config = config
        self.classes = config.classes

    def pairs(self, task: PairingTask) -> PairData:
        """A pair from each row with a mask."""
        return make_pairs(evolve(task, texts=self._texts(task)), MaskedFinder(self.config))

    def _texts(self, task: PairingTask) -> Iterator[Text]:
        """Each row as the text that it was before masking; its slot is the span."""
        config = self.config
        for text in task.texts:
            halves = text.text.split(config.mask)
            if text.row is None or len(halves) != 2:
                yield evolve(text, span=None)
            else:
                factual = column(text, config.factual, "factual")
                start = len(halves[0])
                yield evolve(text, text=halves[0] + factual + halves[1], span=(start, start + len(factual)))
        if config.neutral:
            settings = evolve(
                task.settings,
                text_column=config.neutral_column,
                document_column="",
                split_column="",
                max_texts=0,
            )
            yield from (evolve(text, row=None, span=None) for text in read_texts(config.neutral, settings))


@mutable
class MaskedFinder:
    """Finds the mask."""

    config: MaskedSettings
    _words: dict[str, set[str]] = field(factory=dict, init=False)

    def classes(self) -> Classes:
        known = sorted(self._words)
        for name in self.config.classes:
            for rule_class in [name] if name in known else name.split("+"):
                if rule_class not in known:
                    raise DataError(
                        f"no row has the class {rule_class!r} (found: {', '.join(known) or 'none'}); set"
                        " paradigm.factual_class"
                    )
        if len(known) < 2:
            raise DataError(
                f"masked rows of two classes are needed, but there is only {', '.join(known) or 'none'}"
            )
        grades = self.config.grades
        return choose_classes(self.config.classes, self.config.transitions, known, "masked", grades=grades)

    def wants_tags(self, text: Text) -> bool:
        return False

    def may_be(self, text: str) -> bool:
        return any(text.casefold() in words for words in self._words.values())

    def listed(self, rule_class: str) -> tuple[str, ...]:
        return ()

    def aligned(self) -> bool:
        return False

    def related(self, rule_class: str) -> tuple[str, ...]:
        return ()

    def key(self, word: str) -> str:
        return word.casefold()

    def drops_multi_token_words(self) -> bool:
        return True

    def find(self, text: Text) -> Finding:
        config = self.config
        if text.row is None:
            return Finding(neutral=True)
        if text.span is None:
            return Finding(problem=f"not one {config.mask} in the text")
        start, end = text.span
        factual = text.text[start:end]
        word = factual.casefold()
        rule_class = column(text, config.factual_class, "factual_class") if config.factual_class else word
        alternative = column(text, config.alternative, "alternative") if config.alternative else ""
        other = (
            column(text, config.alternative_class, "alternative_class") if config.alternative_class else ""
        )
        left, right = text.text[:start], text.text[end:]
        slot = Slot(
            left, factual, right, word, rule_class, text.unit, text.document, text.split, alternative, other
        )
        if rule_class in (NEUTRAL, other):
            return Finding(neutral_slot=slot)
        self._words.setdefault(rule_class, set()).add(word)
        return Finding((slot,))

    def alternatives(
        self, candidate: Slot, classes: Classes, forms: Mapping[str, list[str]]
    ) -> dict[str, list[str]]:
        """The fillers of the other classes; or the one that the row gives, with the class that it gives or
        that has this filler."""
        allowed = classes.others(candidate.rule_class)
        if not candidate.alternative:
            return {
                name: words
                for name, rule_classes in allowed.items()
                if (words := [w for rule_class in rule_classes for w in forms.get(rule_class, ())])
            }
        wanted = candidate.alternative.casefold()
        for name, rule_classes in allowed.items():
            if candidate.alternative_class in rule_classes or any(
                wanted in self._words.get(rule_class, ()) for rule_class in rule_classes
            ):
                return {name: [candidate.alternative]}
        only = len(allowed) == 1 and not candidate.alternative_class
        return {next(iter(allowed)): [candidate.alternative]} if only else {}


def column(text: Text, name: str, setting: str) -> str:
    """The word in a column of a row. Raises DataError, with the setting that names the column, if there is
    none."""
    row = text.row or {}
    if name not in row:
        raise DataError(
            f"masked rows have no column {name!r} (columns: {', '.join(row)}); set paradigm.{setting}"
        )
    if not isinstance(row[name], str) or not row[name]:
        raise DataError(
            f"the row {text.text[:60]!r} has {row[name]!r} as {name!r}, not a word; set paradigm.{setting}"
        )
    return str(row[name])
