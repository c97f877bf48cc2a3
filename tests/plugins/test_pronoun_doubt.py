"""English pronouns that may be no subjects."""

from __future__ import annotations

import pytest
from gradiend_pronouns import EnglishPronouns
from gradiend_pronouns.doubt import doubt
from gradiend_pronouns.paradigm import english_pronouns

from gradiend_core.data.finding import RulesFinder
from gradiend_core.data.texts import read_texts
from gradiend_core.records.run import DataSettings
from gradiend_core.records.text import Text
from gradiend_core.roles.paradigm import PairingTask
from tests.conftest import asset


def doubts(text: str) -> str:
    """Of the word between stars."""
    left, word, right = text.split("*")
    return doubt(Text(left + word + right), len(left), len(left + word))


@pytest.mark.parametrize(
    "text",
    [
        "The dog was tired because *it* ran.",
        "*It* fell down.",
        "He took the ball, and *it* broke.",
        "Was *it* heavy?",
        "I think *it* is broken.",
        "After *it* stopped the ground was wet.",
        "WHAT IS *IT* DOING",
        "Then *I* went home.",
        "WHAT SHOULD *I* DO",
        "*I* went home.",
        "i think *i* will go",
        "Do *you* like tea?",
        "If *you* want, we go.",
        "So *he* left.",
        "He knew *they* were right.",
    ],
)
def test_subjects_are_kept(text):
    assert doubts(text) == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("There was not a word of truth in *it*.", "may be an object"),
        ("He put *it* down.", "may be an object"),
        ("Those who made *it* were proud.", "may be an object"),
        ("Thank *you* very much.", "may be an object"),
        ("I saw *you* there.", "may be an object"),
        ("This is *it*.", "may be an object"),
        ("*It* is late.", "stand for nothing"),
        ("*It* seems that he left.", "stand for nothing"),
        ("*It* was hard to say.", "stand for nothing"),
        ("Is *it* possible that he left?", "stand for nothing"),
        ("the *IT* staff left", "abbreviation"),
        ("Henry *I* was king.", "numeral or a letter"),
        ("World War *I* ended.", "numeral or a letter"),
        ("CHAPTER *I*.", "numeral or a letter"),
        ("a type *I* error", "numeral or a letter"),
        ("every reader, whether *he* or she likes it", "two pronouns are named"),
    ],
)
def test_what_may_be_no_subject_is_dropped_with_its_reason(text, reason):
    assert reason in doubts(text)


def test_tags_decide_where_a_text_has_them():
    paradigm = english_pronouns(EnglishPronouns())
    finder = RulesFinder(paradigm.rules, paradigm.classes, paradigm.doubt)
    kept, dropped = 0, []
    for text in read_texts(asset("text/ud_english_ewt/en_ewt-ud-test.conllu")):
        case = {token.start: token.tags.get("Case") for token in text.tokens}
        finding = finder.find(text)
        for slot in finding.candidates:
            assert case[len(slot.left)] == "Nom"
            kept += 1
        dropped += [finding.problem] if finding.problem == "the tags fit no class" else []
    assert kept > 200
    assert len(dropped) > 20, "objects"


def test_pairs_of_the_novels_have_no_object():
    settings = DataSettings(sentences="en", max_texts=4000)
    texts = read_texts(asset("text/english_novels"), settings)
    data = english_pronouns(EnglishPronouns()).pairs(PairingTask(texts, settings, 0))
    before = [pair.left.split()[-1:] for pair in data.pairs if pair.factual == "it"]
    assert len(before) > 50
    assert not [
        word for word in before if word and word[0] in ("in", "of", "to", "for", "with", "at", "on", "from")
    ]
    dropped = {drop.reason: drop.count for drop in data.funnel.drops}
    assert dropped["'it' may be an object, which only tags tell"] > 20
