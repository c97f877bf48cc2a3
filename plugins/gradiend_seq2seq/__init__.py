"""Encoder-decoder language models as a gradient source."""

from __future__ import annotations

from attrs import frozen

from gradiend_core.api import Contribution, MaskingSettings, hookimpl


@frozen
class Seq2SeqSettings(MaskingSettings):
    """Settings of `seq2seq`: a slot in the encoder's text, the filler as the decoder's next token."""


@hookimpl
def gradiend_gradient_sources() -> list[Contribution]:
    return [
        Contribution(
            "seq2seq",
            Seq2SeqSettings,
            "gradiend_seq2seq.source:Seq2SeqSource",
            "encoder-decoders such as T5 and BART: a slot in the encoder's text, the filler as the decoder's"
            " next token",
            "arXiv 2602.23993",
        )
    ]
