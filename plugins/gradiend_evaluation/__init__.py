"""Evaluators: what the encoder reads and what the decoder changes."""

from __future__ import annotations

from attrs import field, frozen, validators

from gradiend_core.api import SPLITS, Contribution, NoSettings, hookimpl


@frozen
class EncoderSettings:
    """Settings of `encoder`: the splits encoded, the most pairs of each class in each, and the random
    directions that the feature is compared with on the test split (0: none)."""

    splits: tuple[str, ...] = field(
        default=SPLITS, validator=[validators.min_len(1), validators.deep_iterable(validators.in_(SPLITS))]
    )
    max_pairs: int = field(default=500, validator=validators.ge(1))
    random_directions: int = field(default=8, validator=validators.ge(0))


@frozen
class DecoderSettings:
    """Settings of `decoder`: the learning rates tried (empty: a search of so many `evaluations`), and the
    most texts that a probability or a score rests on. What is looked for, `rewrite` says, and which is best,
    `policy`."""

    learning_rates: tuple[float, ...] = field(
        default=(), validator=validators.deep_iterable(validators.gt(0))
    )
    evaluations: int = field(default=8, validator=validators.ge(2))
    max_texts: int = field(default=500, validator=validators.ge(1))


@frozen
class ThresholdSettings:
    """Settings of `threshold`: the share of the unedited model's language modelling score that an edit has to
    keep."""

    lms_floor: float = field(default=0.99, validator=[validators.ge(0), validators.le(1)])


@frozen
class StabilitySettings:
    """Settings of `stability`: the share of the largest decoder weights whose overlap between seeds is
    reported."""

    top: int | float = field(default=0.01, validator=validators.gt(0))


@frozen
class WhereSettings:
    """Settings of `where`: the share of largest decoder weights whose places are counted, and how many are
    listed one by one."""

    top: int | float = field(default=0.01, validator=validators.gt(0))
    listed: int = field(default=100, validator=validators.ge(0))


@frozen
class SelectionSettings:
    """Settings of `selection`: the shares of largest weights compared, and the most training pairs that the
    selection sees."""

    shares: tuple[float, ...] = (0.001, 0.01, 0.1)
    pairs: int = field(default=128, validator=validators.ge(2))


METHODS = ("mean-difference", "random", "fine-tuning", "activation", "leace")


@frozen
class BaselineSettings:
    """Settings of `baselines`: what the feature's edit is compared with, each searched for as the decoder's
    is. `pairs` training pairs give the mean differences; fine-tuning takes `steps` of `batch_size`.
    Activations are those of the `layers` with these numbers, from 0 (empty: the one in the middle)."""

    methods: tuple[str, ...] = field(
        default=METHODS, validator=validators.deep_iterable(validators.in_(METHODS))
    )
    evaluations: int = field(default=8, validator=validators.ge(2))
    max_texts: int = field(default=500, validator=validators.ge(1))
    pairs: int = field(default=256, validator=validators.ge(2))
    steps: int = field(default=30, validator=validators.ge(1))
    batch_size: int = field(default=16, validator=validators.ge(1))
    layers: tuple[int, ...] = ()


@frozen
class SideEffectSettings:
    """Settings of `side-effects`: files in the form of Winogender and CrowS-Pairs, tasks of lm-eval (causal
    models; a folder with task files of one's own replaces those that it comes with), prompts that a
    generating model continues by `new_tokens`, the most texts that a number rests on, and of how many test
    texts of each class the likeliest words are shown."""

    winogender: str = ""
    crows_pairs: str = ""
    lm_eval: tuple[str, ...] = ()
    lm_eval_tasks: str = ""
    prompts: tuple[str, ...] = ()
    new_tokens: int = field(default=30, validator=validators.ge(1))
    max_texts: int = field(default=500, validator=validators.ge(1))
    samples: int = field(default=3, validator=validators.ge(0))


@frozen
class StrengthSettings:
    """Settings of `strengths`: factors of the chosen edits (0 and 1 always are among them), prompts that a
    generating model continues by `new_tokens`, the most texts that a number rests on, and how many test texts
    are shown."""

    strengths: tuple[float, ...] = (0.25, 0.5, 0.75, 1.5, 2.0)
    prompts: tuple[str, ...] = ()
    new_tokens: int = field(default=30, validator=validators.ge(1))
    max_texts: int = field(default=200, validator=validators.ge(1))
    samples: int = field(default=3, validator=validators.ge(0))


@hookimpl
def gradiend_policies() -> list[Contribution]:
    return [
        Contribution(
            "threshold",
            ThresholdSettings,
            "gradiend_evaluation.policies:Threshold",
            "the strongest edit that keeps a share of the language modelling score",
        ),
        Contribution(
            "product",
            NoSettings,
            "gradiend_evaluation.policies:Product",
            "the largest product of effect and language modelling score",
        ),
        Contribution(
            "prediction-index",
            NoSettings,
            "gradiend_evaluation.policies:PredictionIndex",
            "the indices for either class or for both alike (FPI, MPI, BPI)",
            "arXiv 2502.01406, section 4",
        ),
    ]


@hookimpl
def gradiend_evaluators() -> list[Contribution]:
    paper = "arXiv 2502.01406, section 4"
    return [
        Contribution(
            "encoder",
            EncoderSettings,
            "gradiend_evaluation.encoder:EncoderEvaluator",
            "what single examples encode to, by class",
            paper,
        ),
        Contribution(
            "decoder",
            DecoderSettings,
            "gradiend_evaluation.decoder:DecoderEvaluator",
            "how far rewriting shifts each class",
            paper,
        ),
        Contribution(
            "baselines",
            BaselineSettings,
            "gradiend_evaluation.baselines:BaselineEvaluator",
            "the feature's edit beside simpler ones, of weights and of activations, at one language modelling"
            " score",
            by_default=False,
        ),
        Contribution(
            "side-effects",
            SideEffectSettings,
            "gradiend_evaluation.side_effects:SideEffectEvaluator",
            "what else the chosen edits change: neutral text, other classes, sentence pairs, generated text",
            by_default=False,
        ),
        Contribution(
            "stability",
            StabilitySettings,
            "gradiend_evaluation.stability:StabilityEvaluator",
            "how far the features of several seeds agree",
        ),
        Contribution(
            "strengths",
            StrengthSettings,
            "gradiend_evaluation.strengths:StrengthEvaluator",
            "the chosen edits from weak to strong, in numbers and in text",
            by_default=False,
        ),
        Contribution(
            "where",
            WhereSettings,
            "gradiend_evaluation.where:WhereEvaluator",
            "in which layers and components the feature is",
        ),
        Contribution(
            "selection",
            SelectionSettings,
            "gradiend_evaluation.selection:SelectionEvaluator",
            "how far a selection before training has the weights that training found",
        ),
    ]
