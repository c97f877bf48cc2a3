"""From texts to pairs: nothing is lost without a word, nothing leaks, and a seed decides everything."""

from __future__ import annotations

from gradiend_core.data.paradigm import RulesParadigm
from gradiend_core.data.rules import Rules
from gradiend_core.data.texts import read_texts
from gradiend_core.records.pair import PairData
from gradiend_core.records.run import DataSettings
from gradiend_core.roles.paradigm import PairingTask


def pairs_of(paradigm, texts, seed=0, **more) -> PairData:
    settings = DataSettings(**more)
    return paradigm.pairs(PairingTask(read_texts(texts, settings), settings, seed))


def test_words_may_hold_spaces_and_marks():
    rules = Rules({"A": ("no one",), "B": ("straße", "c++")})
    texts = (
        [f"x {i} No one came" for i in range(9)]
        + [f"{i} die Straße, c++" for i in range(9)]
        + [f"{i} nooone straßen" for i in range(3)]
    )
    data = pairs_of(RulesParadigm("words", rules), texts)
    assert {pair.factual for pair in data.pairs} == {"No one", "Straße", "c++"}
    assert len(data.neutral_texts) == 3
