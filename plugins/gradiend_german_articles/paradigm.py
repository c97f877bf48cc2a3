"""German definite articles of the singular by gender and case (arXiv 2601.09313).

Six forms serve twelve classes: *der* is a masculine nominative, a feminine dative or a feminine genitive, so
only tags tell the class. Text must have them, gold as CoNLL-U, or of a spaCy model with German morphology
(`data.tagger`). Of the thirty transitions that change the gender or the case but not both, 25 change the
article and five do not: FemNom and FemAcc are both *die*.

Known limits: *dem* and *das* that are drawn together with a preposition (zum, ins) are not words by
themselves and never a slot. Articles of plurals are left out, as their gender cannot be seen, but in training
text they are what *die* and *der* often are. A tagger's mistakes become wrong classes."""

from __future__ import annotations

from itertools import combinations

from gradiend_core.api import Rules, RulesParadigm
from gradiend_german_articles import GermanArticles

GENDERS, CASES = ("Masc", "Fem", "Neut"), ("Nom", "Acc", "Dat", "Gen")
ARTICLES = {
    "MascNom": "der",
    "MascAcc": "den",
    "MascDat": "dem",
    "MascGen": "des",
    "FemNom": "die",
    "FemAcc": "die",
    "FemDat": "der",
    "FemGen": "der",
    "NeutNom": "das",
    "NeutAcc": "das",
    "NeutDat": "dem",
    "NeutGen": "des",
}
#: classes that differ in gender alone, and in case alone
BY_GENDER = tuple((a + case, b + case) for case in CASES for a, b in combinations(GENDERS, 2))
BY_CASE = tuple((gender + a, gender + b) for gender in GENDERS for a, b in combinations(CASES, 2))
STEPS = {"any": (), "one": BY_GENDER + BY_CASE, "gender": BY_GENDER, "case": BY_CASE}
#: endings of ein-, kein-, sein-, … and, where they are others, of dies- and jed-
ENDINGS = {
    "MascNom": ("", "er"),
    "MascAcc": ("en", "en"),
    "MascDat": ("em", "em"),
    "MascGen": ("es", "es"),
    "FemNom": ("e", "e"),
    "FemAcc": ("e", "e"),
    "FemDat": ("er", "er"),
    "FemGen": ("er", "er"),
    "NeutNom": ("", "es"),
    "NeutAcc": ("", "es"),
    "NeutDat": ("em", "em"),
    "NeutGen": ("es", "es"),
}
#: determiners that agree with a noun as articles do, in any case that they are written alike in
RELATED = {
    name: (
        *(stem + weak for stem in ("ein", "kein", "sein", "ihr", "mein", "unser")),
        *(stem + strong for stem in ("dies", "jed", "jen")),
    )
    for name, (weak, strong) in ENDINGS.items()
}
#: articles, pronouns and determiners that agree with a noun: their tags keep a text from being neutral
AGREEING = {"PronType": ("Art", "Dem", "Rel", "Dem,Rel")}


def german_articles(config: GermanArticles) -> RulesParadigm:
    """Any of the twelve classes, alone or merged."""
    tags = {
        gender + case: {
            "upos": ("DET",),
            "Definite": ("Def",),
            "PronType": ("Art",),
            "Gender": (gender,),
            "Case": (case,),
            "Number": ("Sing",),
        }
        for gender in GENDERS
        for case in CASES
    }
    words = {name: (article,) for name, article in ARTICLES.items()}
    rules = Rules(
        words,
        tags=tags,
        not_neutral=tuple(set(ARTICLES.values())),
        not_neutral_tags=AGREEING,
        related=RELATED,
    )
    return RulesParadigm("german-articles", rules, config.classes, STEPS[config.steps])
