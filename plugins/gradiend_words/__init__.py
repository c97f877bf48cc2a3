"""Paradigms that need no Python: rules in the run file, and text that is masked already."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from gradiend_core.api import Contribution, hookimpl

Words = Mapping[str, tuple[str, ...]]


@frozen
class WordSettings:
    """Settings of `words`: a paradigm by its words; `gradiend_core.data.rules.Rules` says what each means.

    `classes` empty means all; "A+B" is one class made of two. `transitions` restricts which class may stand
    for which, both ways unless `one_way`.
    """

    classes: tuple[str, ...] = ()
    transitions: tuple[tuple[str, str], ...] = ()
    one_way: bool = False
    words: Words = field(factory=dict)
    lemmas: Words = field(factory=dict)
    tags: Mapping[str, Words] = field(factory=dict)
    only_before: Words = field(factory=dict)
    not_neutral: tuple[str, ...] = ()
    not_neutral_tags: Words = field(factory=dict)
    aligned: bool = False
    case_sensitive: bool = False
    whole_words: bool = True
    spare: bool = False


@frozen
class MaskedSettings:
    """Settings of `masked`: rows whose text (`data.text_column`) has `mask` where the factual filler stood.

    The others are names of columns. Where `factual_class` is empty, the filler itself is the class. Where
    `alternative` is empty, it is drawn from the fillers of the other classes; where `alternative_class` is
    empty, it is the class that has the alternative as a filler. `neutral` is what `texts` may be, with
    neutral text; rows of the class "neutral" are neutral slots."""

    classes: tuple[str, ...] = ()
    transitions: tuple[tuple[str, str], ...] = ()
    mask: str = "[MASK]"
    factual: str = "factual"
    factual_class: str = "factual_class"
    alternative: str = ""
    alternative_class: str = ""
    neutral: str = ""
    neutral_column: str = "text"


@hookimpl
def gradiend_feature_paradigms() -> list[Contribution]:
    return [
        Contribution(
            "words",
            WordSettings,
            "gradiend_words.paradigm:words",
            "classes by words, lemmas and tags from the run file",
        ),
        Contribution(
            "masked", MaskedSettings, "gradiend_words.masked:MaskedParadigm", "text that is masked already"
        ),
    ]
