"""The complete configuration of a run: what its file says, plus every default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import Factory, frozen, validators

from gradiend_core.records.setting import setting

ge, gt, in_ = validators.ge, validators.gt, validators.in_


@frozen
class Choice:
    """A contribution chosen by name, with its configuration."""

    kind: str
    config: Any


@frozen
class GeneralSettings:
    """The keys at the top of a run file."""

    model: str = setting("tiny-mlm", "A named model, a folder that `from_pretrained` loads, or a hub id.")
    texts: str = setting("tiny-english", "A named text, a file, a folder, or `hub:ID`.")
    seed: int = setting(0, "Random seed.", validator=ge(0))
    poles: bool = setting(
        False,
        "Whether the first class is a positive pole, so that the signs of several features mean the same;"
        " without, the order of the classes means nothing.",
    )
    disable_plugins: tuple[str, ...] = setting((), "Plugins that are left out, by name.")


@frozen
class DataSettings:
    """From texts to pairs: reading, filtering and splitting. 0 always means no limit."""

    text_column: str = setting("text", "The column of a table that has the text.")
    document_column: str = setting("", "The column that names the document of a text; empty: none.")
    split_column: str = setting("", "The column that names the split of a text; empty: none.")
    columns: tuple[str, ...] = setting((), "All column names of a CSV file that has no header.")
    encoding: str = setting("utf-8", "The encoding of text and CSV files.")
    subset: tuple[str, ...] = setting(
        (),
        "The configurations of a hub data set that are read, one after the other; the column `part` then"
        " names the one that a row is from; empty: its only one.",
    )
    streaming: bool = setting(False, "Whether a hub data set is streamed instead of downloaded.")
    max_texts: int = setting(0, "Maximum number of texts that are read; 0: all.", validator=ge(0))
    sentences: str = setting(
        "", 'The language code, such as "en", by which texts are split into sentences; empty: not split.'
    )
    context: int = setting(
        0, "Number of sentences that are kept before and after the one with the slot.", validator=ge(0)
    )
    unescape_html: bool = setting(
        False, "Whether HTML entities such as &#39; are replaced by the characters that they stand for."
    )
    tagger: str = setting("", "A spaCy model that tags texts; empty: none.")
    min_left_words: int = setting(0, "Minimum number of words before a slot.", validator=ge(0))
    max_words: int = setting(
        0, "Maximum number of words of a text; a longer one is dropped; 0: no limit.", validator=ge(0)
    )
    min_characters: int = setting(0, "Minimum number of characters of a text.", validator=ge(0))
    max_characters: int = setting(
        0, "Maximum number of characters of a text; 0: no limit but that of 100,000.", validator=ge(0)
    )
    excluded_characters: str = setting(
        "", 'Characters that no text may have, such as "[]{}|" of code and markup.'
    )
    filter: str = setting(
        "",
        'A function of yours, "module:function", that is given a text and says whether it is kept; empty:'
        " none.",
    )
    alternatives: int = setting(
        1, "Maximum number of pairs of one slot, each with another alternative.", validator=ge(1)
    )
    max_per_class: int = setting(1000, "Maximum number of pairs of each class.", validator=ge(0))
    max_neutral: int = setting(500, "Maximum number of neutral texts.", validator=ge(0))
    balance: str = setting(
        "off",
        'How the words of a class share its pairs: "off" draws from all pairs, "try" evens the words out as'
        ' far as max_per_class allows, "strict" takes each word equally often.',
        validator=in_(("off", "try", "strict")),
    )
    neutral_slots: int = setting(
        0, "Extra neutral pairs: an unrelated word in a text that contains the feature.", validator=ge(0)
    )
    identity: bool = setting(False, "Whether words of the paradigm's other classes become neutral pairs.")
    related: Mapping[str, tuple[str, ...]] = setting(
        Factory(dict),
        "Words that tell the classes apart and are not learned from, the n-th of a class beside the n-th of"
        " another; they replace those of the paradigm.",
    )
    split: tuple[float, float, float] = setting((0.6, 0.2, 0.2), "The shares of train, validation and test.")
    split_by: str = setting(
        "text",
        'What never falls into two splits: a "text", a "document", or a "word", so that the test has words'
        ' that were not learned from; "given" takes the splits of split_column.',
        validator=in_(("text", "document", "word", "given")),
    )


@frozen
class GradientSettings:
    """How gradients are computed."""

    device: str = setting(
        "auto", 'The device: "auto", "cpu", "cuda", "cuda:1", or "sharded" over all devices.'
    )
    dtype: str = setting(
        "float32",
        'The type of the model\'s weights; "auto" is what its config says. Sums are float32 in any case.',
        validator=in_(("auto", "float32", "bfloat16", "float16", "float64")),
    )
    precision: str = setting(
        "auto",
        'How products of matrices are taken on the way to gradients: in "float32", or in "bfloat16" with sums'
        ' in float32, at an error of some thousandths; "auto" takes it for large models where a trial shows'
        " that it is faster here. Probabilities and scores are float32 in any case.",
        validator=in_(("auto", "float32", "bfloat16")),
    )
    memory_gib: float = setting(
        0.25, "Memory that a batch may keep for its backward pass, in GiB.", validator=gt(0)
    )
    checkpointing: bool = setting(
        False,
        "Whether layers are computed again in the backward pass instead of kept: less memory, more time.",
    )
    threads: int = setting(
        0,
        "Number of threads of torch; 0: all, or one where a trial shows that other programs slow them down.",
        validator=ge(0),
    )
    quantisation: str = setting(
        "none",
        'Linear layers in "4bit" (NF4) or "8bit" by bitsandbytes. Features are learned on the quantised'
        " model; edits are written into the unquantised one.",
        validator=in_(("none", "4bit", "8bit")),
    )
    trust_remote_code: bool = setting(False, "Whether code that comes with a model is run.")


@frozen
class StoreSettings:
    """The gradients of single examples on disk."""

    use: str = setting(
        "auto",
        'Whether gradients are stored: "auto" where several seeds or features share them and they fit the'
        ' limit, "always" or "never".',
        validator=in_(("auto", "always", "never")),
    )
    folder: str = setting("", "The folder of the store; empty: the user's cache folder.")
    limit_gib: float = setting(
        8.0, "Disk space that all stores in the folder may take, in GiB.", validator=gt(0)
    )
    precision: str = setting(
        "float32", "The type of the stored numbers.", validator=in_(("float32", "bfloat16"))
    )


@frozen
class SeedSettings:
    """Learning with several seeds, one after the other; the best feature is kept."""

    at_most: int = setting(1, "Maximum number of random seeds that are tried.", validator=ge(1))
    convergent: int = setting(
        1, "Number of converged seeds after which no further one is tried.", validator=ge(1)
    )
    threshold: float = setting(
        0.9,
        "The validation correlation from which a seed has converged.",
        validator=[ge(0), validators.le(1)],
    )


@frozen
class PruneSettings:
    """Keeping only the largest weights of a learned feature."""

    keep: int | float = setting(1.0, "The fraction (float) or number (int) of weights kept.", validator=gt(0))
    by: str = setting(
        "decoder",
        "Whether weights are ranked by their size in the decoder or in the encoder.",
        validator=in_(("decoder", "encoder")),
    )


@frozen
class RewriteSettings:
    """The goals of rewriting, and how edits are made."""

    toward: tuple[str, ...] = setting(
        (),
        'Goals: a class to strengthen ("3SG"), one to weaken ("less-3SG"), or "balanced"; empty: each class.',
    )
    direction: str = setting(
        "decoder",
        'What is added to the weights: the decoder\'s output ("decoder"), of it only the weight or the bias'
        ' ("decoder-weight", "decoder-bias"), or the "encoder".',
        validator=in_(("decoder", "decoder-weight", "decoder-bias", "encoder")),
        formerly="part",
    )
    feature_factors: tuple[float, ...] = setting(
        (), "Feature factors that are tried; empty: those that the goal asks for."
    )
    metric: str = setting(
        "fisher",
        "What a change of weights costs: the Fisher information of ordinary text, by weight"
        ' ("fisher", the natural gradient) or for linear layers in the eigenbases of their covariances'
        ' ("kronecker", EKFAC), of these the inputs alone ("inputs"), or the same for all weights ("none").',
        validator=in_(("fisher", "kronecker", "inputs", "none")),
    )
    dampings: tuple[float, ...] = setting(
        (0.03, 1.0, 30.0),
        "Values that are tried as damping of the metric, relative to its mean over the weights; the best is"
        " chosen together with the learning rate.",
        validator=[validators.min_len(1), validators.deep_iterable(gt(0))],
    )
    damping_mean: str = setting(
        "all",
        'The weights whose mean of the metric a damping is relative to: "all" of them, or those of the same'
        ' "parameter", so that layers with small and with large curvature change alike.',
        validator=in_(("all", "parameter")),
    )
    curvature_texts: int = setting(
        100, "Number of ordinary texts that the metric is measured on.", validator=ge(2)
    )
    steps: int = setting(
        1,
        "Number of steps that the chosen edit is also taken in, with new gradients at each step; the"
        " better of both edits is kept; 1: one step.",
        validator=ge(1),
    )
    keep: tuple[str, ...] = setting(
        (),
        "What is to stay as it is: classes of the paradigm that the feature does not tell apart, and texts"
        ' with a marked slot, as "So [we] left." or, with the word that must not replace it,'
        ' "So [we|they] left".',
    )
    keep_slots: int = setting(
        40, "Number of slots of each of these classes that an edit should not change.", validator=ge(1)
    )
    keep_weight: float = setting(
        10.0,
        "How much a change of these slots costs; at 1, as much as the unprotected edit costs ordinary text.",
        validator=gt(0),
    )


@frozen
class FigureSettings:
    """The look and the file formats of figures."""

    formats: tuple[str, ...] = setting(
        ("png", "pdf", "svg"),
        "The formats that each figure is saved in.",
        validator=validators.deep_iterable(in_(("png", "pdf", "svg"))),
    )
    dpi: int = setting(150, "Dots per inch of PNG figures.", validator=ge(30))
    width: float = setting(
        0.0,
        "Width of figures in inches, to which height and letters are scaled; 0: as they were drawn.",
        validator=ge(0),
    )
    style: str = setting(
        "", 'A matplotlib style, such as "ggplot", or the file of a style sheet; empty: plain.'
    )
    labels: Mapping[str, str] = setting(
        Factory(dict), 'Words of figures and what stands for them, as in {3SG = "singular", 3PL = "plural"}.'
    )


@frozen
class ComparisonSettings:
    """How the features of a suite are compared."""

    top: tuple[int | float, ...] = setting(
        (0.01,),
        "Fractions (float) or numbers (int) of largest weights whose overlap is counted.",
        validator=[validators.min_len(1), validators.deep_iterable(gt(0))],
    )
    measures: tuple[str, ...] = setting(
        (),
        'Further measures beside cosine and overlap: "spearman", the rank correlation of the weights, and'
        ' "mass", the part of the absolute weights that lies in the same entries.',
        validator=validators.deep_iterable(in_(("spearman", "mass"))),
    )
    max_pairs: int = setting(100, "Test pairs of each class that encoders read.", validator=ge(2))
    nulls: int = setting(
        0,
        "Number of runs with shuffled classes beside each run, to show what features of nothing look like.",
        validator=ge(0),
    )


@frozen
class RunConfig:
    """Everything that the numbers depend on, except for the model and the texts themselves."""

    general: GeneralSettings
    paradigm: Choice
    source: Choice
    selector: Choice
    learner: Choice
    policy: Choice
    evaluators: tuple[Choice, ...]
    visualizers: tuple[Choice, ...]
    data: DataSettings
    gradients: GradientSettings
    store: StoreSettings
    seeds: SeedSettings
    prune: PruneSettings
    rewrite: RewriteSettings
    figures: FigureSettings
