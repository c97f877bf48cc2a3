"""Masked language models as a gradient source."""

from __future__ import annotations

from attrs import frozen

from gradiend_core.api import Contribution, MaskingSettings, hookimpl, setting


@frozen
class MaskedSettings(MaskingSettings):
    """Settings of `mlm`: the filler at a mask, with the text on both sides."""


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
