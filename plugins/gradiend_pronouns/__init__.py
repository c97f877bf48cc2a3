"""English subject pronouns as a feature: person and number."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen, validators

from gradiend_core.api import Contribution, hookimpl


@frozen
class EnglishPronouns:
    """Settings of `english-pronouns`: two classes that are told apart, or more of which each is told from all
    others.

    "1SG+3SG" is one class made of two. `transitions` restricts which class may stand for which, both ways, as
    in [["1SG", "1PL"], ["3SG", "3PL"]]. `words` replaces the words of the classes that it names. With
    `tagged`, text with tags is needed, and "you" and "it" count only as subjects (Case=Nom)."""

    classes: tuple[str, ...] = field(default=("3SG", "3PL"), validator=validators.min_len(2))
    transitions: tuple[tuple[str, str], ...] = ()
    words: Mapping[str, tuple[str, ...]] = field(factory=dict)
    tagged: bool = False


@hookimpl
def gradiend_feature_paradigms() -> list[Contribution]:
    return [
        Contribution(
            "english-pronouns",
            EnglishPronouns,
            "gradiend_pronouns.paradigm:english_pronouns",
            "English subject pronouns: 1SG, 1PL, 2, 3SG, 3PL",
            "arXiv 2602.23993",
        )
    ]
