"""Positive and negative English words as a feature."""

from __future__ import annotations

from attrs import frozen

from gradiend_core.api import Contribution, hookimpl, setting


@frozen
class EnglishSentiment:
    """Settings of `english-sentiment`. With `data.split_by = "word"` the test split has pairs of words that
    were not learned from."""

    classes: tuple[str, ...] = setting(("positive", "negative"), "The two classes; the first encodes to +1.")
    opposites: tuple[tuple[str, str], ...] = setting(
        (),
        'Pairs of opposite words that replace the built-in ones, as in [["good", "bad"], ["love", "hate"]].',
    )


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
