"""English subject pronouns as a feature: person and number."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import Factory, frozen, validators

from gradiend_core.api import Contribution, Trait, hookimpl, setting


@frozen
class EnglishPronouns:
    """Settings of `english-pronouns`: 1SG (I), 1PL (we), 2 (you), 3SG (he, she, it), 3PL (they)."""

    classes: tuple[str, ...] = setting(
        ("3SG", "3PL"),
        'Two classes that are told apart, or more of which each is told from all others; "1SG+3SG" is one'
        " class made of two.",
        validator=validators.min_len(2),
    )
    transitions: tuple[tuple[str, str], ...] = setting(
        (),
        'Which class may stand for which, both ways, as in [["1SG", "1PL"], ["3SG", "3PL"]]; empty: any for'
        " any other.",
    )
    words: Mapping[str, tuple[str, ...]] = setting(
        Factory(dict), "Words that replace those of the classes that it names."
    )
    tagged: bool = setting(
        False,
        'Whether text must have tags (Case=Nom of a subject). Without them "you", "it" and "I" are dropped'
        " where they may be something else.",
    )


@hookimpl
def gradiend_feature_paradigms() -> list[Contribution]:
    return [
        Contribution(
            "english-pronouns",
            EnglishPronouns,
            "gradiend_pronouns.paradigm:english_pronouns",
            "English subject pronouns: 1SG, 1PL, 2, 3SG, 3PL",
            "arXiv 2602.23993",
            traits={Trait.DEFAULT},
        )
    ]
