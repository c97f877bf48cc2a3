"""Learners: ways from gradients to a feature."""

from __future__ import annotations

from attrs import field, frozen, validators

from gradiend_core.api import Contribution, GradientRole, hookimpl


@frozen
class Adam:
    """Settings of `adam`.

    `learning_rate = 0` chooses it from the size of the model's own gradients, so that it need not be known for each model; any
    other value is AdamW's on the plain gradients, as in the paper. With `decay` the rate falls linearly to 0, which leaves
    less noise in the decoder. `validate_every = 0` keeps the last weights.
    """

    steps: int = field(default=250, validator=validators.ge(1))
    batch_size: int = field(default=16, validator=validators.ge(1))
    learning_rate: float = field(default=0.0, validator=validators.ge(0))
    decay: bool = True
    weight_decay: float = field(default=0.01, validator=validators.ge(0))
    source: GradientRole = GradientRole.ALTERNATIVE
    target: GradientRole = GradientRole.DIFFERENCE
    validate_every: int = field(default=25, validator=validators.ge(0))
    validation_pairs: int = field(default=200, validator=validators.ge(2))
    calibrate: bool = True
    progress: bool = True


@hookimpl
def gradiend_learners() -> list[Contribution]:
    return [
        Contribution(
            "adam", Adam, "gradiend_learners.adam:AdamLearner",
            "the encoder-decoder trained by AdamW on batches of one class", "arXiv 2502.01406, section 3",
        )
    ]  # fmt: skip
