"""English subject pronouns as a feature: person and number."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen, validators

from gradiend_core.api import Contribution, hookimpl


@frozen
class EnglishPronouns:
    """Settings of `english-pronouns`: two classes that are told apart, or more of which each is told from all others.

    "1SG+3SG" is one class made of two. `transitions` restricts which class may stand for which, both ways, as in
    [["1SG", "1PL"], ["3SG", "3PL"]]. `words` replaces the words of the classes that it names.
    """

    classes: tuple[str, ...] = field(default=("3SG", "3PL"), validator=validators.min_len(2))
    transitions: tuple[tuple[str, str], ...] = ()
    words: Mapping[str, tuple[str, ...]] = field(factory=dict)
    max_per_class: int = field(default=1000, validator=validators.ge(6))
    max_neutral: int = field(default=500, validator=validators.ge(1))
    split: tuple[float, float, float] = (0.6, 0.2, 0.2)


@hookimpl
def gradiend_feature_paradigms() -> list[Contribution]:
    return [
        Contribution(
            "english-pronouns", EnglishPronouns, "gradiend_pronouns.paradigm:EnglishPronounParadigm",
            "English subject pronouns: 1SG, 1PL, 2, 3SG, 3PL", "arXiv 2602.23993",
        )
    ]  # fmt: skip
