"""Rules from the run file."""

from __future__ import annotations

from gradiend_core.api import ConfigError, RulesParadigm
from gradiend_words import WordSettings


def words(config: WordSettings) -> RulesParadigm:
    """The paradigm of these rules. Raises ConfigError where there are none."""
    if not config.words and not config.lemmas:
        raise ConfigError('paradigm "words" needs words: a table [paradigm.words] with a list for each class')
    return RulesParadigm(
        "words", config, config.classes, config.transitions, one_way=config.one_way, grades=config.grades
    )
