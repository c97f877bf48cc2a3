"""Which words are of which class: forms, tags, lemmas, counterparts, and what is refused."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradiend_core.data.finding import RulesFinder
from gradiend_core.data.paradigm import RulesParadigm
from gradiend_core.data.rules import Rules, choose_classes, recased
from gradiend_core.errors import ConfigError, DataError
from gradiend_core.records.pair import SPLITS
from gradiend_core.records.run import DataSettings
from gradiend_core.records.text import Text, Token
from gradiend_core.roles.paradigm import PairingTask

AB = {"A": ("he",), "B": ("they",)}


def found(rules: Rules, text: str | Text, classes=()) -> list[tuple[str, str]]:
    finder = RulesFinder(rules, choose_classes(classes, (), rules.names, "words"))
    finding = finder.find(Text(text) if isinstance(text, str) else text)
    return [(slot.surface, slot.rule_class) for slot in finding.candidates]


def pairs_of(rules: Rules, texts, classes=(), transitions=(), one_way=False, **more):
    options = DataSettings(**more)
    paradigm = RulesParadigm("words", rules, classes, transitions, one_way=one_way)
    return paradigm.pairs(
        PairingTask([Text(t, n) if isinstance(t, str) else t for n, t in enumerate(texts)], options, 0)
    )


def tagged(*words: tuple[str, str, dict[str, str]], unit: int = 0) -> Text:
    """A text of (form, lemma, tags)."""
    tokens, at = [], 0
    for form, lemma, tags in words:
        tokens.append(Token(at, at + len(form), lemma, tags))
        at += len(form) + 1
    return Text(" ".join(form for form, _, _ in words), unit, tokens=tuple(tokens))


# --- forms
# ----------------------------------------------------------------------------------------------------
def test_words_stand_alone_in_any_case_and_composition():
    rules = Rules({"A": ("café", "no one", "straße", "c++"), "B": ("they",)})
    decomposed = unicodedata.normalize("NFD", "Café")
    for text, surface in [
        ("a CAFÉ here", "CAFÉ"),
        (f"a {decomposed} here", decomposed),
        ("so No One came", "No One"),
        ("die STRASSE dort", "STRASSE"),
        ("in c++.", "c++"),
        ("(they)", "they"),
    ]:
        assert [each for each, _ in found(rules, text)] == [surface], text
    for text in (
        "cafés",
        "nooone",
        "straßen",
        "theyre",
        "they're",
        "they’re",
        "_they_",
        "they2",
        unicodedata.normalize("NFD", "caféé"),
    ):
        assert found(rules, text) == [], text


def test_scripts_without_spaces_take_the_longest_word():
    rules = Rules({"SG": ("他",), "PL": ("他们",)}, whole_words=False)
    assert found(rules, "昨天他们来了。") == [("他们", "PL")]
    assert found(rules, "昨天他来了。") == [("他", "SG")]


def test_case_can_matter():
    rules = Rules({"A": ("Will",), "B": ("Anna",)}, case_sensitive=True)
    assert found(rules, "will Will see ANNA") == [("Will", "A")]


@pytest.mark.parametrize(
    ("surface", "listed", "word", "left", "expected"),
    [
        ("he", "he", "they", "Tom said ", "they"),
        ("He", "he", "they", "", "They"),
        ("HE", "he", "they", "", "THEY"),
        ("I", "I", "we", "Then ", "we"),
        ("I", "I", "we", "He left. ", "We"),
        ("We", "we", "I", "", "I"),
        ("they", "they", "I", "so ", "I"),
        ("Christian", "Christian", "Muslim", "a ", "Muslim"),
        ("Christian", "Christian", "church", "a ", "church"),
        ("church", "church", "Islam", "a ", "Islam"),
        ("CHURCH", "church", "mosque", "a ", "MOSQUE"),
        ("black", "black", "Asian", "a ", "Asian"),
        ("christian", "Christian", "Muslim", "a ", "muslim"),
        ("hE", "he", "they", "", "they"),
    ],
)
def test_an_alternative_is_written_as_the_factual_is(surface, listed, word, left, expected):
    assert recased(surface, listed, word, left) == expected


# --- tags and lemmas
# ----------------------------------------------------------------------------------------------------
DER = {gender: {"upos": ("DET",), "Gender": (gender,)} for gender in ("Masc", "Fem")}
GERMAN = Rules({"Masc": ("der",), "Fem": ("der",)}, tags=DER)


def test_tags_tell_which_class_a_form_is_of():
    def der(**tags):
        return tagged(("Und", "und", {}), ("der", "der", {"upos": "DET", **tags}), ("Stein", "Stein", {}))

    assert found(GERMAN, der(Gender="Masc")) == [("der", "Masc")]
    assert found(GERMAN, der(Gender="Fem")) == [("der", "Fem")]
    for tags in ({"Gender": "Neut"}, {}, {"Gender": "Masc,Fem"}, {"Gender": "Masc", "upos": "PRON"}):
        assert found(GERMAN, der(**tags)) == [], "an unclear tag is no tag"
    inside = tagged(("der-Stein", "Stein", {"upos": "DET", "Gender": "Masc"}), ("da", "da", {}))
    assert found(GERMAN, inside) == [], "the tags of a longer word are not those of its part"


def test_untagged_text_is_refused_where_tags_decide():
    with pytest.raises(DataError, match=r"the class of 'der' depends on tags \(Masc, Fem\).*data.tagger"):
        pairs_of(GERMAN, ["und der Stein"])
    with pytest.raises(DataError, match="classes are given by lemmas"):
        pairs_of(Rules(lemmas={"A": ("go",), "B": ("run",)}), ["he went"])


def test_lemmas_find_every_form_and_alternatives_are_forms_that_were_found():
    texts = []
    for n in range(12):
        for form, lemma in (("went", "go"), ("goes", "go"), ("ran", "run"), ("runs", "run")):
            texts.append(
                tagged(
                    (f"n{n}", "n", {}), (form, lemma, {"upos": "VERB"}), ("home", "home", {}), unit=len(texts)
                )
            )
    data = pairs_of(Rules(lemmas={"A": ("go",), "B": ("run",)}, tags={"A": {"upos": ("VERB",)}}), texts)
    assert {(pair.factual, pair.factual_class) for pair in data.pairs} == {
        ("went", "A"),
        ("goes", "A"),
        ("ran", "B"),
        ("runs", "B"),
    }
    assert {pair.alternative for pair in data.pairs if pair.factual_class == "A"} == {"ran", "runs"}
    assert data.drop_multi_token_words


def test_neutral_text_is_without_certain_words_and_tags():
    rules = Rules(AB, not_neutral=("his",), not_neutral_tags={"PronType": ("Art",)})
    texts = [f"{word} {n} ran" for n in range(6) for word in ("he", "they")] + [
        "his map lay here",
        "so it rained",
    ]
    texts += [tagged(("a", "a", {"PronType": "Art"}), ("map", "map", {}), unit=99)]
    data = pairs_of(rules, texts)
    assert data.neutral_texts == ("so it rained",)
    assert sorted(drop.reason for drop in data.funnel.drops) == [
        "no target word, but a related one, so not neutral",
        "no target word, but a tag of one, so not neutral",
    ]


def test_a_word_may_count_only_before_others():
    rules = Rules({"A": ("white",), "B": ("they",)}, only_before={"white": ("man", "Woman")})
    assert found(rules, "a White woman") == [("White", "A")]
    assert found(rules, "a white horse") == found(rules, "it is white.") == []


# --- counterparts
# ----------------------------------------------------------------------------------------------------
def test_words_to_spare_are_those_that_occur():
    words = {"A": ("good", "great"), "B": ("bad", "awful", "poor")}
    texts = [f"{n} it was {word} then" for n in range(9) for word in ("good", "bad")]
    assert pairs_of(Rules(words), texts).words == words
    used = pairs_of(
        Rules({**words, "A": ("good", "great", "grand")}, aligned=True, drop_multi_token_words=True), texts
    )
    assert used.words == {"A": ("good",), "B": ("bad",)}
    assert used.drop_multi_token_words


def test_aligned_words_stand_for_each_other():
    rules = Rules(
        {"A": ("good", "great", "fine"), "B": ("bad", "awful", "poor"), "C": ("so-so", "so-so", "fair")},
        aligned=True,
    )
    texts = [
        f"{n} it was {word} then"
        for n in range(40)
        for word in ("good", "great", "bad", "awful", "so-so", "fair")
    ]
    swaps = {(pair.factual, pair.alternative) for pair in pairs_of(rules, texts).pairs}
    assert {b for a, b in swaps if a == "good"} == {"bad", "so-so"}
    assert {b for a, b in swaps if a == "so-so"} == {"good", "great", "bad", "awful"}
    assert {b for a, b in swaps if a == "fair"} == {"fine", "poor"}


def test_transitions_may_be_one_way():
    rules = Rules({"A": ("i",), "B": ("we",), "C": ("he",), "D": ("they",)})
    texts = [f"so {word} ran {n}" for n in range(9) for word in ("i", "we", "he", "they")]
    both = pairs_of(rules, texts, ("A+C", "B+D"), [("A", "B"), ("C", "D")])
    assert {(pair.factual, pair.alternative) for pair in both.pairs} == {
        ("i", "we"),
        ("we", "i"),
        ("he", "they"),
        ("they", "he"),
    }
    three = pairs_of(rules, texts, ("A", "B", "C"), [("A", "B"), ("B", "C"), ("C", "A")], one_way=True)
    assert {(pair.factual, pair.alternative) for pair in three.pairs} == {
        ("i", "we"),
        ("we", "he"),
        ("he", "i"),
    }
    with pytest.raises(DataError, match="class A has no train pair"):
        pairs_of(rules, texts, ("A", "B"), [("B", "A")], one_way=True)


# --- what is refused
# ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"words": {"A": ("he",), "B": ("He",)}}, "'he' is a word of both A and B, and no tags tell which"),
        (
            {"words": {"A": ("der",), "B": ("der",)}, "tags": {"A": {"Case": ("Nom",)}}},
            "is a word of both A and B",
        ),
        (
            {"words": {"A": ("der",), "B": ("der",)}, "tags": {name: {"Case": ("Nom",)} for name in "AB"}},
            "is a word of both",
        ),
        (
            {
                "words": {"A": ("der",), "B": ("der",)},
                "tags": {"A": {"Case": ("Nom", "Acc")}, "B": {"Case": ("Acc",)}},
            },
            "is a word of both",
        ),
        ({"words": {"A": (), "B": ("they",)}}, "class A has no words"),
        ({"words": {"A": (" ",), "B": ("they",)}}, "a target word is empty"),
        ({"words": AB, "tags": {"a": {}}}, "unknown class of tags 'a'"),
        (
            {"words": {"A": ("good", "fine"), "B": ("bad",)}, "aligned": True},
            r"lists of the same length, without lemmas \(A 2, B 1\)",
        ),
    ],
)
def test_rules_that_contradict_themselves_are_refused(rules, words):
    with pytest.raises(ConfigError, match=words):
        Rules(**rules)


def test_a_feature_needs_two_classes():
    with pytest.raises(ConfigError, match="needs two classes, but there is only A"):
        RulesParadigm("words", Rules({"A": ("he",)}))


# --- properties
# ----------------------------------------------------------------------------------------------------
WORDS = {"SG": ("he", "she", "no one"), "PL": ("they", "all of them", "Éva's"), "X": ("we",)}
pieces = st.sampled_from(
    "he she He no one No One they all of them THEY we his the dog . , ' ’ -he- he2 Éva's [MASK] 彼 \t".split(
        " "
    )
)
texts_of_pieces = st.lists(st.lists(pieces, min_size=1, max_size=10).map(" ".join), max_size=50)


@settings(max_examples=100, deadline=None)
@given(
    texts_of_pieces,
    st.integers(0, 2),
    st.sampled_from([(), ("SG", "PL"), ("SG+X", "PL")]),
    st.sampled_from(["off", "try"]),
    st.sampled_from(["text", "document"]),
    st.booleans(),
    st.integers(0, 20),
)
def test_properties(texts, seed, classes, balance, split_by, identity, limit):
    rules = Rules(WORDS)
    enough = [
        f"{word} did {n} times"
        for word in ("he", "she", "they", "all of them", "we", "we")
        for n in range(12)
    ]
    given_ = [Text(text, n, document=str(n // 2)) for n, text in enumerate(texts + enough)]
    options = DataSettings(
        balance=balance,
        split_by=split_by,
        identity=identity,
        max_per_class=limit and limit + 8,
        neutral_slots=5,
        max_neutral=limit,
    )
    paradigm = RulesParadigm("words", rules, classes)
    data = paradigm.pairs(PairingTask(given_, options, seed))
    assert data == paradigm.pairs(PairingTask(given_, options, seed)), "one seed, one result"
    originals = {text.text.strip() for text in given_}
    listed = {
        name: {word.casefold() for part in name.split("+") for word in WORDS[part]} for name in data.classes
    }
    for pair in data.pairs:
        assert pair.text in originals, "the factual put back gives the text"
        assert pair.factual.casefold() in listed[pair.factual_class]
        assert pair.alternative.casefold() in listed[pair.alternative_class]
        assert pair.factual_class != pair.alternative_class
        assert "[MASK]" not in pair.text
        if limit:
            assert data.counts().total() <= (limit + 8) * len(data.classes)
    for pair in data.neutral_pairs:
        assert pair.text in originals
        assert pair.factual == pair.alternative
        assert pair.factual_class == pair.alternative_class not in data.classes
    home: dict[str, str] = {}
    where = {text.text.strip(): text.document for text in reversed(given_)}
    for pair in data.pairs:
        keys = [f"text {pair.text}", f"context {pair.left}…{pair.right}"]
        keys += [f"document {where[pair.text]}"] if split_by == "document" else []
        assert all(home.setdefault(key, pair.split) == pair.split for key in keys), "splits are disjoint"
    assert {split for split, _ in data.counts()} == set(SPLITS)
    assert data.funnel.read == len(given_)
