"""Paradigms without Python: rules in the run file, and texts that are already masked."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import Factory, frozen

from gradiend_core.api import Contribution, Rules, hookimpl, setting

CLASSES = 'The classes that are told apart; "A+B" is one made of two; empty: all.'
TRANSITIONS = (
    'Which class may stand for which, as in [["1SG", "1PL"], ["3SG", "3PL"]]; empty: any for any other.'
)

GRADES = (
    "The degree of each class in any unit, as in {terrible = 1, fair = 3, great = 5}, where the classes are"
    " degrees of one feature; one axis is then learned, from the highest to the lowest."
)


@frozen
class WordSettings(Rules):
    """Settings of `words`: a paradigm by its words."""

    classes: tuple[str, ...] = setting((), CLASSES)
    transitions: tuple[tuple[str, str], ...] = setting((), TRANSITIONS)
    one_way: bool = setting(False, "Whether transitions count in the given direction only.")
    grades: Mapping[str, float] = setting(Factory(dict), GRADES)


@frozen
class MaskedSettings:
    """Settings of `masked`: rows of a table whose text (`data.text_column`) is masked. Rows of the class
    "neutral" are neutral slots."""

    classes: tuple[str, ...] = setting((), CLASSES)
    transitions: tuple[tuple[str, str], ...] = setting((), TRANSITIONS)
    grades: Mapping[str, float] = setting(Factory(dict), GRADES)
    mask: str = setting("[MASK]", "What the text has where the factual filler stood.")
    factual: str = setting("factual", "The column of the factual filler.")
    factual_class: str = setting("factual_class", "The column of its class; empty: the filler is the class.")
    alternative: str = setting(
        "", "The column of the alternative filler; empty: drawn from the fillers of the other classes."
    )
    alternative_class: str = setting(
        "", "The column of its class; empty: the class that has the alternative as a filler."
    )
    neutral: str = setting("", "Neutral text: whatever `texts` may be; empty: none.")
    neutral_column: str = setting("text", "The column of neutral text.")


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
