"""Encoder-decoder language models as a gradient source."""

from __future__ import annotations

from attrs import frozen, validators

from gradiend_core.api import Contribution, hookimpl, setting


@frozen
class Seq2SeqSettings:
    """Settings of `seq2seq`: a slot in the encoder's text, the filler as the decoder's next token."""

    max_tokens: int = setting(
        128,
        "Tokens that the encoder's text may have; text far from the slot is cut.",
        validator=validators.ge(8),
    )
    mask_share: float = setting(
        0.15,
        "The share of tokens that is masked for the language modelling score.",
        validator=[validators.gt(0), validators.le(1)],
    )
    min_masked: int = setting(
        2000,
        "Masked tokens that a score rests on at least; texts are masked anew until then.",
        validator=validators.ge(1),
    )


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
