"""English subject pronouns by person and number (arXiv 2602.23993).

With tags only subjects count. Without them what may be no subject is dropped (`doubt`), and so are
contractions (he's), in any case.
"""

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
SUBJECT = {"upos": ("PRON",), "Case": ("Nom",)}


def english_pronouns(config: EnglishPronouns) -> RulesParadigm:
    """Any of the five classes, alone or merged."""
    for name in config.words:
        if name not in WORDS:
            raise ConfigError(unknown("class of english-pronouns", name, WORDS))
    subjects = [name for name in WORDS if config.tagged or name not in config.words]
    rules = Rules(WORDS | dict(config.words), tags=dict.fromkeys(subjects, SUBJECT), not_neutral=FORMS)
    return RulesParadigm(
        "english-pronouns", rules, config.classes, config.transitions, doubt=None if config.tagged else doubt
    )
