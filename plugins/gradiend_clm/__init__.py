"""Causal language models as a gradient source."""

from __future__ import annotations

from attrs import field, frozen, validators

from gradiend_core.api import Contribution, hookimpl


@frozen
class CausalSettings:
    """Settings of `clm`: the most tokens before the slot that the model is given; what comes earlier is cut.
    `chat` is what the user says before each text, which is then what the assistant says, in the form of the
    tokenizer's chat template."""

    max_tokens: int = field(default=96, validator=validators.ge(2))
    chat: str = ""


@frozen
class CausalSpanSettings(CausalSettings):
    """Settings of `clm-span`: fillers are judged by the sum of their tokens' losses, or by the mean
    (`per_token`); with `cloze` the text after the slot counts too, which a causal model can only see by being
    asked how well it goes on."""

    per_token: bool = False
    cloze: bool = False


@frozen
class SlotHeadSettings(CausalSettings):
    """Settings of `clm-head`: the head sees the mean state of the slot, which holds `placeholder`, and of so
    many tokens after it (`window`); it is trained for at most so many epochs, and that with the least
    validation loss is kept."""

    window: int = field(default=16, validator=validators.ge(1))
    placeholder: str = field(default="_", validator=validators.min_len(1))
    epochs: int = field(default=30, validator=validators.ge(0))
    learning_rate: float = field(default=1e-3, validator=validators.gt(0))
    batch_size: int = field(default=32, validator=validators.ge(1))


@hookimpl
def gradiend_gradient_sources() -> list[Contribution]:
    return [
        Contribution(
            "clm-span",
            CausalSpanSettings,
            "gradiend_clm.span:CausalSpanSource",
            "causal language models: fillers of any number of tokens, also with the text on the right"
            " (cloze)",
        ),
        Contribution(
            "clm-head",
            SlotHeadSettings,
            "gradiend_clm.head:SlotHeadSource",
            "causal language models with a small head, trained on the run's own slots, for evidence that"
            " stands on the right",
        ),
        Contribution(
            "clm",
            CausalSettings,
            "gradiend_clm.source:CausalSource",
            "causal language models: the filler as the next token after the text on the left",
            "arXiv 2602.23993",
        ),
    ]
