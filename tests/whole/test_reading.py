"""Where texts come from: every kind of input, sentences and their surroundings, tags, and text that is masked
already."""

from __future__ import annotations

import pandas
import pytest
from gradiend_words import MaskedSettings
from gradiend_words.masked import MaskedParadigm

from gradiend_core.data.texts import read_texts
from gradiend_core.errors import DataError
from gradiend_core.records.run import DataSettings
from gradiend_core.roles.paradigm import PairingTask


# --- masked already
# ------------------------------------------------------------------------------------------------------
def masked(rows, config=None, neutral=None, **settings):
    settings = DataSettings(**settings)
    config = MaskedSettings(**(config or {}))
    return MaskedParadigm(config).pairs(PairingTask(read_texts(rows, settings), settings, 0))


def rows(**more) -> list[dict]:
    return [
        {"text": f"Day {n}: [MASK] ran{more.get('end', '.')}", "factual": factual, "factual_class": of}
        for n in range(10)
        for factual, of in (("he", "SG"), ("they", "PL"))
    ]


def test_masked_rows_load_as_they_are():
    data = masked(pandas.DataFrame(rows()))
    assert data.classes == ("PL", "SG")
    assert {(pair.factual, pair.alternative) for pair in data.pairs} == {("he", "they"), ("they", "he")}
    assert data.words == {"PL": ("they",), "SG": ("he",)}
    by_filler = masked(pandas.DataFrame(rows()), {"factual_class": "", "classes": ("he", "they")})
    assert by_filler.classes == ("he", "they")
    frames = {"SG": pandas.DataFrame(rows()[::2]), "PL": pandas.DataFrame(rows()[1::2])}
    assert masked(frames, {"factual_class": "part"}).counts() == data.counts()
    other = [
        {"masked": row["text"].replace("[MASK]", "<m>"), "word": row["factual"], "kind": row["factual_class"]}
        for row in rows()
    ]
    columns = {"mask": "<m>", "factual": "word", "factual_class": "kind"}
    assert masked(pandas.DataFrame(other), columns, text_column="masked").counts() == data.counts()


def test_alternatives_that_rows_give_are_taken():
    given_ = [{**row, "alternative": "She" if row["factual"] == "he" else "It"} for row in rows()]
    data = masked(pandas.DataFrame(given_), {"alternative": "alternative"})
    assert {(pair.factual, pair.alternative, pair.alternative_class) for pair in data.pairs} == {
        ("he", "She", "PL"),
        ("they", "It", "SG"),
    }


def test_masked_rows_that_are_wrong_say_why():
    frame = pandas.DataFrame(rows())
    for config, words in [
        (
            {"factual": "label"},
            r"no column 'label' \(columns: text, factual, factual_class\); set paradigm.factual",
        ),
        ({"classes": ("SG", "DU")}, r"no row has the class 'DU' \(found: PL, SG\)"),
        ({"mask": "<x>"}, r"two classes are needed, but there is only none"),
    ]:
        with pytest.raises(DataError, match=words):
            masked(frame, config)
    with pytest.raises(DataError, match="has nan as 'factual', not a word|has None as 'factual'"):
        masked(frame.assign(factual=[None, *frame.factual[1:]]))
    two = frame.assign(text=["[MASK] and [MASK]", *frame.text[1:]])
    assert [drop.reason for drop in masked(two).funnel.drops] == ["not one [MASK] in the text"]
