"""Rules from the run file."""

from __future__ import annotations

from attrs import asdict

from gradiend_core.api import ConfigError, Rules, RulesParadigm
from gradiend_words import WordSettings

NOT_RULES = ("classes", "transitions", "one_way")


def words(config: WordSettings) -> RulesParadigm:
    """The paradigm of these rules; raises ConfigError where they contradict each other."""
    rules = asdict(config, recurse=False)
    for name in NOT_RULES:
        del rules[name]
    if not config.words and not config.lemmas:
        raise ConfigError('paradigm "words" needs words: a table [paradigm.words] with a list for each class')
    return RulesParadigm("words", Rules(**rules), config.classes, config.transitions, one_way=config.one_way)
