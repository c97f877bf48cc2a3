"""Words for race and for religion as features, as debiasing studies use them."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen, validators

from gradiend_core.api import Contribution, hookimpl

Words = Mapping[str, tuple[str, ...]]


@frozen
class EnglishRace:
    """Settings of `english-race`: classes of white, black, asian. `words` replaces the words of all three, in
    aligned lists."""

    classes: tuple[str, ...] = field(default=("white", "black"), validator=validators.min_len(2))
    words: Words = field(factory=dict)


@frozen
class EnglishReligion:
    """Settings of `english-religion`: classes of christian, muslim, jewish. `words` replaces the words of all
    three, in aligned lists."""

    classes: tuple[str, ...] = field(default=("christian", "muslim"), validator=validators.min_len(2))
    words: Words = field(factory=dict)


@hookimpl
def gradiend_feature_paradigms() -> list[Contribution]:
    return [
        Contribution(
            "english-race",
            EnglishRace,
            "gradiend_social.paradigms:race",
            "English words for race and origin, word for word: white, black, asian",
            "arXiv 2502.01406",
            {"model": "tiny-social", "texts": "tiny-social"},
        ),
        Contribution(
            "english-religion",
            EnglishReligion,
            "gradiend_social.paradigms:religion",
            "English words of three religions, word for word: christian, muslim, jewish",
            "arXiv 2502.01406",
            {"model": "tiny-social", "texts": "tiny-social"},
        ),
    ]
