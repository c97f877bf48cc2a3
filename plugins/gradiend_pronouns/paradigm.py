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
    """Any of the five classes, alone or merged."""

    classes = tuple(WORDS)

    def __init__(self, config: EnglishPronouns) -> None:
        parts = {name: name.split("+") for name in config.classes}
        ends = [end for transition in config.transitions for end in transition]
        used = [part for name in config.classes for part in name.split("+")]
        for name in (*used, *ends, *config.words):
            if name not in WORDS:
                raise ConfigError(unknown("class of english-pronouns", name, WORDS))
        for name in used:
            if used.count(name) > 1:
                raise ConfigError(f"the classes must differ, but {name} is in more than one of {', '.join(config.classes)}")
        single = WORDS | dict(config.words)
        words = {name: tuple(word for part in own for word in single[part]) for name, own in parts.items()}
        words |= {name: own for name, own in single.items() if name not in used}
        swaps: dict[str, tuple[str, ...]] = {}
        for one, other in (*config.transitions, *((b, a) for a, b in config.transitions)):
            for word in single[one]:
                swaps[word.lower()] = swaps.get(word.lower(), ()) + single[other]
        if swaps:
            swaps = {word.lower(): swaps.get(word.lower(), ()) for name in used for word in single[name]}
        self.config, self.rules = config, WordRules(words, OTHER_FORMS, swaps)

    def pairs(self, texts: Iterable[str], seed: int) -> PairData:
        """One pair from each text with a pronoun of the classes; texts without any pronoun are neutral."""
        config = self.config
        return make_pairs(
            texts, self.rules, config.classes, seed=seed, max_per_class=config.max_per_class, max_neutral=config.max_neutral,
            shares=config.split,
        )  # fmt: skip
