"""Balance and splits: shares are met, nothing that belongs together is divided, and leaks are errors."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradiend_core.data.balance import word_quotas
from gradiend_core.data.collecting import MAX_CHARACTERS
from gradiend_core.data.paradigm import RulesParadigm
from gradiend_core.data.reservoir import Reservoir
from gradiend_core.data.rules import Rules
from gradiend_core.data.splits import assign_splits, check_leaks, connected
from gradiend_core.errors import ConfigError, DataError
from gradiend_core.records.run import DataSettings
from gradiend_core.records.text import Text
from gradiend_core.roles.paradigm import PairingTask

SHARES = (0.6, 0.2, 0.2)
MOODS = Rules(
    {
        "good": ("good", "nice", "fine", "kind", "glad", "calm"),
        "bad": ("bad", "nasty", "poor", "cruel", "sad", "wild"),
    },
    aligned=True,
)


def pairs_of(rules, texts, **more):
    texts = [Text(text, n) if isinstance(text, str) else text for n, text in enumerate(texts)]
    return RulesParadigm("words", rules).pairs(PairingTask(texts, DataSettings(**more), 0))


@given(st.lists(st.sampled_from("ab"), min_size=10, max_size=80), st.integers(0, 3))
def test_single_examples_meet_their_shares(classes, seed):
    splits = assign_splits([{name: 1} for name in classes], SHARES, random.Random(seed))
    for name, total in Counter(classes).items():
        counts = Counter(split for split, own in zip(splits, classes, strict=True) if own == name)
        assert abs(counts["train"] - 0.6 * total) <= 1.5
        assert total < 3 or set(counts) == {"train", "validation", "test"}


@given(st.lists(st.integers(1, 9), min_size=8, max_size=40))
def test_groups_meet_their_shares_as_nearly_as_their_size_allows(sizes):
    splits = assign_splits([{"a": size} for size in sizes], SHARES, random.Random(0))
    for split, share in zip(("train", "validation", "test"), SHARES, strict=True):
        assert abs(
            sum(n for n, own in zip(sizes, splits, strict=True) if own == split) - share * sum(sizes)
        ) <= max(sizes)


def test_the_largest_groups_come_first():
    splits = assign_splits([{"a": size} for size in [1] * 30 + [15, 15]], SHARES, random.Random(0))
    train = sum(size for size, split in zip([1] * 30 + [15, 15], splits, strict=True) if split == "train")
    assert abs(train - 36) <= 1


def test_what_shares_a_key_is_connected():
    assert connected([("a", 1), ("b", 2), ("c", 1), ("d", 3), ("b", 3)]) == [0, 1, 0, 1, 1]


def test_a_leak_is_an_error_that_names_it():
    check_leaks("document", ["a", "a", "b"], ["train", "train", "test"])
    with pytest.raises(DataError, match="1 pairs leak: document 'a' is in train and in test; split anew"):
        check_leaks("document", ["a", "a"], ["train", "test"])


def test_the_same_context_with_other_words_stays_in_one_split():
    texts = [f"it was {word} on day {n}" for n in range(30) for word in ("good", "bad", "nasty")]
    data = pairs_of(MOODS, texts)
    home: dict[str, str] = {}
    assert all(home.setdefault(pair.right, pair.split) == pair.split for pair in data.pairs)
    assert len(set(home.values())) == 3


def test_documents_are_not_divided():
    texts = [
        Text(f"{n} it was {word} then", n, document=f"book {n % 10}")
        for n in range(100)
        for word in ("good", "bad")
    ]
    data = pairs_of(MOODS, texts, split_by="document")
    books = {
        split: {int(pair.text.split()[0]) % 10 for pair in data.split(split)}
        for split in ("train", "validation", "test")
    }
    assert sorted(map(len, books.values())) == [2, 2, 6]
    assert not books["train"] & books["test"]
    with pytest.raises(DataError, match="has no document; set data.document_column"):
        pairs_of(
            MOODS,
            [f"{n} it was good" for n in range(9)] + [f"{n} it was bad" for n in range(9)],
            split_by="document",
        )
    with pytest.raises(
        DataError, match="has no (validation|test) pair when split by document: too few documents have it"
    ):
        pairs_of(
            MOODS,
            [Text(f"{n} it was {word}", n, "book") for n in range(9) for word in ("good", "bad")],
            split_by="document",
        )


def test_held_out_words_are_in_one_split_with_their_counterparts():
    words = [word for own in MOODS.words.values() for word in own]
    texts = [f"{n} it was {word} then {word}" for n in range(20) for word in words]
    data = pairs_of(MOODS, texts, split_by="word")
    by_split = {
        split: {w for p in data.split(split) for w in (p.factual, p.alternative)}
        for split in ("train", "validation", "test")
    }
    assert not by_split["train"] & by_split["test"]
    assert not by_split["train"] & by_split["validation"]
    assert all(len(by_split[split]) >= 2 for split in by_split)
    loose = Rules({"good": MOODS.words["good"], "bad": MOODS.words["bad"]})
    drawn = pairs_of(loose, texts, split_by="word")
    homes: dict[str, set[str]] = {}
    for pair in drawn.pairs:
        homes.setdefault(pair.factual, set()).add(pair.split)
        homes.setdefault(pair.alternative, set()).add(pair.split)
    assert all(len(home) == 1 for home in homes.values())
    few = Rules({"good": ("good",), "bad": ("bad", "poor", "wild")})
    with pytest.raises(
        DataError, match="class good has no validation pair when split by word: too few words have it"
    ):
        pairs_of(few, texts, split_by="word")


def test_given_splits_are_taken_and_checked():
    def text(n, word, split, extra=""):
        return Text(f"{n} it was {word}{extra}", n, split=split)

    names = ["train"] * 6 + ["dev"] * 2 + ["test"] * 2
    texts = [text(n, word, names[n]) for n in range(10) for word in ("good", "bad")]
    data = pairs_of(
        MOODS, [*texts, *(Text(f"map {n} lay there", 50 + n) for n in range(5))], split_by="given"
    )
    assert data.counts() == {
        (s, c): k for s, k in (("train", 6), ("validation", 2), ("test", 2)) for c in ("good", "bad")
    }
    assert len(data.neutral_pairs) == 5
    with pytest.raises(DataError, match="leak: the context '0 it was …' is in train and in test"):
        pairs_of(MOODS, [*texts, text(0, "nice", "test")], split_by="given")
    with pytest.raises(DataError, match="a text's split is 'extra', which is none of train"):
        pairs_of(MOODS, [*texts, text(77, "nice", "extra")], split_by="given")


# --- balance
# ----------------------------------------------------------------------------------------------------
def test_a_reservoir_is_a_fair_sample():
    counts: Counter[int] = Counter()
    for seed in range(3000):
        reservoir = Reservoir(5, random.Random(seed))
        for item in range(20):
            reservoir.offer(item)
        counts.update(reservoir.items)
        assert len(set(reservoir.items)) == 5
    assert all(abs(count - 750) < 120 for count in counts.values()), "each item has the same chance"


def test_quotas_of_words():
    found = {"a": 100, "b": 50, "c": 4}
    assert word_quotas("x", found, ("a", "b", "c"), "try", 60) == {"a": 28, "b": 28, "c": 4}
    assert word_quotas("x", found, ("a", "b", "c"), "try", 0) == found
    assert word_quotas("x", found, ("a", "b", "c"), "strict", 0) == {"a": 4, "b": 4, "c": 4}
    assert word_quotas("x", found, ("a", "b", "c"), "strict", 6) == {"a": 2, "b": 2, "c": 2}
    with pytest.raises(DataError, match="of class x no pair has d; leave the word out"):
        word_quotas("x", found, ("a", "d"), "strict", 0)


def test_words_of_a_class_are_balanced():
    texts = [
        f"{n} it was {word}"
        for word, count in (("good", 60), ("nice", 10), ("bad", 40), ("poor", 40))
        for n in range(count)
    ]
    rules = Rules({"good": ("good", "nice"), "bad": ("bad", "poor")})

    def counts(**more):
        return Counter(pair.factual for pair in pairs_of(rules, texts, **more).pairs)

    assert counts(balance="strict") == {"good": 10, "nice": 10, "bad": 40, "poor": 40}
    assert counts(balance="try", max_per_class=30) == {"good": 20, "nice": 10, "bad": 15, "poor": 15}
    off = counts(max_per_class=30)
    assert off["good"] + off["nice"] == 30
    assert off["nice"] < 10
    reasons = [drop.reason for drop in pairs_of(rules, texts, balance="strict").funnel.drops]
    assert reasons == ["to balance the words of class good"]


# --- limits and the account of them
# ---------------------------------------------------------------------------------------
def dropped(data):
    """The warnings of what was dropped; the texts of these tests are nearly the same, which is warned of
    too."""
    return [warning for warning in data.funnel.warnings if "dropped" in warning]


def test_limits_are_off_by_default_and_show_up_when_on():
    texts = [f"{'so ' * (n % 4)}it was {word} {n} times" for n in range(40) for word in ("good", "bad")]
    assert not pairs_of(MOODS, texts).funnel.drops
    left = pairs_of(MOODS, texts, min_left_words=4)
    (drop,) = left.funnel.drops
    assert (drop.reason, drop.count) == ("fewer than 4 words before the target word", 40)
    assert len(drop.examples) == 3
    assert not dropped(left), "half is not more than half"
    short = pairs_of(MOODS, texts, max_words=5)
    assert [(d.reason, d.count) for d in short.funnel.drops] == [("more than 5 words", 60)]
    assert dropped(short) == [
        "30 of 40 texts with a word of bad were dropped: more than 5 words",
        "30 of 40 texts with a word of good were dropped: more than 5 words",
    ]


def test_endless_lines_are_dropped_with_a_way_out():
    long = "so " * MAX_CHARACTERS + "it was good"
    with pytest.raises(
        DataError, match=r"dropped 1: longer than 100,000 characters; data.sentences splits it"
    ):
        pairs_of(MOODS, [long, *(f"{n} it was bad" for n in range(9))])


def test_neutral_slots_and_identity_pairs():
    rules = Rules({"A": ("he",), "B": ("they",), "C": ("we",)})
    texts = [f"so {word} ran home {n}" for n in range(20) for word in ("he", "they", "we")] + [
        f"map {n} lay there" for n in range(9)
    ]
    texts = [Text(text, n) for n, text in enumerate(texts)]
    paradigm = RulesParadigm("words", rules, ("A", "B"))
    data = paradigm.pairs(PairingTask(texts, DataSettings(neutral_slots=7, identity=True), 0))
    assert Counter(pair.factual_class for pair in data.neutral_pairs) == {
        "neutral": 9,
        "neutral slot": 7,
        "C": 20,
    }
    home = {pair.text: pair.split for pair in data.pairs}
    for pair in data.neutral_pairs:
        assert pair.factual == pair.alternative
        assert home.get(pair.text, pair.split) == pair.split, (
            "a slot in a feature text is in the split of its text"
        )
        assert pair.factual not in ("he", "they") or pair.factual_class == "C"


# --- what a text must be, and several pairs of one slot
# ---------------------------------------------------------------------------------------
TEXTS = [f"{'so ' * (n % 4)}it was {word} {n} times" for n in range(40) for word in ("good", "bad")]


def no_threes(text):
    return "3" not in text


def fails(text):
    return 1 / 0


@pytest.mark.parametrize(
    ("settings", "reason", "left"),
    [
        ({"min_characters": 25}, "fewer than 25 characters", lambda text: len(text) >= 25),
        ({"max_characters": 25}, "more than 25 characters", lambda text: len(text) <= 25),
        ({"excluded_characters": "13"}, "one of the characters 13", lambda text: not {"1", "3"} & {*text}),
        ({"filter": f"{__name__}:no_threes"}, f"{__name__}:no_threes leaves it out", no_threes),
    ],
)
def test_a_text_that_is_not_wanted_is_dropped_neutral_or_not(settings, reason, left):
    neutral = [f"the day had {n} hours {'on a map ' * (n % 3)}" for n in range(60)]
    data = pairs_of(MOODS, TEXTS + neutral, **settings)
    kept = [text.strip() for text in TEXTS + neutral if left(text.strip())]
    assert {pair.text for pair in data.pairs} | {*data.neutral_texts} == {*kept}
    assert [(drop.reason, drop.count) for drop in data.funnel.drops] == [
        (reason, len(TEXTS + neutral) - len(kept))
    ]


def test_a_filter_that_is_none_or_fails_is_an_error():
    with pytest.raises(ConfigError, match=r"data.filter is 'nowhere:kept', which cannot be imported"):
        pairs_of(MOODS, TEXTS, filter="nowhere:kept")
    with pytest.raises(ConfigError, match=r"data.filter is 'kept'; it must name a function"):
        pairs_of(MOODS, TEXTS, filter="kept")
    with pytest.raises(DataError, match=r"fails with ZeroDivisionError \(division by zero\) for the text"):
        pairs_of(MOODS, TEXTS, filter=f"{__name__}:fails")


def test_a_slot_may_have_several_pairs_with_different_alternatives():
    rules = Rules({"good": ("good", "nice"), "bad": ("bad", "nasty"), "so": ("usual", "common")})
    texts = TEXTS + [f"it was usual {n} times" for n in range(40)]
    data = pairs_of(rules, texts, alternatives=3)
    by_text = {}
    for pair in data.pairs:
        by_text.setdefault(pair.text, []).append(pair)
    for pairs in by_text.values():
        assert len(pairs) == len({pair.alternative for pair in pairs}) == 3, "of four words in two classes"
        assert len({pair.alternative_class for pair in pairs[:2]}) == 2, "another class first"
        assert len({pair.split for pair in pairs}) == 1
    aligned = pairs_of(MOODS, TEXTS, alternatives=3)
    assert len(aligned.pairs) == len(TEXTS), "there is but one"


def test_transitions_stay_visible_where_classes_are_put_together():
    rules = Rules({"a": ("good",), "b": ("bad",), "c": ("usual",)})
    texts = [f"it was {word} {n} times" for n in range(40) for word in ("good", "bad", "usual")]
    data = RulesParadigm("words", rules, ("a+b", "c")).pairs(
        PairingTask([Text(text, n) for n, text in enumerate(texts)], DataSettings(), 0)
    )
    assert {pair.transition for pair in data.pairs} == {("a", "c"), ("b", "c"), ("c", "a"), ("c", "b")}
    assert {pair.factual_class for pair in data.pairs} == {"a+b", "c"}
