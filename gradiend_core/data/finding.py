"""Where the words of the rules occur in a text."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import regex
from attrs import field, frozen

from gradiend_core.data.boundaries import not_alone, word_pattern
from gradiend_core.data.rules import Classes, Rules, alternatives, folded
from gradiend_core.errors import DataError
from gradiend_core.records.text import Text, Token

NEXT_WORD = regex.compile(r"\s+(\w+)")


@frozen
class Slot:
    """A slot in a text, which is `left + surface + right`. `word` is the surface as its class lists it,
    `part` the class of the rules that it belongs to. `alternative` and its class are empty unless the data
    gives them."""

    left: str
    surface: str
    right: str
    word: str
    rule_class: str
    unit: int = 0
    document: str = ""
    split: str = ""
    alternative: str = ""
    alternative_class: str = ""


@frozen
class Finding:
    """What a text holds: slots, or neutral text, or neither, with the reason."""

    #: slots of the classes
    candidates: tuple[Slot, ...] = ()
    #: slots of the paradigm's other classes
    others: tuple[Slot, ...] = ()
    #: the slot of a text of which the data says that it is neutral
    neutral_slot: Slot | None = None
    #: whether there is no slot and the text is neutral
    neutral: bool = False
    #: why there is nothing, and the classes of which a word was there
    problem: str = ""
    rule_classes: tuple[str, ...] = ()
    take_all: bool = False  # candidates are texts of their own, and not slots of one of which one is drawn


NEUTRAL_TEXT = Finding(neutral=True)
#: why the word between two positions of a text may be none of its class, empty where there is no doubt
Doubt = Callable[[Text, int, int], str]


class Finder(Protocol):
    """Finds slots, and knows which words may fill them."""

    def classes(self) -> Classes:
        """The classes, known once every text was read."""

    def find(self, text: Text) -> Finding: ...

    def wants_tags(self, text: Text) -> bool:
        """Whether tags could matter for this text."""

    def may_be(self, text: str) -> bool:
        """Whether a word has anything to do with the feature."""

    def alternatives(
        self, candidate: Slot, classes: Classes, forms: Mapping[str, list[str]]
    ) -> dict[str, list[str]]:
        """The words of each other class that may fill a slot."""

    def key(self, word: str) -> str:
        """A key that is the same for all forms of a word that count as one."""

    def drops_multi_token_words(self) -> bool:
        """Whether a word that the tokenizer splits may be left out."""

    def listed(self, rule_class: str) -> tuple[str, ...]:
        """The words of a part that is given by words."""

    def aligned(self) -> bool: ...

    def related(self, rule_class: str) -> tuple[str, ...]:
        """Words of a class of the rules that are kept out of learning, aligned with those of the other
        classes."""


@frozen
class RulesFinder:
    """Finds the words of `rules`; `chosen` says which of their classes are told apart. With a `doubt`, tags
    decide only where a text has them, and the doubt decides elsewhere."""

    rules: Rules
    chosen: Classes
    doubt: Doubt | None = None
    _pattern: Any = field(init=False)
    _classes_of_word: dict[str, tuple[str, ...]] = field(init=False)
    _spelling: dict[tuple[str, str], str] = field(init=False)
    _lemmas: dict[str, tuple[str, ...]] = field(init=False)
    _before: dict[str, frozenset[str]] = field(init=False)

    @_pattern.default
    def _make_pattern(self) -> Any:
        rules = self.rules
        words = {word for listed in rules.words.values() for word in listed} | set(rules.not_neutral)
        forms = {unicodedata.normalize(form, word) for form in ("NFC", "NFD") for word in words}
        unfolding = any(
            len(folded(form)) != len(form) for form in forms
        )  # straße is STRASSE in capitals; it takes twice the time
        flags = 0 if rules.case_sensitive else regex.IGNORECASE | (regex.FULLCASE if unfolding else 0)
        if not forms:
            return regex.compile(r"(?!)")
        if not rules.whole_words:
            longest = sorted(forms, key=lambda word: (-len(word), word))
            return regex.compile("|".join(map(regex.escape, longest)), flags)
        return regex.compile(word_pattern(r"\L<words>"), flags, words=forms)

    @_classes_of_word.default
    def _make_classes_of_word(self) -> dict[str, tuple[str, ...]]:
        return self.rules.owners(self.rules.words)

    @_spelling.default
    def _make_spelling(self) -> dict[tuple[str, str], str]:
        """The spelling of each word as its class lists it first."""
        return {
            (name, self.rules.key(word)): word
            for name, listed in self.rules.words.items()
            for word in reversed(listed)
        }

    @_lemmas.default
    def _make_lemmas(self) -> dict[str, tuple[str, ...]]:
        return self.rules.owners(self.rules.lemmas)

    @_before.default
    def _make_before(self) -> dict[str, frozenset[str]]:
        key = self.rules.key
        return {key(word): frozenset(map(key, after)) for word, after in self.rules.only_before.items()}

    def classes(self) -> Classes:
        return self.chosen

    def wants_tags(self, text: Text) -> bool:
        if self.rules.lemmas or self.rules.not_neutral_tags:
            return True
        return any(rule_class in self.rules.tags for rule_class in self._named(text.text))

    def may_be(self, text: str) -> bool:
        return self._pattern.search(text) is not None

    def alternatives(
        self, candidate: Slot, classes: Classes, forms: Mapping[str, list[str]]
    ) -> dict[str, list[str]]:
        return alternatives(self.rules, classes, candidate.rule_class, candidate.word, forms)

    def listed(self, rule_class: str) -> tuple[str, ...]:
        return self.rules.words.get(rule_class, ())

    def aligned(self) -> bool:
        return self.rules.aligned

    def related(self, rule_class: str) -> tuple[str, ...]:
        return tuple(self.rules.related.get(rule_class, ()))

    def key(self, word: str) -> str:
        return self.rules.key(word)

    def drops_multi_token_words(self) -> bool:
        return self.rules.drop_multi_token_words or bool(self.rules.lemmas)

    def _named(self, text: str) -> tuple[str, ...]:
        """The parts that have a word in a text."""
        slots = (
            self._classes_of_word.get(self.rules.key(match.group()), ())
            for match in self._pattern.finditer(text)
        )
        return tuple(dict.fromkeys(rule_class for rule_classes in slots for rule_class in rule_classes))

    def find(self, text: Text) -> Finding:
        matches = list(self._pattern.finditer(text.text))
        lemmas = self._by_lemma(text) if self._lemmas else []
        if not matches and not lemmas:
            return (
                Finding(problem="no target word, but a tag of one, so not neutral")
                if self._related(text)
                else NEUTRAL_TEXT
            )
        slots: list[Slot] = []
        problem = ""
        concerned: tuple[str, ...] = ()
        tokens = None if text.tokens is None else {token.start: token for token in text.tokens}
        start, end = text.span or (0, len(text.text))
        for match in matches:
            surface = match.group()
            rule_classes = self._classes_of_word.get(self.rules.key(surface), ())
            if not rule_classes or match.start() < start or match.end() > end:
                continue
            fitting, why = self._fitting(text, match, rule_classes, tokens)
            if len(fitting) == 1:
                slots.append(self._candidate(text, match.start(), match.end(), fitting[0]))
            else:
                problem, concerned = why, rule_classes
        seen = {len(candidate.left) for candidate in slots}
        slots += [
            self._candidate(text, t.start, t.end, rule_class)
            for t, rule_class in lemmas
            if t.start not in seen
        ]
        wanted = tuple(candidate for candidate in slots if candidate.rule_class in self.chosen.of)
        others = tuple(candidate for candidate in slots if candidate.rule_class not in self.chosen.of)
        if wanted:
            return Finding(wanted)
        concerned = tuple(rule_class for rule_class in concerned if rule_class in self.chosen.of)
        if problem and (concerned or not others):
            return Finding((), others, problem=problem, rule_classes=concerned)
        return Finding((), others, problem="no target word, but a related one, so not neutral")

    def _fitting(
        self, text: Text, match: Any, rule_classes: tuple[str, ...], tokens: Mapping[int, Token] | None
    ) -> tuple[tuple[str, ...], str]:
        """The parts that a match may belong to, and the reason where it is not exactly one."""
        surface = match.group()
        if self.rules.whole_words and (problem := not_alone(text.text, match.start(), match.end())):
            return (), problem
        if self.doubt and (problem := self.doubt(text, match.start(), match.end())):
            return (), problem
        if after := self._before.get(self.rules.key(surface)):
            following = NEXT_WORD.match(text.text, match.end())
            if not following or self.rules.key(following.group(1)) not in after:
                return (
                    (),
                    f"{surface.lower()!r} counts only before certain words, and stands before none of them",
                )
        untagged = tokens is None and self.doubt is not None
        if untagged or not any(rule_class in self.rules.tags for rule_class in rule_classes):
            return rule_classes, ""
        if tokens is None:
            raise DataError(
                f"the class of {surface!r} depends on tags ({', '.join(rule_classes)}), and the text"
                f" {text.text[:60]!r} has none; give CoNLL-U files, or name a spaCy model as data.tagger"
            )
        token = tokens.get(match.start())
        if token is None or (token.end != match.end() and match.group().isalnum()):
            return (), "the target word is not a word of the tagged text"
        fitting = tuple(
            rule_class for rule_class in rule_classes if fits(token, self.rules.tags.get(rule_class, {}))
        )
        return fitting, (
            "the tags fit no class"
            if not fitting
            else "the tags fit several classes"
            if len(fitting) > 1
            else ""
        )

    def _by_lemma(self, text: Text) -> list[tuple[Token, str]]:
        if text.tokens is None:
            raise DataError(
                f"classes are given by lemmas, and the text {text.text[:60]!r} has none; give CoNLL-U files,"
                " or name a spaCy model as data.tagger"
            )
        start, end = text.span or (0, len(text.text))
        slots = []
        for token in text.tokens:
            if start <= token.start and token.end <= end:
                rule_classes = self._lemmas.get(self.rules.key(token.lemma), ())
                fitting = [
                    rule_class
                    for rule_class in rule_classes
                    if fits(token, self.rules.tags.get(rule_class, {}))
                ]
                if len(fitting) == 1:
                    slots.append((token, fitting[0]))
        return slots

    def _related(self, text: Text) -> bool:
        tags = self.rules.not_neutral_tags
        return bool(tags) and any(
            token.tags.get(tag) in values for token in text.tokens or () for tag, values in tags.items()
        )

    def _candidate(self, text: Text, start: int, end: int, rule_class: str) -> Slot:
        surface = text.text[start:end]
        return Slot(
            text.text[:start],
            surface,
            text.text[end:],
            self._spelling.get((rule_class, self.rules.key(surface)), surface),
            rule_class,
            text.unit,
            text.document,
            text.split,
        )


def fits(token: Token, tags: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether a token has one of the allowed values of each tag. A token whose tag names several values does
    not."""
    return all(token.tags.get(tag) in values for tag, values in tags.items())
