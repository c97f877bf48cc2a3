"""Causal language models as a gradient source."""

from __future__ import annotations

from attrs import field, frozen, validators

from gradiend_core.api import Contribution, hookimpl


@frozen
class CausalSettings:
    """Settings of `clm`: the most tokens before the slot that the model is given; what comes earlier is cut."""

    max_tokens: int = field(default=96, validator=validators.ge(2))


@frozen
class CausalSpanSettings(CausalSettings):
    """Settings of `clm-span`: fillers are judged by the sum of their tokens' losses, or by the mean (`per_token`); with `cloze`
    the text after the slot counts too, which a causal model can only see by being asked how well it goes on."""

    per_token: bool = False
    cloze: bool = False


@hookimpl
def gradiend_gradient_sources() -> list[Contribution]:
    return [
        Contribution(
            "clm-span", CausalSpanSettings, "gradiend_clm.span:CausalSpanSource",
            "causal language models: fillers of any number of tokens, also with the text on the right (cloze)",
        ),
        Contribution(
            "clm", CausalSettings, "gradiend_clm.source:CausalSource",
            "causal language models: the filler as the next token after the text on the left", "arXiv 2602.23993",
        )
    ]  # fmt: skip
