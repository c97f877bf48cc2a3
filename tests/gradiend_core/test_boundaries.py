"""Words as people write them: alone, in contractions, compounds, addresses and mark-up."""

from __future__ import annotations

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from gradiend_core.data.boundaries import APOSTROPHES, COMPOUND, CONTRACTION, not_alone
from gradiend_core.data.finding import RulesFinder
from gradiend_core.data.rules import Rules, choose_classes, recased
from gradiend_core.data.texts import read_texts
from gradiend_core.records.run import DataSettings
from gradiend_core.records.text import Text

FINDER = RulesFinder(
    Rules({"SG": ("he", "she"), "PL": ("they",)}), choose_classes((), (), ("SG", "PL"), "words")
)
ENDINGS = ("s", "re", "ll", "d", "ve", "m")


def problem(text: str) -> str:
    finding = FINDER.find(Text(text))
    assert not finding.neutral, f"{text!r} has a target word in it"
    return "" if finding.candidates else finding.problem


@pytest.mark.parametrize(
    "text",
    'he ran|So he ran.|said—he ran|(he ran)|"he" ran|‘he’ ran|... he ran|…he ran|he, who|he - who|he--'
    " who|--he ran|- he ran|“They ran”|'they' ran|he, 'so'|he: no|he; no|he?|[he]"
    " ran|¿he?|he\nran|he\u00a0ran|he 'saw' her|He.".split("|"),
)
def test_a_word_that_stands_alone_is_a_slot(text):
    assert problem(text) == ""


@pytest.mark.parametrize(
    "text",
    "s/he|he/she|he /"
    " she|(s)he|s(he)|he(s)|he-man|non-he|www.they.com|he.The|he@x.de|@they|#they|_they_|*they*"
    "|they_are|<b>they</b>|they=1|&quot;they|{he}|they–she|http://x.org/they|they\\she".split("|"),
)
def test_a_word_in_a_compound_an_address_or_mark_up_is_dropped_and_the_text_is_not_neutral(text):
    assert problem(f"Then {text} ran.") == COMPOUND


@given(
    st.sampled_from(["he", "she", "they", "They"]),
    st.sampled_from([*APOSTROPHES, "&#39;", "&rsquo;", "&apos;"]),
    st.sampled_from(ENDINGS),
    st.sampled_from(["", " "]),
    st.sampled_from([" clever", ".", ""]),
)
def test_contractions_in_every_spelling_are_dropped(word, apostrophe, ending, gap, after):
    text = f"Tom said {word}{gap}{apostrophe}{ending}{after}"
    assert problem(text) == CONTRACTION


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), st.text(max_size=6))
def test_a_slot_ends_where_unicode_ends_a_word(left, right):
    text = f"{left}they{right}"
    if not not_alone(text, len(left), len(left) + 4):
        words = regex.findall(r"(?w)\b.+?\b", text, regex.DOTALL)
        assert "they" in words


def test_html_is_read_where_it_is_asked_for():
    (text,) = read_texts(
        ["&quot;They&#39;re here&quot;, he said &amp; left."], DataSettings(unescape_html=True)
    )
    assert text.text == '"They\'re here", he said & left.'
    (text,) = read_texts(["he said &amp; left."])
    assert text.text == "he said &amp; left."


def test_capitals_of_the_text_are_kept():
    assert recased("I", "I", "we", "WHAT SHOULD ", " DO") == "WE"
    assert recased("I", "I", "we", "", " AM HERE") == "WE"
    assert recased("I", "I", "we", "", " am here") == "We"
    assert recased("I", "I", "we", "NASA says ", " may go") == "we"
    assert recased("WE", "we", "I", "SO ", " RAN") == "I"
    assert recased("HE", "he", "they", "and ", " did it") == "THEY"
