"""The embedded models, and the embedded text to read features from; see `train.py` for how they were made."""

from __future__ import annotations

from pathlib import Path

from gradiend_core.api import Contribution, NoSettings, hookimpl

HERE = Path(__file__).parent


def masked(_: NoSettings) -> Path:
    return HERE / "models" / "mlm"


def causal(_: NoSettings) -> Path:
    return HERE / "models" / "clm"


def social_model(_: NoSettings) -> Path:
    return HERE / "models" / "social"


def german_model(_: NoSettings) -> Path:
    return HERE / "models" / "german"


def english(_: NoSettings) -> Path:
    return HERE / "text" / "english.txt"


def social_text(_: NoSettings) -> Path:
    return HERE / "text" / "social.txt"


def german_text(_: NoSettings) -> Path:
    return HERE / "text" / "german.conllu"


@hookimpl
def gradiend_models() -> list[Contribution]:
    return [
        Contribution(
            "tiny-mlm",
            NoSettings,
            "gradiend_tiny:masked",
            "a BERT of 0.4 M parameters for short English sentences",
        ),
        Contribution(
            "tiny-clm",
            NoSettings,
            "gradiend_tiny:causal",
            "a GPT-2 of 0.5 M parameters for short English sentences",
        ),
        Contribution(
            "tiny-social",
            NoSettings,
            "gradiend_tiny:social_model",
            "a BERT of 0.3 M parameters for sentences on faith, origin, taste",
        ),
        Contribution(
            "tiny-german",
            NoSettings,
            "gradiend_tiny:german_model",
            "a BERT of 0.3 M parameters for short German sentences",
        ),
    ]


@hookimpl
def gradiend_texts() -> list[Contribution]:
    return [
        Contribution(
            "tiny-english",
            NoSettings,
            "gradiend_tiny:english",
            "6,000 short texts that the tiny models have not seen",
        ),
        Contribution(
            "tiny-social",
            NoSettings,
            "gradiend_tiny:social_text",
            "6,000 short texts on faith, origin and taste",
        ),
        Contribution(
            "tiny-german",
            NoSettings,
            "gradiend_tiny:german_text",
            "4,000 short German sentences with tags (CoNLL-U)",
        ),
    ]
