"""Masked language models as a gradient source."""

from __future__ import annotations

from attrs import frozen, validators

from gradiend_core.api import Contribution, hookimpl, setting


@frozen
class MaskedSettings:
    """Settings of `mlm`: the filler at a mask, with the text on both sides."""

    max_tokens: int = setting(
        128, "Tokens that a row may have; text far from the slot is cut.", validator=validators.ge(8)
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


@frozen
class MaskedSpanSettings(MaskedSettings):
    """Settings of `mlm-span`: fillers of any number of tokens, with a mask for each."""

    per_token: bool = setting(
        False, "Whether a filler is judged by the mean loss of its tokens, not by the sum."
    )


@hookimpl
def gradiend_gradient_sources() -> list[Contribution]:
    return [
        Contribution(
            "mlm-span",
            MaskedSpanSettings,
            "gradiend_mlm.span:MaskedSpanSource",
            "masked language models: fillers of any number of tokens, with a mask for each",
        ),
        Contribution(
            "mlm",
            MaskedSettings,
            "gradiend_mlm.source:MaskedSource",
            "masked language models: the filler at a mask, with the text on both sides",
            "arXiv 2502.01406, section 3",
        ),
    ]
