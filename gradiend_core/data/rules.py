"""Which words belong to which class, and which words may replace them."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import regex
from attrs import Factory, field, frozen

from gradiend_core.errors import ConfigError, unknown
from gradiend_core.records.setting import setting

Words = Mapping[str, tuple[str, ...]]


def folded(word: str) -> str:
    """A key that is the same for all spellings of a word that differ in case or in Unicode composition."""
    return unicodedata.normalize("NFC", word.casefold())


@frozen
class Rules:
    """Words by class. They match in any case and Unicode form, where they stand alone."""

    words: Words = setting(Factory(dict), "The words of each class.")
    lemmas: Words = setting(Factory(dict), "Lemmas of each class, whose every form counts in tagged text.")
    tags: Mapping[str, Words] = setting(
        Factory(dict),
        'What a word of a class must be tagged with, such as {FemDat = {upos = ["DET"], Case = ["Dat"]}};'
        " with tags a form may be a word of several classes.",
    )
    only_before: Words = setting(
        Factory(dict), 'Words that count only before one of some others, such as {white = ["man", "woman"]}.'
    )
    not_neutral: tuple[str, ...] = setting((), "Further words that neutral text must not have.")
    not_neutral_tags: Words = setting(Factory(dict), "Tags that no word of neutral text may have.")
    related: Words = setting(
        Factory(dict),
        "Words that tell the same classes apart and are not learned from, the n-th of a class beside the n-th"
        ' of another, as in {3SG = ["was", "his"], 3PL = ["were", "their"]}; "" where a class has none.',
    )
    aligned: bool = setting(False, "Whether the n-th word of a class stands for the n-th of another.")
    case_sensitive: bool = setting(False, "Whether capitals count.")
    whole_words: bool = setting(
        True,
        "Whether a word must stand alone; off for scripts without spaces, where the longest word is taken.",
    )
    drop_multi_token_words: bool = setting(
        False, "Whether words that the tokenizer splits are left out instead of refused.", formerly="spare"
    )

    def __attrs_post_init__(self) -> None:
        for what, named in (("lemmas", self.lemmas), ("tags", self.tags)):
            for name in named:
                if name not in self.words and name not in self.lemmas:
                    raise ConfigError(unknown(f"class of {what}", name, self.names))
        for name in self.names:
            if not self.words.get(name) and not self.lemmas.get(name):
                raise ConfigError(f"class {name} has no words; give at least one")
        if any(not word.strip() for words in (*self.words.values(), *self.lemmas.values()) for word in words):
            raise ConfigError("a target word is empty; take it out")
        check_related(self.related, self.names)
        self._check_clear()
        lengths = Counter(len(words) for words in self.words.values())
        if self.aligned and (len(lengths) > 1 or self.lemmas):
            sizes = ", ".join(f"{name} {len(words)}" for name, words in self.words.items())
            raise ConfigError(f"aligned classes need lists of the same length, without lemmas ({sizes})")

    def _check_clear(self) -> None:
        """Raises ConfigError where a word belongs to two classes and their tags do not tell which."""
        for word, names in self.owners(self.words).items():
            for position, one in enumerate(names):
                for other in names[position + 1 :]:
                    if not self._exclusive(one, other):
                        raise ConfigError(
                            f"{word!r} is a word of both {one} and {other}, and no tags tell which; a slot's"
                            " class must be clear"
                        )

    def _exclusive(self, one: str, other: str) -> bool:
        first, second = self.tags.get(one, {}), self.tags.get(other, {})
        return any(not set(first[tag]) & set(second[tag]) for tag in first.keys() & second.keys())

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self.words, *self.lemmas]))

    def owners(self, words: Words) -> dict[str, tuple[str, ...]]:
        """The classes of each word, by its key."""
        result: dict[str, tuple[str, ...]] = {}
        for name, words_of_class in words.items():
            for word in dict.fromkeys(map(self.key, words_of_class)):
                result[word] = (*result.get(word, ()), name)
        return result

    def key(self, word: str) -> str:
        """A key that is the same for all forms of a word that count as one."""
        return unicodedata.normalize("NFC", word) if self.case_sensitive else folded(word)


def check_related(related: Words, names: Sequence[str]) -> None:
    """Raises ConfigError for related words of an unknown class, or that are not aligned."""
    for name in related:
        if name not in names:
            raise ConfigError(unknown("class of related words", name, names))
    if len({len(words) for words in related.values()}) > 1:
        sizes = ", ".join(f"{name} {len(words)}" for name, words in related.items())
        raise ConfigError(
            f'related words need lists of the same length ({sizes}); give "" where a class has none'
        )


@frozen
class Classes:
    """The classes that are told apart, each made of one or more classes of the rules ("1SG+3SG"), and which
    of those may replace which. Empty `transitions` allow any other class. Where they are degrees of one
    feature, `grades` has the code of each, from −1 for the lowest to +1 for the highest."""

    names: tuple[str, ...]
    of: Mapping[str, str]
    transitions: frozenset[tuple[str, str]] = frozenset()
    grades: Mapping[str, float] = field(factory=dict)

    def others(self, rule_class: str) -> dict[str, list[str]]:
        """The classes, with their parts, that may replace a part."""
        result: dict[str, list[str]] = {}
        for other, name in self.of.items():
            if name != self.of[rule_class] and (
                not self.transitions or (rule_class, other) in self.transitions
            ):
                result.setdefault(name, []).append(other)
        return result


def choose_classes(
    names: Sequence[str],
    transitions: Iterable[tuple[str, str]],
    known: Sequence[str],
    kind: str,
    *,
    one_way: bool = False,
    grades: Mapping[str, float] | None = None,
) -> Classes:
    """The classes of a paradigm's settings; without names all known classes. Raises ConfigError for unknown
    ones, and for grades that do not suit the classes."""
    of: dict[str, str] = {}
    for name in names or known:
        for rule_class in [name] if name in known else name.split("+"):
            if rule_class not in known:
                raise ConfigError(unknown(f"class of {kind}", rule_class, known))
            if rule_class in of:
                raise ConfigError(
                    f"the classes must differ, but {rule_class} is in more than one of {', '.join(names)}"
                )
            of[rule_class] = name
    if len(set(of.values())) < 2:
        raise ConfigError(
            f"a feature of {kind} needs two classes, but there is only {', '.join(names or known)}"
        )
    pairs = [tuple(pair) for pair in transitions]
    for end in (end for pair in pairs for end in pair):
        if end not in known:
            raise ConfigError(unknown(f"class of {kind}", end, known))
    allowed = {(one, other) for one, other in pairs} | (
        set() if one_way else {(other, one) for one, other in pairs}
    )
    chosen = tuple(names or known)
    return Classes(chosen, of, frozenset(allowed), codes_of_grades(grades or {}, chosen))


def codes_of_grades(grades: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """The code of each class, from its grade in any unit: −1 for the lowest, +1 for the highest, and in
    proportion between them. Raises ConfigError where a class has none, one that is not finite, or all have
    the same."""
    if not grades:
        return {}
    for name in grades:
        if name not in names:
            raise ConfigError(unknown("class of grades", name, names))
    if missing := [name for name in names if name not in grades]:
        raise ConfigError(f"class {missing[0]} has no grade; give one for each class, or for none")
    for name, grade in grades.items():
        if not math.isfinite(grade):
            raise ConfigError(f"the grade of class {name} is {grade}, not a finite number")
    low, high = min(grades.values()), max(grades.values())
    if low == high:
        raise ConfigError(f"the grades reach from {low} to {high}, so that no class is above another")
    return {name: 2 * (grades[name] - low) / (high - low) - 1 for name in names}


def alternatives(
    rules: Rules, classes: Classes, rule_class: str, word: str, forms: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """The words of each other class that may replace a word, with the class. `forms` has the forms that
    occur, for classes that are given by lemmas alone."""
    result: dict[str, list[str]] = {}
    for name, rule_classes in classes.others(rule_class).items():
        for other in rule_classes:
            words: Sequence[str] = rules.words.get(other) or forms.get(other, ())
            if rules.aligned:
                positions = [
                    n
                    for n, other_word in enumerate(rules.words[rule_class])
                    if rules.key(other_word) == rules.key(word)
                ]
                words = list(dict.fromkeys(words[n] for n in positions))
            if words:
                result.setdefault(name, []).extend(words)
    return result


def recased(surface: str, listed: str, word: str, left: str, right: str = "") -> str:
    """A word as it would be written in place of `surface`, which the rules list as `listed`, between `left`
    and `right`."""
    if surface.isupper() and in_capitals(left, right):
        return word.upper()
    if surface == listed:
        first = starts_sentence(left) and surface[:1].isupper()
        return capital(word) if first else word
    if len(surface) > 1 and surface == listed.upper():
        return word.upper()
    if surface == capital(listed):
        return capital(word)
    return word.lower() if surface == listed.lower() and not listed.isupper() else word


WORD = regex.compile(r"\p{L}{2,}")


def in_capitals(left: str, right: str) -> bool:
    """Whether the words next to a slot are all in capitals."""
    near = [*WORD.findall(left, max(0, len(left) - 60))[-2:], *WORD.findall(right, 0, 60)[:2]]
    return bool(near) and all(word.isupper() for word in near)


def capital(word: str) -> str:
    return word[:1].upper() + word[1:]


def starts_sentence(left: str) -> bool:
    """Whether a word after this text would begin a sentence."""
    before = left.rstrip().rstrip("\"“'‘(")
    return not before.strip() or before.rstrip()[-1:] in tuple(".!?…:")
