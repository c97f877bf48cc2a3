"""English subject pronouns by person and number.

Known limits: "you" and "it" are objects too, and only tags could tell; contractions (he's) are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable

from gradiend_core.api import ConfigError, PairData, WordRules, make_pairs, unknown
from gradiend_pronouns import EnglishPronouns

WORDS = {"1SG": ("I",), "1PL": ("we",), "2": ("you",), "3SG": ("he", "she", "it"), "3PL": ("they",)}
#: the other forms of these pronouns: a text that has one is not neutral
OTHER_FORMS = tuple(
    "me my mine myself us our ours ourselves your yours yourself yourselves him his himself her hers herself "
    "its itself them their theirs themselves".split()
)


class EnglishPronounParadigm:
    """Any two of the five classes."""

    classes = tuple(WORDS)

    def __init__(self, config: EnglishPronouns) -> None:
        for name in (*config.classes, *config.words):
            if name not in WORDS:
                raise ConfigError(unknown("class of english-pronouns", name, WORDS))
        if config.classes[0] == config.classes[1]:
            raise ConfigError(f"the two classes must differ, but both are {config.classes[0]}")
        self.config = config
        self.rules = WordRules(WORDS | dict(config.words), OTHER_FORMS)

    def pairs(self, texts: Iterable[str], seed: int) -> PairData:
        """One pair from each text with a pronoun of the two classes; texts without any pronoun are neutral."""
        config = self.config
        return make_pairs(
            texts, self.rules, config.classes, seed=seed, max_per_class=config.max_per_class, max_neutral=config.max_neutral,
            shares=config.split,
        )  # fmt: skip
