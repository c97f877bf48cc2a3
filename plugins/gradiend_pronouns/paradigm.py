"""English subject pronouns by person and number (arXiv 2602.23993). With tags only subjects count. Without
tags, whatever may not be a subject is dropped (`doubt`), and so are contractions (he's) in any case."""

from __future__ import annotations

from gradiend_core.api import ConfigError, Rules, RulesParadigm, unknown
from gradiend_pronouns import EnglishPronouns
from gradiend_pronouns.doubt import doubt

WORDS = {"1SG": ("I",), "1PL": ("we",), "2": ("you",), "3SG": ("he", "she", "it"), "3PL": ("they",)}
#: all forms of these pronouns: a text that has one is not neutral
FORMS = tuple(
    "I we you he she it they "
    "me my mine myself us our ours ourselves your yours yourself yourselves him his himself her hers herself "
    "its itself them their theirs themselves".split()
)
#: words that tell the same classes apart and are not learned from; "you" has no person in its other forms
RELATED = {
    "1SG": "my me myself mine am was - - -",
    "1PL": "our us ourselves ours are were - - -",
    "2": "your - yourself yours are were - - -",
    "3SG": "his him himself - is was has does goes",
    "3PL": "their them themselves theirs are were have do go",
}
#: of third persons only: nouns for those who do what the verbs say
NOUNS = {
    "3SG": "boy girl friend child man woman brother sister dog cat bird animal",
    "3PL": "boys girls friends children men women brothers sisters dogs cats birds animals",
}
SUBJECT = {"upos": ("PRON",), "Case": ("Nom",)}


def english_pronouns(config: EnglishPronouns) -> RulesParadigm:
    """Any of the five classes, alone or merged."""
    for name in config.words:
        if name not in WORDS:
            raise ConfigError(unknown("class of english-pronouns", name, WORDS))
    subjects = [name for name in WORDS if config.tagged or name not in config.words]
    rules = Rules(
        WORDS | dict(config.words),
        tags=dict.fromkeys(subjects, SUBJECT),
        not_neutral=FORMS,
        related=_related(),
    )
    return RulesParadigm(
        "english-pronouns", rules, config.classes, config.transitions, doubt=None if config.tagged else doubt
    )


def _related() -> dict[str, tuple[str, ...]]:
    missing = " ".join("-" for _ in NOUNS["3SG"].split())
    lists = {name: f"{words} {NOUNS.get(name, missing)}" for name, words in RELATED.items()}
    return {name: tuple(words.replace("-", "").split(" ")) for name, words in lists.items()}
