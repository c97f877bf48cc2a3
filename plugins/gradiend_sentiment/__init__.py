"""Positive and negative English words as a feature."""

from __future__ import annotations

from attrs import frozen

from gradiend_core.api import Contribution, hookimpl


@frozen
class EnglishSentiment:
    """Settings of `english-sentiment`: pairs of opposite words replace the built-in ones, as in [["good",
    "bad"], ["love", "hate"]]. With `data.split_by = "word"` the test has pairs of words that were not learned
    from."""

    classes: tuple[str, ...] = ("positive", "negative")
    opposites: tuple[tuple[str, str], ...] = ()


@hookimpl
def gradiend_feature_paradigms() -> list[Contribution]:
    return [
        Contribution(
            "english-sentiment",
            EnglishSentiment,
            "gradiend_sentiment.paradigm:sentiment",
            "English words of opposite sentiment, word for word: positive, negative",
            "arXiv 2602.23993",
            {"model": "tiny-social", "texts": "tiny-social"},
        )
    ]
