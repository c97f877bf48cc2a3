"""Learners: ways from gradients to a feature."""

from __future__ import annotations

from attrs import frozen, validators

from gradiend_core.api import Contribution, GradientRole, Trait, hookimpl, setting

PAPER = "arXiv 2502.01406, section 3"
ge = validators.ge


@frozen
class GradientRoles:
    """Which gradients the encoder reads and the decoder predicts."""

    source: GradientRole = setting(
        GradientRole.ALTERNATIVE, "The gradient that the encoder reads: factual, alternative or difference."
    )
    target: GradientRole = setting(
        GradientRole.DIFFERENCE, "The gradient that the decoder predicts: factual, alternative or difference."
    )


@frozen
class Adam(GradientRoles):
    """Settings of `adam`: AdamW on the mean gradients of batches of one class."""

    max_steps: int = setting(
        300,
        "Maximum number of steps; learning stops earlier when validation no longer improves (early_stop).",
        validator=ge(1),
        formerly="steps",
    )
    batch_size: int = setting(16, "Batch size, in pairs.", validator=ge(1))
    learning_rate: float = setting(
        0.0,
        "AdamW's learning rate on the plain gradients, as in the paper; 0 takes the one that fits the size of"
        " the model's gradients, so that it need not be known for each model.",
        validator=ge(0),
    )
    lr_scheduler: str = setting(
        "linear",
        'How the learning rate changes: "linear" decays to 0 at the last step, which leaves less noise in the'
        ' decoder; "constant" keeps it.',
        validator=validators.in_(("linear", "constant")),
    )
    decay_start: float = setting(
        0.0,
        "The share of max_steps after which a linear learning rate starts to decay.",
        validator=[ge(0), validators.lt(1)],
        formerly="cooldown",
    )
    weight_decay: float = setting(0.01, "AdamW's weight decay.", validator=ge(0))
    betas: tuple[float, float] = setting(
        (0.9, 0.999),
        "AdamW's betas: how slowly its running means of gradients and of their squares change.",
        validator=validators.deep_iterable(validators.and_(ge(0), validators.lt(1))),
    )
    eps: float = setting(
        1e-8,
        "AdamW's ε. With a given learning_rate it belongs to the mean squared error of all weights, as in the"
        " paper, otherwise to their sum.",
        validator=validators.gt(0),
    )
    neutral_every: int = setting(
        1,
        "Rounds over all classes after which a batch of neutral pairs comes, whose target is no change; 0:"
        " never.",
        validator=ge(0),
        formerly="neutral",
    )
    latent_dim: int = setting(
        1,
        "Latents of the encoder-decoder: 1, or for more than two classes their number, which are then learned"
        " together.",
        validator=ge(1),
    )
    random_encoder: bool = setting(
        False, "Whether the encoder starts from random weights, as in the paper, and not from 0."
    )
    validate_every: int = setting(
        20, "Steps between two validations; 0: none, and the last weights are kept.", validator=ge(0)
    )
    validation_pairs: int = setting(100, "Maximum number of validation pairs.", validator=ge(2))
    early_stop: bool = setting(True, "Whether learning stops when validation no longer improves.")
    give_up: bool = setting(True, "Whether learning stops with a diagnosis when it goes wrong.")
    calibrate: bool = setting(
        True, "Whether the encoder is scaled so that single validation pairs encode to about ±0.95."
    )
    checkpoint_seconds: float = setting(
        120.0, "Seconds between two checkpoints, from which an interrupted run resumes.", validator=ge(0)
    )


@frozen
class SupervisedEncoder(Adam):
    """Settings of `supervised-encoder`, those of `adam`."""


@frozen
class SupervisedDecoder(Adam):
    """Settings of `supervised-decoder`, those of `adam`."""


@frozen
class Shuffled(Adam):
    """Settings of `shuffled`, and those of `adam`. It does not give up, as failing is the expected result."""

    of: str = setting(
        "adam",
        "The learner whose classes are shuffled.",
        validator=validators.in_(("adam", "mean-difference", "ridge")),
    )
    give_up: bool = setting(False, "Whether learning stops with a diagnosis when it goes wrong.")


@frozen
class ClosedForm(GradientRoles):
    """Learners without training steps. The difference of the two fillers' gradients is free of what they have
    in common, and a feature learned from it reads unseen words best."""

    source: GradientRole = setting(
        GradientRole.DIFFERENCE, "The gradient that the encoder reads: factual, alternative or difference."
    )


@frozen
class MeanDifference(ClosedForm):
    """Settings of `mean-difference`: one pass over as many pairs as needed."""

    agreement: float = setting(
        0.95,
        "No more pairs are read once the directions of two halves of them have this cosine;"
        " 1 reads all training pairs.",
        validator=[ge(0), validators.le(1)],
    )
    validation_pairs: int = setting(100, "Maximum number of validation pairs.", validator=ge(2))


@frozen
class Ridge(ClosedForm):
    """Settings of `ridge`: regression of the code on gradients."""

    penalty: float = setting(
        0.01,
        "The penalty, as a share of the squared length of the mean difference gradient.",
        validator=ge(0),
    )
    iterations: int = setting(30, "Iterations of conjugate gradients at most.", validator=ge(1))
    patience: int = setting(
        4, "Iterations without a better validation correlation after which it ends.", validator=ge(1)
    )


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
            MeanDifference,
            "gradiend_learners.closed:MeanDifferenceLearner",
            "the difference of the classes' mean gradients, of as many pairs as it takes",
            traits={Trait.DEFAULT, Trait.SUMS_GRADIENTS, Trait.READS_FEW},
        ),
        Contribution(
            "ridge",
            Ridge,
            "gradiend_learners.closed:RidgeLearner",
            "regression of the code on gradients, in the dual, by conjugate gradients",
            traits={Trait.SUMS_GRADIENTS},
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
            traits={Trait.NULL},
        ),
    ]
