"""Evaluators, which measure what the encoder reads and what the decoder changes, and policies, which choose
the best edit."""

from __future__ import annotations

from attrs import frozen, validators

from gradiend_core.api import SPLITS, Contribution, NoSettings, Trait, hookimpl, setting

ge, gt, le = validators.ge, validators.gt, validators.le
every = validators.deep_iterable

METHODS = (
    "plain",
    "mean-difference",
    "random",
    "fine-tuning",
    "logit-bias",
    "logit-contrast",
    "output-rows",
    "activation",
    "leace",
)
MAX_TEXTS = "Maximum number of texts that a number is computed from."


@frozen
class TransferSettings:
    """Settings of `transfer`: whether the encoder also reads words that it was not trained on."""

    texts: int = setting(8, "Maximum number of texts with each word.", validator=ge(2))
    least_texts: int = setting(5, "Minimum number of texts that contain a word.", validator=ge(2))
    control_texts: int = setting(
        5,
        "Maximum number of texts with each word, of unrelated words and for copies of the model.",
        validator=ge(2),
    )
    random_directions: int = setting(
        200, "Number of random directions that the feature is compared with; 0: none.", validator=ge(0)
    )
    controls: int = setting(20, "Number of pairs of unrelated words; 0: none.", validator=ge(0))
    untrained: int = setting(
        3,
        "Copies of the model with random weights, from which the feature is learned anew, at most; one is"
        " enough where it does not read the words.",
        validator=ge(0),
    )


@frozen
class EncoderSettings:
    """Settings of `encoder`: what single examples encode to."""

    splits: tuple[str, ...] = setting(
        SPLITS,
        "The splits that are encoded.",
        validator=[validators.min_len(1), every(validators.in_(SPLITS))],
    )
    max_pairs: int = setting(
        100, "Maximum number of pairs of each class in the last of these splits.", validator=ge(1)
    )
    max_pairs_elsewhere: int = setting(
        25,
        "Maximum number of pairs of each class in the other splits, which only show whether the feature was"
        " learned by heart.",
        validator=ge(1),
    )
    random_directions: int = setting(
        200,
        "Number of random directions that the feature is compared with on the test split; 0: none.",
        validator=ge(0),
    )


@frozen
class DecoderSettings:
    """Settings of `decoder`: the search for the best edit of each goal (`rewrite.toward`), judged by
    `policy`."""

    learning_rates: tuple[float, ...] = setting(
        (), "Learning rates that are tried; empty: a search.", validator=every(gt(0))
    )
    evaluations: int = setting(
        8, "Maximum number of edits that the search measures for each goal and damping.", validator=ge(2)
    )
    max_texts: int = setting(100, MAX_TEXTS, validator=ge(1))
    ordinary_texts: int = setting(
        200,
        "Number of ordinary texts: one half to choose edits by, the other to report them.",
        validator=ge(4),
    )


@frozen
class BudgetSettings:
    """Settings of `budget`: the strongest edit that leaves ordinary text as it is."""

    max_kl: float = setting(
        0.01,
        "The KL divergence from the unedited model that an edit may cause outside the feature's words, in"
        " nats a token of ordinary text.",
        validator=gt(0),
    )
    max_perplexity: float = setting(
        1.03,
        "The factor by which the perplexity of tokens that are not words of the feature may grow.",
        validator=gt(1),
    )


@frozen
class ThresholdSettings:
    """Settings of `threshold`: the strongest edit that keeps the language modelling score."""

    lms_floor: float = setting(
        0.99,
        "The share of the unedited model's language modelling score that an edit has to keep.",
        validator=[ge(0), le(1)],
    )


@frozen
class StabilitySettings:
    """Settings of `stability`: how far the features of several seeds agree."""

    top: int | float = setting(
        0.01,
        "The fraction (float) or number (int) of largest decoder weights whose overlap is counted.",
        validator=gt(0),
    )


@frozen
class WhereSettings:
    """Settings of `where`: where the gradients of the feature are large."""

    top: int | float = setting(
        0.01,
        "The fraction (float) or number (int) of largest decoder weights that are located.",
        validator=gt(0),
    )
    listed: int = setting(
        100, "The largest weights, neurons and heads that are listed one by one.", validator=ge(0)
    )


@frozen
class ExplanationSettings:
    """Settings of `explanation`: where in texts, and where in the model, the encoder reads the feature."""

    texts: int = setting(20, "Number of test texts that are read token by token.", validator=ge(1))
    listed: int = setting(6, "Number of these texts whose tokens and layers are listed.", validator=ge(0))


@frozen
class SelectionSettings:
    """Settings of `selection`: whether a selection before training has the weights that training finds."""

    shares: tuple[float, ...] = setting(
        (0.001, 0.01, 0.1),
        "The shares of largest weights that are compared.",
        validator=validators.min_len(1),
    )
    pairs: int = setting(64, "Number of training pairs that the selection sees.", validator=ge(2))


@frozen
class BaselineSettings:
    """Settings of `baselines`: simpler edits, searched for in the same way as the feature's edit."""

    methods: tuple[str, ...] = setting(
        METHODS, f"The simpler edits: {', '.join(METHODS)}.", validator=every(validators.in_(METHODS))
    )
    evaluations: int = setting(8, "Maximum number of edits that each search tries.", validator=ge(2))
    max_texts: int = setting(500, MAX_TEXTS, validator=ge(1))
    ordinary_texts: int = setting(
        200,
        "Number of ordinary texts: one half to choose edits by, the other to report them.",
        validator=ge(4),
    )
    strengths: tuple[float, ...] = setting(
        (0.5, 0.7, 1.4),
        "Multiples of the best edit that are measured as well, for the figure; at these its KL divergence is"
        " near a quarter, half and twice.",
        validator=every(gt(0)),
    )
    pairs: int = setting(
        256, "Number of training pairs that the mean differences are computed from.", validator=ge(2)
    )
    steps: int = setting(30, "Number of fine-tuning steps.", validator=ge(1))
    batch_size: int = setting(16, "Batch size of fine-tuning, in pairs.", validator=ge(1))
    layers: tuple[int, ...] = setting(
        (), "The layers whose activations are edited, from 0; empty: the one in the middle."
    )


@frozen
class SideEffectSettings:
    """Settings of `side-effects`: what else the chosen edits change."""

    winogender: str = setting("", "A file in the form of Winogender; empty: none.")
    crows_pairs: str = setting("", "A file in the form of CrowS-Pairs; empty: none.")
    lm_eval: tuple[str, ...] = setting((), "Tasks of lm-eval, for causal models.")
    lm_eval_tasks: str = setting("", "A folder with task files, which replace those of lm-eval; empty: none.")
    prompts: tuple[str, ...] = setting((), "Prompts that a generating model continues.")
    new_tokens: int = setting(30, "Length of each continuation, in tokens.", validator=ge(1))
    max_texts: int = setting(500, MAX_TEXTS, validator=ge(1))
    samples: int = setting(
        3, "Number of test texts of each class whose likeliest words are shown.", validator=ge(0)
    )


@frozen
class StrengthSettings:
    """Settings of `strengths`: the chosen edits from weak to strong."""

    strengths: tuple[float, ...] = setting(
        (0.25, 0.5, 0.75, 1.5, 2.0), "Factors of the chosen edits; 0 and 1 are always among them."
    )
    prompts: tuple[str, ...] = setting((), "Prompts that a generating model continues.")
    new_tokens: int = setting(30, "Length of each continuation, in tokens.", validator=ge(1))
    max_texts: int = setting(100, MAX_TEXTS, validator=ge(1))
    samples: int = setting(3, "Number of test texts that are shown.", validator=ge(0))


@hookimpl
def gradiend_policies() -> list[Contribution]:
    return [
        Contribution(
            "budget",
            BudgetSettings,
            "gradiend_evaluators.policies:Budget",
            "the strongest edit that leaves ordinary text as it is, but for the feature's words",
            traits={Trait.DEFAULT},
        ),
        Contribution(
            "threshold",
            ThresholdSettings,
            "gradiend_evaluators.policies:Threshold",
            "the strongest edit that keeps a share of the language modelling score",
        ),
        Contribution(
            "product",
            NoSettings,
            "gradiend_evaluators.policies:Product",
            "the largest product of effect and language modelling score",
        ),
        Contribution(
            "prediction-index",
            NoSettings,
            "gradiend_evaluators.policies:PredictionIndex",
            "the indices for either class or for both alike (FPI, MPI, BPI)",
            "arXiv 2502.01406, section 4",
        ),
    ]


@hookimpl
def gradiend_evaluators() -> list[Contribution]:
    paper = "arXiv 2502.01406, section 4"
    return [
        Contribution(
            "transfer",
            TransferSettings,
            "gradiend_evaluators.transfer:TransferEvaluator",
            "whether the encoder reads words that it was not learned from, beside what chance and a model"
            " with random weights give",
            "arXiv 1810.03292, 1909.03368",
            traits={Trait.SHOWS_FEATURE},
            section="encoder",
        ),
        Contribution(
            "encoder",
            EncoderSettings,
            "gradiend_evaluators.encoder:EncoderEvaluator",
            "what single examples encode to, by class",
            paper,
            traits={Trait.READS_ENCODINGS},
            in_suites={"splits": ["test"], "random_directions": 0},
            section="encoder",
        ),
        Contribution(
            "decoder",
            DecoderSettings,
            "gradiend_evaluators.decoder:DecoderEvaluator",
            "how far rewriting shifts each class",
            paper,
            traits={Trait.CHOOSES_EDITS},
            section="decoder",
        ),
        Contribution(
            "baselines",
            BaselineSettings,
            "gradiend_evaluators.baselines:BaselineEvaluator",
            "the feature's edit beside simpler ones, of weights, activations and outputs, under one budget",
            by_default=False,
        ),
        Contribution(
            "side-effects",
            SideEffectSettings,
            "gradiend_evaluators.side_effects:SideEffectEvaluator",
            "what else the chosen edits change: neutral text, other classes, sentence pairs, generated text",
            by_default=False,
            traits={Trait.MEASURES_SIDE_EFFECTS},
        ),
        Contribution(
            "stability",
            StabilitySettings,
            "gradiend_evaluators.stability:StabilityEvaluator",
            "how far the features of several seeds agree",
        ),
        Contribution(
            "strengths",
            StrengthSettings,
            "gradiend_evaluators.strengths:StrengthEvaluator",
            "the chosen edits from weak to strong, in numbers and in text",
            by_default=False,
            traits={Trait.VARIES_STRENGTH},
            section="decoder",
        ),
        Contribution(
            "where",
            WhereSettings,
            "gradiend_evaluators.where:WhereEvaluator",
            "in which neurons, heads, layers and components the gradients of the feature are large",
            section="where",
        ),
        Contribution(
            "explanation",
            ExplanationSettings,
            "gradiend_evaluators.explanation:ExplanationEvaluator",
            "which tokens, layers and components the encodings of some texts come from",
            section="encoder",
            traits={Trait.EXPLAINS},
        ),
        Contribution(
            "selection",
            SelectionSettings,
            "gradiend_evaluators.selection:SelectionEvaluator",
            "how far a selection before training has the weights that training found",
        ),
    ]
