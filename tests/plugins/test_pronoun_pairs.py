"""From texts to pairs: nothing is lost without a word, nothing leaks, and a seed decides everything."""

from __future__ import annotations

import pytest
from gradiend_pronouns import EnglishPronouns
from gradiend_pronouns.paradigm import WORDS, english_pronouns
from hypothesis import given, settings
from hypothesis import strategies as st

from gradiend_core.data.rules import starts_sentence
from gradiend_core.data.texts import read_texts
from gradiend_core.errors import ConfigError, DataError
from gradiend_core.records.pair import NEUTRAL, SPLITS, PairData, code_of
from gradiend_core.records.run import DataSettings
from gradiend_core.roles.paradigm import PairingTask

WORDS_OF_TEXT = [
    *"he she it they He She It They the dog ran home".split(),
    *". , \" ' he's theyre Tom her ÉHE häuser we I you 彼".split(),
    "\n",
]


some_texts = st.lists(
    st.lists(st.sampled_from(WORDS_OF_TEXT), min_size=1, max_size=12).map(" ".join), min_size=20, max_size=60
)


def pairs_of(paradigm, texts, seed=0, **more) -> PairData:
    settings = DataSettings(**more)
    return paradigm.pairs(PairingTask(read_texts(texts, settings), settings, seed))


def pronouns(texts, seed=0, *, data=None, **more) -> PairData:
    return pairs_of(english_pronouns(EnglishPronouns(**more)), texts, seed, **(data or {}))


def enough(number: int = 12) -> list[str]:
    return [f"Tom saw dog {i} and he ran." for i in range(number)] + [
        f"The dogs saw Tom {i} and they ran." for i in range(number)
    ]


@settings(max_examples=150, deadline=None)
@given(some_texts, st.integers(0, 3))
def test_properties_of_pairs(texts, seed):
    texts = texts + enough()
    data = pronouns(texts, seed)
    assert data == pronouns(texts, seed), "one seed, one result"
    stripped = {text.strip() for text in texts}
    for pair in data.pairs:
        assert pair.text in stripped, "putting the factual back gives the original text"
        assert pair.factual.lower() in WORDS[pair.factual_class]
        assert pair.alternative.lower() in WORDS[pair.alternative_class]
        assert pair.factual_class != pair.alternative_class
        assert pair.factual[0].isupper() == pair.alternative[0].isupper()
        assert not pair.left[-1:].isalnum()
        assert not pair.right[:1].isalnum()
        assert pair.right[:1] not in tuple("'’")
    by_split = {split: {pair.text for pair in data.split(split)} for split in SPLITS}
    assert not by_split["train"] & by_split["validation"]
    assert not (by_split["train"] | by_split["validation"]) & by_split["test"]
    assert {(split, name) for split in SPLITS for name in data.classes} == set(data.counts())
    kept = len(data.pairs) + len(data.neutral_texts)
    assert data.funnel.read == len(texts)
    dropped = sum(drop.count for drop in data.funnel.drops if "one word has no slot" not in drop.reason)
    assert kept + dropped == len(texts), "every text is kept or dropped for a reason"


def test_another_seed_draws_other_alternatives_and_splits():
    texts = [f"The dogs {i} saw Tom and they ran." for i in range(60)] + enough()
    one, two = (pronouns(texts, seed) for seed in (0, 1))
    draw = [{pair.text: (pair.alternative, pair.split) for pair in data.pairs} for data in (one, two)]
    assert draw[0] != draw[1]
    assert {pair.alternative for pair in one.pairs if pair.factual == "they"} == {"he", "she", "it"}


def test_neutral_texts_hold_no_pronoun_at_all():
    texts = [
        *enough(),
        "The bridge was old.",
        "Anna saw him there.",
        "We ran.",
        "Their house was old.",
        "The bridge was old.",
        "Stop.",
    ]
    data = pronouns(texts, 0)
    assert sorted(data.neutral_texts) == ["Stop.", "The bridge was old."]
    (pair,) = data.neutral_pairs
    assert pair.factual == pair.alternative != "The"
    assert pair.factual_class == NEUTRAL
    reasons = {drop.reason: drop.count for drop in data.funnel.drops}
    assert reasons == {
        "no target word, but a related one, so not neutral": 3,
        "the same text again": 1,
        "a neutral text of one word has no slot": 1,
    }


def test_first_person_gets_its_capital_from_its_place():
    def alternatives(texts):
        return {pair.text: pair.alternative for pair in pronouns(texts, 0, classes=("1SG", "1PL")).pairs}

    texts = (
        [f"Then I {verb}." for verb in "abcdef"]
        + [f"I {verb}." for verb in "abcdef"]
        + [f"So we {verb}." for verb in "abcdef"]
    )
    found = alternatives(texts)
    assert found["Then I a."] == "we"
    assert found["I a."] == "We"
    assert found["So we a."] == "I"
    assert starts_sentence('He left. "')
    assert not starts_sentence("He said that ")


def test_too_little_text_says_what_is_missing():
    with pytest.raises(DataError, match="there is no text"):
        pronouns([], 0)
    with pytest.raises(DataError, match="there is no text: 2 texts were read"):
        pronouns(["", "  "], 0)
    for text in ("The bridge was old.", "We ran."):
        with pytest.raises(DataError, match=r"class 3SG \(he, she, it\) has 0 pairs in 1 texts"):
            pronouns([text], 0)
    with pytest.raises(
        DataError,
        match=r"class 3PL \(they\) has 0 pairs .*dropped 20: the target word is part of a contraction",
    ):
        pronouns([f"he ran {i}" for i in range(20)] + [f"they're {i}" for i in range(20)])


def test_wrong_rules_are_refused():
    with pytest.raises(ConfigError, match="unknown class of english-pronouns '4SG'; did you mean"):
        pronouns(enough(), classes=("4SG", "3PL"))
    with pytest.raises(ConfigError, match="must differ"):
        pronouns(enough(), classes=("3SG", "3SG"))
    with pytest.raises(ConfigError, match="'they' is a word of both"):
        pronouns(enough(), words={"3SG": ("he", "they")})
    with pytest.raises(ConfigError, match="class 3SG has no words"):
        pronouns(enough(), words={"3SG": ()})
    with pytest.raises(ConfigError, match="add up to 1"):
        pronouns(enough(), data={"split": (0.5, 0.5, 0.5)})


PEOPLE = [
    f"{name} said that {pronoun} left."
    for name in ("Tom", "Anna", "Max", "Rose", "Eve", "Bo")
    for pronoun in ("I", "we", "you", "he", "she", "it", "they")
]


def test_classes_can_be_merged_and_transitions_restricted():
    merged = pronouns([*PEOPLE, "The map was old."], 0, classes=("1SG+3SG", "1PL+3PL"))
    assert merged.classes == ("1SG+3SG", "1PL+3PL")
    assert {(pair.factual, pair.factual_class) for pair in merged.pairs if pair.factual in ("I", "they")} == {
        ("I", "1SG+3SG"),
        ("they", "1PL+3PL"),
    }
    assert {pair.alternative for pair in merged.pairs if pair.factual == "I"} == {"we", "they"}
    strict = pronouns(PEOPLE, classes=("1SG+3SG", "1PL+3PL"), transitions=(("1SG", "1PL"), ("3SG", "3PL")))
    swaps = {(pair.factual, pair.alternative) for pair in strict.pairs}
    assert swaps <= {("I", "we"), ("we", "I"), ("he", "they"), ("she", "they"), ("it", "they")} | {
        ("they", word) for word in ("he", "she", "it")
    }
    assert ("I", "we") in swaps
    one_way = pronouns(PEOPLE, classes=("1SG+3SG", "3PL"), transitions=(("3SG", "3PL"),))
    (drop,) = [drop for drop in one_way.funnel.drops if "no allowed transition" in drop.reason]
    assert drop.count == 6
    for classes in (("1SG+3SG", "3SG"), ("1SG+1SG", "3PL")):
        with pytest.raises(ConfigError, match="must differ, but .* is in more than one"):
            pronouns(enough(), classes=classes)
    for bad in ("1SG+4SG", "1SG+"):
        with pytest.raises(ConfigError, match="unknown class of english-pronouns"):
            pronouns(enough(), classes=(bad, "3PL"))
    with pytest.raises(ConfigError, match="unknown class of english-pronouns '9PL'"):
        pronouns(enough(), transitions=(("9PL", "3PL"),))


def test_more_than_two_classes_have_alternatives_of_every_other():
    data = pronouns(PEOPLE * 1 + [f"{text} Again." for text in PEOPLE], 0, classes=("1SG", "3SG", "3PL"))
    assert data.axes == (("1SG", "others"), ("3SG", "others"), ("3PL", "others"))
    swaps = {(pair.factual_class, pair.alternative_class) for pair in data.pairs}
    assert swaps == {(a, b) for a in data.classes for b in data.classes if a != b}
    by_code = {
        code_of(pair, data.axes[0]): (pair.factual_class, pair.alternative_class) for pair in data.pairs
    }
    assert by_code[1.0][0] == "1SG"
    assert by_code[-1.0][1] == "1SG"
    assert "1SG" not in by_code[0.0]


def test_caps_are_reported():
    data = pronouns(enough(20), data={"max_per_class": 8})
    assert len(data.pairs) == 16
    assert sum(drop.count for drop in data.funnel.drops if "more than 8 pairs" in drop.reason) == 24
