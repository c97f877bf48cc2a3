"""Masked language models as a gradient source."""

from __future__ import annotations

from attrs import field, frozen, validators

from gradiend_core.api import Contribution, hookimpl


@frozen
class MaskedSettings:
    """Settings of `mlm`: the most tokens that a row may have (text far from the slot is cut), and the masked
    share of the language modelling score; texts are masked anew until `min_masked` tokens are predicted."""

    max_tokens: int = field(default=128, validator=validators.ge(8))
    mask_share: float = field(default=0.15, validator=[validators.gt(0), validators.le(1)])
    min_masked: int = field(default=2000, validator=validators.ge(1))


@frozen
class MaskedSpanSettings(MaskedSettings):
    """Settings of `mlm-span`: fillers, with a mask for each token, are judged by the sum of their tokens'
    losses, or by the mean (`per_token`)."""

    per_token: bool = False


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
