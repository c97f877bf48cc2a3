"""Causal language models as a gradient source."""

from __future__ import annotations

from attrs import field, frozen, validators

from gradiend_core.api import Contribution, hookimpl


@frozen
class CausalSettings:
    """Settings of `clm`: the most tokens before the slot that the model is given; what comes earlier is cut."""

    max_tokens: int = field(default=96, validator=validators.ge(2))


@hookimpl
def gradiend_gradient_sources() -> list[Contribution]:
    return [
        Contribution(
            "clm", CausalSettings, "gradiend_clm.source:CausalSource",
            "causal language models: the filler as the next token after the text on the left", "arXiv 2602.23993",
        )
    ]  # fmt: skip
