"""Settings of sources whose models predict masked tokens."""

from __future__ import annotations

from attrs import frozen, validators

from gradiend_core.records.setting import setting


@frozen
class MaskingSettings:
    """The length of texts, and the number of tokens that are masked for the language modelling score."""

    max_tokens: int = setting(
        128,
        "Maximum number of tokens that the model is given; text far from the slot is cut.",
        validator=validators.ge(8),
    )
    mask_share: float = setting(
        0.15,
        "The share of tokens that is hidden for the language modelling score.",
        validator=[validators.gt(0), validators.le(1)],
    )
    min_masked: int = setting(
        2000,
        "Minimum number of hidden tokens that a score is computed from; texts are used again, with other"
        " tokens hidden, until there are as many.",
        validator=validators.ge(1),
    )
