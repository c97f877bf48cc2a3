"""Learners: ways from gradients to a feature."""

from __future__ import annotations

from attrs import field, frozen, validators

from gradiend_core.api import Contribution, GradientRole, hookimpl

PAPER = "arXiv 2502.01406, section 3"


@frozen
class Roles:
    """Which gradient the encoder reads (`source`) and which the decoder predicts (`target`)."""

    source: GradientRole = GradientRole.ALTERNATIVE
    target: GradientRole = GradientRole.DIFFERENCE


@frozen
class Adam(Roles):
    """Settings of `adam`.

    `steps` is the most that is done: learning stops early when nothing is gained any more (`early_stop`), and
    is given up with a diagnosis when it goes wrong (`give_up`). `learning_rate = 0` chooses the rate from the
    size of the model's own gradients, so that it need not be known for each model; any other value is AdamW's
    on the plain gradients, as in the paper. Over the last share of all steps, `cooldown`, the rate falls to
    0, which leaves less noise in the decoder. After each class had its turn, one more batch is of `neutral`
    examples, whose target is no change. `validate_every = 0` keeps the last weights. `latent_dim` is 1, or
    for more than two classes their number: then all are learned together, each with a code of its own. A
    state to resume from is written every `checkpoint_seconds`.
    """

    steps: int = field(default=300, validator=validators.ge(1))
    batch_size: int = field(default=16, validator=validators.ge(1))
    learning_rate: float = field(default=0.0, validator=validators.ge(0))
    cooldown: float = field(default=1.0, validator=[validators.ge(0), validators.le(1)])
    weight_decay: float = field(default=0.01, validator=validators.ge(0))
    neutral: bool = True
    latent_dim: int = field(default=1, validator=validators.ge(1))
    validate_every: int = field(default=20, validator=validators.ge(0))
    validation_pairs: int = field(default=100, validator=validators.ge(2))
    early_stop: bool = True
    give_up: bool = True
    calibrate: bool = True
    checkpoint_seconds: float = field(default=120.0, validator=validators.ge(0))
    progress: bool = True


@frozen
class SupervisedEncoder(Adam):
    """Settings of `supervised-encoder`, those of `adam`."""


@frozen
class SupervisedDecoder(Adam):
    """Settings of `supervised-decoder`, those of `adam`."""


@frozen
class Shuffled(Adam):
    """Settings of `shuffled`: the learner `of` whose classes are shuffled, and those of `adam`; going wrong
    is what it is expected to do."""

    of: str = field(default="adam", validator=validators.in_(("adam", "mean-difference", "ridge")))
    give_up: bool = False


@frozen
class Ridge(Roles):
    """Settings of `ridge`: the penalty as a share of the squared length of the mean difference gradient, the
    most iterations, and how many may bring no better validation correlation before it ends."""

    penalty: float = field(default=0.01, validator=validators.ge(0))
    iterations: int = field(default=30, validator=validators.ge(1))
    patience: int = field(default=4, validator=validators.ge(1))


@hookimpl
def gradiend_learners() -> list[Contribution]:
    return [
        Contribution(
            "adam",
            Adam,
            "gradiend_learners.adam:AdamLearner",
            "the encoder-decoder trained by AdamW on batches of one class",
            PAPER,
        ),
        Contribution(
            "mean-difference",
            Roles,
            "gradiend_learners.closed:MeanDifference",
            "the difference of the classes' mean gradients, in one pass",
        ),
        Contribution(
            "ridge",
            Ridge,
            "gradiend_learners.closed:RidgeLearner",
            "regression of the code on gradients, in the dual, by conjugate gradients",
        ),
        Contribution(
            "supervised-encoder",
            SupervisedEncoder,
            "gradiend_learners.variants:SupervisedEncoderLearner",
            "an encoder trained on the classes as codes, with the decoder of class means",
        ),
        Contribution(
            "supervised-decoder",
            SupervisedDecoder,
            "gradiend_learners.variants:SupervisedDecoderLearner",
            "a decoder trained with the classes as codes, with the encoder of class means",
        ),
        Contribution(
            "shuffled",
            Shuffled,
            "gradiend_learners.variants:ShuffledLearner",
            "another learner with shuffled classes: what a feature of nothing looks like",
        ),
    ]
