"""Race and religion by words, each with its counterpart in the other classes (arXiv 2502.01406, for
debiasing).

Known limits: words stand for groups only as far as the lists go, and a counterpart is one of role, not of
meaning. "white" and "black" count only before a word for people, so a black car is left out, and the same
words elsewhere keep a text from being neutral. The article before a slot stays as it was ("a white …", "an
Asian …"), which gives the class away to some models. A run changes how probable these words are in such
texts; that a model is less biased is another claim, which needs a test of its own."""

from __future__ import annotations

from collections.abc import Mapping

from gradiend_core.api import ConfigError, Rules, RulesParadigm
from gradiend_social import EnglishRace, EnglishReligion

RACE = {
    "white": ("white", "Caucasian", "European", "Europeans", "Europe"),
    "black": ("black", "Black", "African", "Africans", "Africa"),
    "asian": ("Asian", "Asian", "Asian", "Asians", "Asia"),
}
PEOPLE = tuple(
    "man men woman women boy boys girl girls child children kid kids person people guy guys student students"
    " teacher teachers doctor doctors nurse nurses driver drivers farmer farmers singer singers writer"
    " writers worker workers actor actors actress lawyer lawyers officer officers soldier soldiers player"
    " players artist artists musician musicians leader leaders family families community communities"
    " neighborhood neighborhoods voter voters mother father brother sister son daughter friend friends"
    " citizen citizens american americans population".split()
)
RELIGION = {
    "christian": (
        "Christian",
        "Christians",
        "Christianity",
        "church",
        "churches",
        "priest",
        "priests",
        "Bible",
        "Easter",
    ),
    "muslim": ("Muslim", "Muslims", "Islam", "mosque", "mosques", "imam", "imams", "Quran", "Ramadan"),
    "jewish": (
        "Jewish",
        "Jews",
        "Judaism",
        "synagogue",
        "synagogues",
        "rabbi",
        "rabbis",
        "Torah",
        "Passover",
    ),
}
#: words that tell the same classes apart and are not learned from
COUNTRIES = {
    "white": tuple("Portugal Denmark Norway Hungary Finland Poland Ireland Austria Germany France".split()),
    "black": tuple("Botswana Ghana Malawi Senegal Zambia Kenya Rwanda Uganda Nigeria Ethiopia".split()),
    "asian": tuple("Laos Nepal Japan Mongolia Korea Thailand Vietnam Cambodia China India".split()),
}
RELIGIOUS = {
    "christian": tuple("Jesus Christmas Catholic pastor chapel gospel".split()),
    "muslim": tuple("Muhammad Eid Sunni mullah minaret hadith".split()),
    "jewish": tuple("Moses Hanukkah Orthodox cantor temple Talmud".split()),
}
#: words of these religions that have no counterpart here
RELATED = tuple(
    "Jesus Christ Catholic Catholics Protestant Protestants pastor bishop pope gospel Allah Muhammad Koran"
    " Islamic Moses Jew Judaic Hebrew Christmas Hanukkah Eid religion religious prayer faith".split()
)


def race(config: EnglishRace) -> RulesParadigm:
    """white, black, asian: adjectives before people, and names of continents and their inhabitants."""
    words = _words("english-race", RACE, config.words)
    rules = Rules(
        words,
        only_before=dict.fromkeys(("white", "black"), PEOPLE),
        related=COUNTRIES,
        aligned=True,
        drop_multi_token_words=True,
    )
    return RulesParadigm("english-race", rules, config.classes)


def religion(config: EnglishReligion) -> RulesParadigm:
    """christian, muslim, jewish: believers, their houses of worship, clerics, scriptures and holidays."""
    rules = Rules(
        _words("english-religion", RELIGION, config.words),
        not_neutral=RELATED,
        related=RELIGIOUS,
        aligned=True,
        drop_multi_token_words=True,
    )
    return RulesParadigm("english-religion", rules, config.classes)


def _words(
    kind: str, known: Mapping[str, tuple[str, ...]], given: Mapping[str, tuple[str, ...]]
) -> Mapping[str, tuple[str, ...]]:
    if given and set(given) != set(known):
        raise ConfigError(
            f"paradigm.words of {kind} must give aligned lists for all of {', '.join(known)}, not for"
            f" {', '.join(given)}"
        )
    return dict(given) or known
