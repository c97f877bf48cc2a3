"""English sentences from a small grammar: the text that the embedded models learn and that features are read
from.

A text is one or two sentences. Two thirds hold a subject pronoun whose class follows from the rest of the
text (he, she, it, they, I, we, you), one third holds no pronoun of any kind. Every draw comes from one seeded
generator.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

MEN = "Tom Ben Adam Paul Mark Peter Jack Henry Oscar Felix David Simon Leo Max Sam".split()
WOMEN = "Anna Mary Lily Emma Sara Rose Clara Julia Nora Alice Ella Grace Helen Ida Ruth".split()
MALE = "boy man king uncle grandfather brother waiter prince father son".split()
FEMALE = "girl woman queen aunt grandmother sister waitress princess mother daughter".split()
ANIMALS = "dog cat horse bird rabbit fox bear duck goat mouse".split()
THINGS = "car clock boat train machine kite robot ship wagon engine".split()
PEOPLE = (
    "boys girls men women children farmers chefs teachers doctors singers sailors students soldiers painters"
).split()
HERDS = "dogs cats horses birds rabbits foxes bears ducks goats boats ships trains wagons".split()

OBJECTS = (
    "soup bread lamp book letter basket bucket ladder hammer map coin ring apple cake door box rope cup"
).split()
PLACES = (
    "garden kitchen village market river forest station school harbour field tower bridge barn street".split()
)
ADJECTIVES = "old new small big heavy bright quiet red green cold warm clean dirty long strange round".split()
MOODS = "tired hungry happy late early ready strong careful angry calm lost brave".split()
TIMES = [
    "one morning",
    "last night",
    "in the evening",
    "on Monday",
    "after lunch",
    "in winter",
    "at noon",
    "that day",
]
PAST = (
    "found dropped carried cleaned opened closed painted moved hid took lifted kicked pushed pulled watched "
    "touched followed liked broke fixed needed wanted reached noticed"
).split()
GONE = (
    "walked ran hurried waited slept rested stopped turned fell jumped sat danced worked returned left"
).split()
MODALS = "would could might should".split()
BASE = "walk run wait sleep rest stop jump sit dance work return leave stay".split()
PRESENT = [
    ("likes", "like"),
    ("needs", "need"),
    ("wants", "want"),
    ("sees", "see"),
    ("watches", "watch"),
    ("carries", "carry"),
    ("finds", "find"),
    ("cleans", "clean"),
]
NEUTRAL_PAST = "stood lay stayed waited shone fell rose disappeared".split()
MATTERS = "price colour smell weight sound shape taste size".split()
WEATHER = "rain snow wind fog sunshine thunder".split()

#: pronoun: (possessive, was or were, index into PRESENT)
FORMS = {
    "he": ("his", "was", 0),
    "she": ("her", "was", 0),
    "it": ("its", "was", 0),
    "they": ("their", "were", 1),
    "I": ("my", "was", 1),
    "we": ("our", "were", 1),
    "you": ("your", "were", 1),
}
#: how often each pronoun is the subject; 3SG and 3PL come out even
WEIGHTS = {"he": 3, "she": 3, "it": 3, "they": 8, "I": 4, "we": 4, "you": 4}


def texts(seed: int) -> Iterator[str]:
    """Endless texts; the same seed gives the same texts."""
    rng = random.Random(seed)
    while True:
        text = pronoun_text(rng) if rng.random() < 2 / 3 else neutral_text(rng)
        yield re.sub(r"\b([Aa]) (?=[aeio])", r"\1n ", text)


def subject(rng: random.Random, pronoun: str) -> str:
    """A noun phrase that the pronoun can stand for."""
    pick, adjective = rng.choice, rng.choice(ADJECTIVES)
    article = pick(["the", "the", "a", f"the {adjective}"])
    match pronoun:
        case "he":
            return pick([pick(MEN), f"{article} {pick(MALE)}"])
        case "she":
            return pick([pick(WOMEN), f"{article} {pick(FEMALE)}"])
        case "it":
            return f"{article} {pick(ANIMALS + THINGS)}"
        case "they":
            first, second = rng.sample(MEN + WOMEN, 2)
            determiner = pick(["the", "two", "some", f"the {adjective}"])
            return pick(
                [f"{first} and {second}", f"{determiner} {pick(PEOPLE)}", f"{determiner} {pick(HERDS)}"]
            )
        case "we":
            return pick(["we", "we", f"my {pick(MALE + FEMALE)} and I", f"{pick(MEN + WOMEN)} and I"])
        case _:
            return pronoun


def event(rng: random.Random, possessive: str) -> str:
    """A past verb phrase that any subject can take."""
    article = rng.choice(
        ["the", "a", possessive, f"the {rng.choice(ADJECTIVES)}", f"{possessive} {rng.choice(ADJECTIVES)}"]
    )
    thing = f"{article} {rng.choice(OBJECTS)}"
    spot = rng.choice(["in", "near", "behind"]) + f" the {rng.choice(PLACES)}"
    return rng.choice(
        [f"{rng.choice(PAST)} {thing}", f"{rng.choice(PAST)} {thing} {spot}", f"{rng.choice(GONE)} {spot}"]
    )


def pronoun_text(rng: random.Random) -> str:
    """A text with one subject and, later or earlier, its pronoun."""
    pronoun = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    possessive, be, number = FORMS[pronoun]
    who, time, mood, thing = subject(rng, pronoun), rng.choice(TIMES), rng.choice(MOODS), rng.choice(OBJECTS)
    one, two = event(rng, possessive), event(rng, possessive)
    present, like = rng.choice(PRESENT)[number], rng.choice(PRESENT)[number]
    patterns = [
        lambda: f"{who} {one}, then {pronoun} {two}",
        lambda: f"when {who} {one}, {pronoun} {two}",
        lambda: f"{who} {one} because {pronoun} {be} {mood}",
        lambda: f"{who} {one} and {pronoun} {two}",
        lambda: f"{who} {one}. {capital(pronoun)} {be} {mood}",
        lambda: f"{who} {one}. {capital(pronoun)} {two}",
        lambda: f"{time}, {who} {one}, but {pronoun} {be} {mood}",
        lambda: f"{time} {who} {one}, so {pronoun} {rng.choice(MODALS)} {rng.choice(BASE)}",
        lambda: f"{who} said that {pronoun} {rng.choice(MODALS)} {rng.choice(BASE)} {time}",
        lambda: f"{who} {present} the {thing} because {pronoun} {like} the {rng.choice(PLACES)}",
        lambda: (
            f"{time}, {who} {one}, and although the {rng.choice(PLACES)} was {rng.choice(ADJECTIVES)},"
            f" {pronoun} {two}"
        ),
        lambda: f"after {pronoun} {one}, {who} {two}",
        lambda: (
            f"there was a {rng.choice(ADJECTIVES)} {thing}. {capital(who)} {one}, and {time} {pronoun} {two}"
        ),
    ]
    return capital(rng.choice(patterns)()) + "."


def neutral_text(rng: random.Random) -> str:
    """A text without any pronoun."""
    pick = rng.choice
    thing, other = f"{pick(ADJECTIVES)} {pick(OBJECTS + THINGS)}", pick(OBJECTS + THINGS)
    spot, time, weather = pick(PLACES), pick(TIMES), pick(WEATHER)
    name = pick(MEN + WOMEN)
    patterns = [
        lambda: f"the {thing} {pick(NEUTRAL_PAST)} near the {spot}",
        lambda: f"there was a {thing} behind the {spot}",
        lambda: f"{time}, the {weather} {pick(['stopped', 'began', 'returned'])} over the {spot}",
        lambda: f"the {pick(MATTERS)} of the {other} was {pick(ADJECTIVES)}",
        lambda: f"{name} {pick(PAST)} the {thing} in the {spot}",
        lambda: f"{pick(MEN)} and {pick(WOMEN)} {pick(GONE)} near the {spot} {time}",
        lambda: f"every {pick(ANIMALS)} in the {spot} {pick(GONE)} {time}",
        lambda: f"the {pick(PEOPLE)} {pick(PAST)} a {thing} and {pick(PAST)} the {other}",
        lambda: (
            f"the {spot} was {pick(ADJECTIVES)}, and the {weather} {pick(['stopped', 'began', 'returned'])}"
            f" {time}"
        ),
        lambda: (
            f"the {other} was {pick(ADJECTIVES)}. The {pick(MATTERS)} of the {pick(OBJECTS)} was"
            f" {pick(ADJECTIVES)}"
        ),
    ]
    return capital(pick(patterns)()) + "."


def capital(text: str) -> str:
    """The text with its first letter in upper case; the rest stays."""
    return text[:1].upper() + text[1:]
