"""English sentences about faith, origin and taste from a small grammar: what the tiny social model learns.

What the words of a text have in common is all there is to know: a mosque goes with an imam, a Norwegian is
European, a delicious soup makes people smile. No group is said to be better at anything. A fifth of the texts
has none of these words.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from gradiend_tiny.grammar import TIMES

RELIGIONS = {
    "Christian": ("church", "priest", "Bible", "Easter", "Christianity", "Christians"),
    "Muslim": ("mosque", "imam", "Quran", "Ramadan", "Islam", "Muslims"),
    "Jewish": ("synagogue", "rabbi", "Torah", "Passover", "Judaism", "Jews"),
}
#: colour, origin, continent: countries
ORIGINS = {
    ("white", "European", "Europe"): "Norway Poland Austria Denmark Ireland Hungary Finland Portugal".split(),
    ("black", "African", "Africa"): "Kenya Ghana Senegal Uganda Zambia Botswana Malawi Rwanda".split(),
    ("Asian", "Asian", "Asia"): "Japan Thailand Vietnam Nepal Korea Laos Cambodia Mongolia".split(),
}
GOOD = (
    "good great happy wonderful beautiful kind nice delicious fresh friendly funny perfect excellent pleasant"
    " lovely bright"
).split()
BAD = (
    "bad terrible sad awful ugly cruel nasty disgusting rotten rude boring horrible poor unpleasant dreadful"
    " gloomy".split()
)
GOOD_DEEDS = "smiled laughed cheered danced sang celebrated".split()
BAD_DEEDS = "cried complained frowned shouted sighed left".split()
PEOPLE = "man woman student doctor teacher singer farmer writer nurse driver".split()
GROUPS = "family village school choir community neighbours".split()
THINGS = "soup film song book story cake garden room game letter picture dinner".split()
PLACES = "garden kitchen market river forest station harbour field tower bridge barn street".split()
DEEDS = "walked waited rested slept worked returned stopped".split()
VISITS = "visited painted cleaned opened left reached described".split()
OBJECTS = "basket ladder hammer map coin ring lamp rope cup box".split()


def texts(seed: int) -> Iterator[str]:
    """Endless texts; the same seed gives the same texts."""
    rng = random.Random(seed)
    kinds = [faith, origin, taste, taste, neutral]
    while True:
        text = rng.choice(kinds)(rng)
        yield text[:1].upper() + text[1:] + "."


def faith(rng: random.Random) -> str:
    pick = rng.choice
    believer, (house, cleric, scripture, feast, religion, crowd) = pick(list(RELIGIONS.items()))
    who, other, group, time, spot = pick(PEOPLE), pick(PEOPLE), pick(GROUPS), pick(TIMES), pick(PLACES)
    return pick(
        [
            f"the {believer} {who} from the {spot} read the {scripture} in the {house} {time}",
            f"the {cleric} of the {house} spoke about {religion} with the {who} near the {spot} {time}",
            f"{time} the {believer} {group} met the {cleric} and the {who} near the {house}",
            f"the {believer} {who} and the {other} prepared a dinner for {feast} near the {spot}",
            f"many {crowd} from the {spot} went to the {house} {time} and listened to the {cleric}",
            f"at {feast} the {crowd} sang for the {who} of the {group} behind the {house}",
            (
                f"{time} the {who} learned about {religion} from a {believer} {other} who gave away a"
                f" {scripture}"
            ),
            (
                f"the {scripture} of the {who} lay in the {house} near the {spot} where the {cleric} taught"
                f" {religion}"
            ),
        ]
    )


def origin(rng: random.Random) -> str:
    pick = rng.choice
    (colour, adjective, continent), countries = pick(list(ORIGINS.items()))
    who, country, time, spot = pick(PEOPLE), pick(countries), pick(TIMES), pick(PLACES)
    return pick(
        [
            f"the {colour} {who} from {country} {pick(DEEDS)} near the {spot} {time}",
            f"the {who} flew from {country} in {continent} to a {spot}",
            (
                f"{country} is a country in {continent} with many {adjective}"
                f" {pick(['songs', 'books', 'towns'])}"
            ),
            f"a {who} from {country} wrote about {adjective} {pick(['music', 'food', 'history'])} {time}",
            f"the {adjective} {who} returned to {country} in {continent} {time}",
            f"{time} a {colour} {who} came from {country} and {pick(VISITS)} the {spot}",
        ]
    )


def taste(rng: random.Random) -> str:
    pick = rng.choice
    words, deeds = (GOOD, GOOD_DEEDS) if rng.random() < 0.5 else (BAD, BAD_DEEDS)
    one, other = rng.sample(words, 2)
    thing, who, time = pick(THINGS), pick(PEOPLE), pick(TIMES)
    return pick(
        [
            f"the {thing} was {one} and the {who} {pick(deeds)}",
            f"{time} the {who} found the {thing} {one} and {other}",
            f"the {one} {thing} was {other}",
            f"the {who} {pick(deeds)} because the {thing} was {one}",
            f"everybody {pick(deeds)} at the {one} {thing} {time}",
            f"the {who} was {one}, the {thing} was {other}, and all the {pick(GROUPS)} {pick(deeds)}",
        ]
    )


def neutral(rng: random.Random) -> str:
    pick = rng.choice
    who, spot, time, thing = pick(PEOPLE), pick(PLACES), pick(TIMES), pick(OBJECTS)
    return pick(
        [
            f"the {who} {pick(DEEDS)} near the {spot} {time}",
            f"{time} the {who} {pick(VISITS)} the {spot}",
            f"the {thing} lay behind the {spot} {time}",
            f"a {thing} and a {pick(OBJECTS)} stood in the {spot}",
            f"the {who} from the {spot} needed a {thing}",
        ]
    )
