"""Words for race and for religion as features, as debiasing studies use them."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import Factory, frozen, validators

from gradiend_core.api import Contribution, hookimpl, setting

Words = Mapping[str, tuple[str, ...]]
WORDS = "Words that replace those of all three classes, in aligned lists."


@frozen
class EnglishRace:
    """Settings of `english-race`."""

    classes: tuple[str, ...] = setting(
        ("white", "black"), "Classes of white, black, asian.", validator=validators.min_len(2)
    )
    words: Words = setting(Factory(dict), WORDS)


@frozen
class EnglishReligion:
    """Settings of `english-religion`."""

    classes: tuple[str, ...] = setting(
        ("christian", "muslim"), "Classes of christian, muslim, jewish.", validator=validators.min_len(2)
    )
    words: Words = setting(Factory(dict), WORDS)


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
