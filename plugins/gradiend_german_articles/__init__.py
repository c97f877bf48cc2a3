"""German definite articles as a feature: gender and case."""

from __future__ import annotations

from attrs import frozen, validators

from gradiend_core.api import Contribution, hookimpl, setting


@frozen
class GermanArticles:
    """Settings of `german-articles`: der, die, das, dem, den, des of the singular."""

    classes: tuple[str, ...] = setting(
        ("MascNom", "FemNom"),
        'Classes by gender and case, such as MascNom, FemDat, NeutAcc; several are merged with "+", as in'
        ' "MascNom+FemNom+NeutNom".',
        validator=validators.min_len(2),
    )
    steps: str = setting(
        "any",
        'What may stand for what: "any", "one" (classes that share the gender or the case), "gender" (those'
        ' that share the case) or "case" (those that share the gender).',
        validator=validators.in_(("any", "one", "gender", "case")),
    )


@hookimpl
def gradiend_feature_paradigms() -> list[Contribution]:
    return [
        Contribution(
            "german-articles",
            GermanArticles,
            "gradiend_german_articles.paradigm:german_articles",
            "German definite articles by gender and case; needs tagged text",
            "arXiv 2601.09313",
            {"model": "tiny-german", "texts": "tiny-german"},
        )
    ]
