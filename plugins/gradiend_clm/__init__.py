"""Causal language models as a gradient source."""

from __future__ import annotations

from attrs import frozen, validators

from gradiend_core.api import Contribution, hookimpl, setting


@frozen
class CausalSettings:
    """Settings of `clm`: the filler as the next token after the text on the left."""

    max_tokens: int = setting(
        96, "Maximum number of tokens before the slot; earlier ones are cut.", validator=validators.ge(2)
    )
    chat: str = setting(
        "",
        "What the user says before each text, which is then what the assistant says, in the form of the"
        " tokenizer's chat template; empty: no chat.",
    )


@frozen
class CausalSpanSettings(CausalSettings):
    """Settings of `clm-span`: fillers of any number of tokens."""

    per_token: bool = setting(
        False, "Whether a filler is judged by the mean loss of its tokens, not by the sum."
    )
    cloze: bool = setting(
        False, "Whether a filler is also judged by how well the text after the slot follows from it."
    )


@frozen
class SlotHeadSettings(CausalSettings):
    """Settings of `clm-head`: a small head that also sees what stands after the slot."""

    window: int = setting(
        16,
        "Tokens after the slot whose mean state the head sees, with that of the slot.",
        validator=validators.ge(1),
    )
    placeholder: str = setting("_", "The text that stands in the slot.", validator=validators.min_len(1))
    epochs: int = setting(
        30,
        "Epochs of training at most; the head with the least validation loss is kept.",
        validator=validators.ge(0),
    )
    learning_rate: float = setting(1e-3, "AdamW's learning rate for the head.", validator=validators.gt(0))
    batch_size: int = setting(32, "Examples in a batch of the head's training.", validator=validators.ge(1))


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
