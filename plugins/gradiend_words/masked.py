"""Rows that are masked already, such as those of a published data set, or the pairs.jsonl of `gradiend
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
        """Each row as the text that it was before it was masked; its slot is the span."""
        config = self.config
        for text in task.texts:
            parts = text.text.split(config.mask)
            if text.row is None or len(parts) != 2:
                yield evolve(text, span=None)
            else:
                factual = column(text, config.factual, "factual")
                start = len(parts[0])
                yield evolve(text, text=parts[0] + factual + parts[1], span=(start, start + len(factual)))
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
            for part in name.split("+"):
                if part not in known:
                    raise DataError(
                        f"no row has the class {part!r} (found: {', '.join(known) or 'none'}); set"
                        " paradigm.factual_class"
                    )
        if len(known) < 2:
            raise DataError(
                f"masked rows of two classes are needed, but there is only {', '.join(known) or 'none'}"
            )
        return choose_classes(self.config.classes, self.config.transitions, known, "masked")

    def wants_tags(self, text: Text) -> bool:
        return False

    def may_be(self, text: str) -> bool:
        return any(text.casefold() in words for words in self._words.values())

    def listed(self, part: str) -> tuple[str, ...]:
        return ()

    def aligned(self) -> bool:
        return False

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
        part = column(text, config.factual_class, "factual_class") if config.factual_class else word
        alternative = column(text, config.alternative, "alternative") if config.alternative else ""
        other = (
            column(text, config.alternative_class, "alternative_class") if config.alternative_class else ""
        )
        left, right = text.text[:start], text.text[end:]
        found = Slot(
            left, factual, right, word, part, text.unit, text.document, text.split, alternative, other
        )
        if part in (NEUTRAL, other):
            return Finding(neutral_slot=found)
        self._words.setdefault(part, set()).add(word)
        return Finding((found,))

    def alternatives(
        self, candidate: Slot, classes: Classes, forms: Mapping[str, list[str]]
    ) -> dict[str, list[str]]:
        """The fillers of the other classes; or the one that the row gives, under the class that it gives or
        that has this filler."""
        allowed = classes.others(candidate.part)
        if not candidate.alternative:
            return {
                name: words
                for name, parts in allowed.items()
                if (words := [w for part in parts for w in forms.get(part, ())])
            }
        wanted = candidate.alternative.casefold()
        for name, parts in allowed.items():
            if candidate.alternative_class in parts or any(
                wanted in self._words.get(part, ()) for part in parts
            ):
                return {name: [candidate.alternative]}
        only = len(allowed) == 1 and not candidate.alternative_class
        return {next(iter(allowed)): [candidate.alternative]} if only else {}


def column(text: Text, name: str, setting: str) -> str:
    """The word in a column of a row; raises DataError, with the setting that names it, if there is none."""
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
