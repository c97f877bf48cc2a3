"""Encoder-decoder language models as a gradient source."""

from __future__ import annotations

from attrs import field, frozen, validators

from gradiend_core.api import Contribution, hookimpl


@frozen
class Seq2SeqSettings:
    """Settings of `seq2seq`: the most tokens that the encoder is given (text far from the slot is cut), and
    the hidden share of the language modelling score; texts are hidden anew until `min_masked` tokens are
    predicted."""

    max_tokens: int = field(default=128, validator=validators.ge(8))
    mask_share: float = field(default=0.15, validator=[validators.gt(0), validators.le(1)])
    min_masked: int = field(default=2000, validator=validators.ge(1))


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
