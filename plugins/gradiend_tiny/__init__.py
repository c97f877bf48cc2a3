"""The embedded models, and the embedded text to read features from; see `train.py` for how they were made."""

from __future__ import annotations

from pathlib import Path

from gradiend_core.api import Contribution, NoSettings, hookimpl

HERE = Path(__file__).parent


def masked(_: NoSettings) -> Path:
    return HERE / "models" / "mlm"


def causal(_: NoSettings) -> Path:
    return HERE / "models" / "clm"


def english(_: NoSettings) -> Path:
    return HERE / "text" / "english.txt"


@hookimpl
def gradiend_models() -> list[Contribution]:
    return [
        Contribution("tiny-mlm", NoSettings, "gradiend_tiny:masked", "a BERT of 0.4 M parameters for short English sentences"),
        Contribution("tiny-clm", NoSettings, "gradiend_tiny:causal", "a GPT-2 of 0.5 M parameters for short English sentences"),
    ]


@hookimpl
def gradiend_texts() -> list[Contribution]:
    return [
        Contribution("tiny-english", NoSettings, "gradiend_tiny:english", "6,000 short texts that the tiny models have not seen")
    ]
