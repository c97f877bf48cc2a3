"""What an encoder reads in texts that its run has not seen: marked by hand, or found by the run's
paradigm."""

from __future__ import annotations

import pytest

from gradiend_core.errors import DataError
from gradiend_core.finished.encoding import marked

SLOT = "The cat was warm because [it|they] slept."


def test_a_marked_text_is_a_pair():
    pair = marked(SLOT)
    assert (pair.left, pair.factual, pair.alternative, pair.right) == (
        "The cat was warm because ",
        "it",
        "they",
        " slept.",
    )
    neutral = marked("The cat was [warm].")
    assert neutral.factual == neutral.alternative == "warm"
    assert neutral.factual_class == "neutral"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("The cat slept.", "no slot with its fillers"),
        ("The [MASK] slept.", "no slot with its fillers"),
        ("The [] slept.", "no slot with its fillers"),
        ("[It|They] slept as [it|they] were warm.", "several slots"),
        ("The [a|b|c] slept.", "no slot with its fillers"),
    ],
)
def test_what_is_no_marked_text_is_refused(text, problem):
    with pytest.raises(DataError, match=problem) as refused:
        marked(text)
    assert repr(text) in str(refused.value)
    assert "[he|they]" in str(refused.value)
