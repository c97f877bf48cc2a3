"""Sentiment by pairs of opposite words (a use case in arXiv 2602.23993; these pairs are this project's).
Known limits: a word counts whatever it means in its text ("not good", "kind of", "a fine of ten pounds");
opposites differ in more than sentiment; a text with several of these words keeps the others, and a model
reads the sentiment from them."""

from __future__ import annotations

from collections.abc import Sequence

from gradiend_core.api import ConfigError, Rules, RulesParadigm
from gradiend_sentiment import EnglishSentiment

OPPOSITES = tuple(
    tuple(pair.split("/"))
    for pair in (
        "good/bad great/terrible best/worst better/worse happy/sad wonderful/awful beautiful/ugly kind/cruel"
        " nice/nasty delicious/disgusting fresh/rotten friendly/rude funny/boring perfect/horrible"
        " excellent/poor pleasant/unpleasant lovely/dreadful bright/gloomy love/hate loved/hated loves/hates"
        " enjoy/dislike enjoyed/disliked strong/weak clean/dirty safe/dangerous honest/dishonest"
        " brave/cowardly clever/stupid success/failure successful/unsuccessful joy/sorrow hope/despair"
        " interesting/dull charming/repulsive fantastic/pathetic brilliant/mediocre win/lose won/lost"
        " positive/negative happily/sadly well/badly smart/dumb gentle/harsh healthy/sick laughed/cried"
        " smile/frown smiled/frowned"
    ).split()
)

#: pairs that are not learned from
RELATED = tuple(
    tuple(pair.split("/"))
    for pair in (
        "cheered/complained sang/sighed danced/wept glad/upset cheerful/miserable proud/ashamed"
        " grateful/bitter calm/angry delight/disgust pleasure/pain triumph/disaster praise/blame"
        " hopeful/hopeless lucky/unlucky useful/useless helpful/harmful peace/war smooth/rough sweet/sour"
        " friend/enemy easy/hard amazing/annoying"
    ).split()
)


def sentiment(config: EnglishSentiment) -> RulesParadigm:
    """positive and negative, the n-th word of one being the opposite of the n-th of the other."""
    pairs = config.opposites or OPPOSITES
    if config.opposites and len(config.opposites) < 3:
        raise ConfigError(
            f"paradigm.opposites has {len(config.opposites)} pairs of words; give at least three, so that"
            " each split can have one"
        )
    words = _by_class(pairs)
    learned = {word for pair in pairs for word in pair}
    unseen = [pair for pair in RELATED if not learned & set(pair)]
    return RulesParadigm(
        "english-sentiment",
        Rules(words, related=_by_class(unseen), aligned=True, drop_multi_token_words=True),
        config.classes,
    )


def _by_class(pairs: Sequence[tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(pair[side] for pair in pairs) for side, name in enumerate(("positive", "negative"))}
