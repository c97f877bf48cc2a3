"""Settings of sources whose models fill what is hidden."""

from __future__ import annotations

from attrs import frozen, validators

from gradiend_core.records.setting import setting


@frozen
class MaskingSettings:
    """How long a text may be, and how many of its tokens are hidden for the language modelling score."""

    max_tokens: int = setting(
        128,
        "Tokens of a text that the model is given; text far from the slot is cut.",
        validator=validators.ge(8),
    )
    mask_share: float = setting(
        0.15,
        "The share of tokens that is hidden for the language modelling score.",
        validator=[validators.gt(0), validators.le(1)],
    )
    min_masked: int = setting(
        2000,
        "Hidden tokens that a score rests on at least; other tokens are hidden in turn until then.",
        validator=validators.ge(1),
    )
