"""German sentences from a small grammar, with the case, gender and number of each word: what the tiny German
model learns.

A sentence is a list of tokens. Four fifths hold definite articles in all four cases, of singular and of
plural nouns; one fifth holds no article at all. Every draw comes from one seeded generator.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from attrs import evolve, frozen

ARTICLES = {
    ("Masc", "Nom"): "der",
    ("Masc", "Acc"): "den",
    ("Masc", "Dat"): "dem",
    ("Masc", "Gen"): "des",
    ("Fem", "Nom"): "die",
    ("Fem", "Acc"): "die",
    ("Fem", "Dat"): "der",
    ("Fem", "Gen"): "der",
    ("Neut", "Nom"): "das",
    ("Neut", "Acc"): "das",
    ("Neut", "Dat"): "dem",
    ("Neut", "Gen"): "des",
    ("Plur", "Nom"): "die",
    ("Plur", "Acc"): "die",
    ("Plur", "Dat"): "den",
    ("Plur", "Gen"): "der",
}
#: singular, and genitive where it differs
NOUNS = {
    "Masc": {
        noun.split("/")[0]: noun.split("/")[-1]
        for noun in (
            "Hund/Hundes Mann/Mannes Tisch/Tisches Garten/Gartens Lehrer/Lehrers Vater/Vaters König/Königs"
            " Vogel/Vogels Wagen/Wagens Brief/Briefes Koch/Kochs Wald/Waldes Fluss/Flusses Berg/Berges"
            " Ofen/Ofens Schlüssel/Schlüssels Apfel/Apfels Bruder/Bruders Stuhl/Stuhls Baum/Baumes"
        ).split()
    },
    "Fem": {
        noun: noun
        for noun in (
            "Katze Frau Lampe Stadt Lehrerin Mutter Königin Blume Tasche Zeitung Köchin Wiese Brücke Straße"
            " Tür Schwester Gabel Maus Uhr Kirche"
        ).split()
    },
    "Neut": {
        noun.split("/")[0]: noun.split("/")[-1]
        for noun in (
            "Kind/Kindes Haus/Hauses Buch/Buches Pferd/Pferdes Mädchen/Mädchens Fenster/Fensters Auto/Autos"
            " Bild/Bildes Dorf/Dorfes Brot/Brotes Schaf/Schafes Messer/Messers Dach/Daches Feld/Feldes"
            " Bett/Bettes Kleid/Kleides Boot/Bootes Schiff/Schiffes Tor/Tores Zimmer/Zimmers"
        ).split()
    },
}
#: plural, and its dative
PLURALS = dict(
    pair.split("/")
    for pair in (
        "Hunde/Hunden Männer/Männern Tische/Tischen Vögel/Vögeln Briefe/Briefen Katzen/Katzen Frauen/Frauen"
        " Lampen/Lampen Blumen/Blumen Kinder/Kindern Bücher/Büchern Pferde/Pferden Bilder/Bildern"
        " Schafe/Schafen Bäume/Bäumen"
    ).split()
)
NAMES = "Anna Peter Maria Paul Julia Thomas Sabine Karl Eva Otto".split()
ADJECTIVES = "alt klein schön neu groß rot still klug".split()
#: singular: infinitive, which is the plural too
TRANSITIVE = {
    "sieht": "sehen",
    "findet": "finden",
    "sucht": "suchen",
    "malt": "malen",
    "holt": "holen",
    "kennt": "kennen",
}
TRANSITIVE |= {"mag": "mögen", "braucht": "brauchen", "vergisst": "vergessen", "verkauft": "verkaufen"}
DATIVE = {"hilft": "helfen", "folgt": "folgen", "dankt": "danken", "gehört": "gehören", "gefällt": "gefallen"}
DATIVE |= {"vertraut": "vertrauen"}
INTRANSITIVE = {
    "schläft": "schlafen",
    "wartet": "warten",
    "lacht": "lachen",
    "liegt": "liegen",
    "steht": "stehen",
}
WITH_DATIVE = "mit von bei aus neben hinter".split()
WITH_ACCUSATIVE = "durch für ohne um gegen".split()
WITH_GENITIVE = "wegen trotz während".split()
ADVERBS = "heute gestern oft immer bald gern".split()


@frozen
class Word:
    """A token with its tags, as in CoNLL-U."""

    form: str
    lemma: str
    upos: str
    feats: str = "_"


def texts(seed: int) -> Iterator[str]:
    """Endless texts; the same seed gives the same texts."""
    return (plain(sentence) for sentence in sentences(seed))


def sentences(seed: int) -> Iterator[list[Word]]:
    """Endless sentences with their tags."""
    rng = random.Random(seed)
    while True:
        words = sentence(rng) if rng.random() < 0.8 else without_article(rng)
        words[0] = evolve(words[0], form=words[0].form[:1].upper() + words[0].form[1:])
        yield [*words, Word(".", ".", "PUNCT")]


def plain(words: list[Word]) -> str:
    return " ".join(word.form for word in words[:-1]) + words[-1].form


def conllu(words: list[Word], number: int) -> str:
    """One sentence as a block of CoNLL-U; heads and relations are left open."""
    lines = [f"# sent_id = tiny-{number}", f"# text = {plain(words)}"]
    for number, word in enumerate(words, start=1):
        space = "SpaceAfter=No" if number == len(words) - 1 else "_"
        lines.append(f"{number}\t{word.form}\t{word.lemma}\t{word.upos}\t_\t{word.feats}\t_\t_\t_\t{space}")
    return "\n".join(lines) + "\n\n"


def phrase(rng: random.Random, case: str, plural: bool) -> list[Word]:
    """Article, perhaps an adjective, noun."""
    if plural:
        gender, noun = "Plur", rng.choice(list(PLURALS))
        form, tags = PLURALS[noun] if case == "Dat" else noun, f"Case={case}|Number=Plur"
    else:
        gender = rng.choice(list(NOUNS))
        noun = rng.choice(list(NOUNS[gender]))
        form, tags = (
            NOUNS[gender][noun] if case == "Gen" else noun,
            f"Case={case}|Gender={gender}|Number=Sing",
        )
    article = Word(
        ARTICLES[gender, case], "der", "DET", f"{tags.replace('|', '|Definite=Def|', 1)}|PronType=Art"
    )
    weak = case in ("Dat", "Gen") or plural or (gender, case) == ("Masc", "Acc")
    adjective = rng.choice(ADJECTIVES)
    middle = [Word(adjective + ("en" if weak else "e"), adjective, "ADJ", tags)] if rng.random() < 0.4 else []
    return [article, *middle, Word(form, noun, "NOUN", tags)]


def sentence(rng: random.Random) -> list[Word]:
    """A subject, a verb, and what the verb or a preposition asks for."""

    def some(case: str) -> list[Word]:
        return phrase(rng, case, rng.random() < 0.2)

    def before(prepositions: list[str], case: str) -> list[Word]:
        word = rng.choice(prepositions)
        return [Word(word, word, "ADP"), *some(case)]

    named, plural = rng.random() < 0.3, rng.random() < 0.2
    name = rng.choice(NAMES)
    subject = [Word(name, name, "PROPN")] if named else phrase(rng, "Nom", plural)

    def verb(verbs: dict[str, str]) -> list[Word]:
        form = rng.choice(list(verbs))
        return [Word(verbs[form] if plural and not named else form, verbs[form], "VERB")]

    adverb = rng.choice(ADVERBS)
    made: tuple[Callable[[], list[Word]], ...] = (
        lambda: [*subject, *verb(TRANSITIVE), *some("Acc")],
        lambda: [*subject, *verb(TRANSITIVE), *some("Acc"), *before(WITH_DATIVE, "Dat")],
        lambda: [*subject, *verb(DATIVE), *some("Dat")],
        lambda: [*subject, *verb(DATIVE), *some("Dat"), *before(WITH_ACCUSATIVE, "Acc")],
        lambda: (
            [*subject, *some("Gen"), *verb(INTRANSITIVE), *before(WITH_DATIVE, "Dat")]
            if not named
            else [*subject, *verb(TRANSITIVE), *some("Acc"), *some("Gen")]
        ),
        lambda: [*subject, *verb(INTRANSITIVE), *before(WITH_GENITIVE, "Gen")],
        lambda: [Word(adverb, adverb, "ADV"), *verb(TRANSITIVE), *subject, *some("Acc"), *some("Gen")],
        lambda: [*before(WITH_GENITIVE, "Gen"), *verb(INTRANSITIVE), *subject, *before(WITH_DATIVE, "Dat")],
    )
    return rng.choice(made)()


def without_article(rng: random.Random) -> list[Word]:
    """A sentence without any article."""
    one, other = rng.sample(NAMES, 2)
    adverb, preposition = rng.choice(ADVERBS), rng.choice([*WITH_DATIVE, *WITH_ACCUSATIVE])
    verb = rng.choice(list(INTRANSITIVE))
    waits = Word(verb, INTRANSITIVE[verb], "VERB")
    action = rng.choice(list(TRANSITIVE))
    subject, tail = [Word(one, one, "PROPN")], [Word(other, other, "PROPN")]
    return rng.choice(
        [
            [*subject, waits, Word(adverb, adverb, "ADV")],
            [*subject, waits, Word(adverb, adverb, "ADV"), Word(preposition, preposition, "ADP"), *tail],
            [*subject, Word(action, TRANSITIVE[action], "VERB"), *tail, Word(adverb, adverb, "ADV")],
        ]
    )
