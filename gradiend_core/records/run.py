"""A run, fully resolved: what its file says, with every default."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen, validators


@frozen
class Choice:
    """A contribution, chosen by name, with its configuration."""

    kind: str
    config: Any


@frozen
class RewriteSettings:
    """What the model is rewritten for: a class to strengthen ("3SG"), one to weaken ("less-3SG"), or
    "balanced"; empty means both classes. `part` of the encoder-decoder is what is added to the weights: the
    "decoder", its "weight" or its "bias" alone, or the "encoder"; `feature_factors` replace those that the
    goal asks for."""

    toward: tuple[str, ...] = ()
    part: str = field(default="decoder", validator=validators.in_(("decoder", "weight", "bias", "encoder")))
    feature_factors: tuple[float, ...] = ()


@frozen
class GradientSettings:
    """How gradients are computed: the device ("auto", "cpu", "cuda", "cuda:1", or "sharded" over all devices
    by `device_map`), the type of the model's weights ("auto" is what its config says; sums are float32 all
    the same), the GiB that a batch may keep for its backward pass, and whether layers are computed twice
    instead of kept. `quantisation` keeps the weights of linear layers in "4bit" (NF4) or "8bit" by
    bitsandbytes: features are learned and edits measured on that model, and edits written into the one that
    is not quantised. `trust_remote_code` runs the code that a model brings; nothing else ever does."""

    device: str = "auto"
    dtype: str = field(
        default="float32", validator=validators.in_(("auto", "float32", "bfloat16", "float16", "float64"))
    )
    memory_gib: float = field(default=0.5, validator=validators.gt(0))
    checkpointing: bool = False
    quantisation: str = field(default="none", validator=validators.in_(("none", "4bit", "8bit")))
    trust_remote_code: bool = False


@frozen
class StoreSettings:
    """The gradients of single examples on disk. "auto" uses it where several seeds or features share them and
    they fit the limit; an empty folder is the user's cache folder."""

    use: str = field(default="auto", validator=validators.in_(("auto", "always", "never")))
    folder: str = ""
    limit_gib: float = field(default=8.0, validator=validators.gt(0))
    precision: str = field(default="float32", validator=validators.in_(("float32", "bfloat16")))


@frozen
class SeedSettings:
    """Learn with one seed after the other, at most so many, until enough have converged: with a validation
    correlation of at least the threshold. The feature of the best one is taken."""

    at_most: int = field(default=1, validator=validators.ge(1))
    convergent: int = field(default=1, validator=validators.ge(1))
    threshold: float = field(default=0.9, validator=[validators.ge(0), validators.le(1)])


@frozen
class PruneSettings:
    """Keep only the largest weights of what was learned: a fraction (float) or a count (int), by the size of
    the decoder's or the encoder's; 1.0 keeps all."""

    keep: int | float = field(default=1.0, validator=validators.gt(0))
    by: str = field(default="decoder", validator=validators.in_(("decoder", "encoder")))


@frozen
class DataSettings:
    """From texts to pairs.

    Reading: the columns of a table (`split_column` and `document_column` may be empty; `encoding` is of text
    and CSV files; `columns` names all of a CSV file without a header), the `subset` of a hub dataset, whether
    it is streamed, and a number of texts after which reading stops. `sentences` is a language code, such as
    "en", to split texts into sentences, empty to take them as they are; `context` sentences before and after
    stay as context. `tagger` is a spaCy model. 0 is no limit, everywhere.

    Keeping: at least `min_left_words` before a slot, at most `max_words` in a text, so many pairs of a class
    and so many neutral texts. `balance` of a class's words: "off" draws from all its pairs; "try" evens out
    the words as far as the limit allows; "strict" takes each word equally often. `neutral_slots` pairs more
    have a word of a feature text, that says nothing of the feature, as their slot. `identity` keeps words of
    the paradigm's other classes as neutral pairs.

    Splits: `split` has the shares of train, validation and test; `split_by` is what is never divided: a
    "text", a "document", or a "word", so that the test has words that were not learned from; or "given", what
    the column says."""

    text_column: str = "text"
    document_column: str = ""
    split_column: str = ""
    columns: tuple[str, ...] = ()
    encoding: str = "utf-8"
    subset: str = ""
    streaming: bool = False
    max_texts: int = field(default=0, validator=validators.ge(0))
    sentences: str = ""
    context: int = field(default=0, validator=validators.ge(0))
    tagger: str = ""
    min_left_words: int = field(default=0, validator=validators.ge(0))
    max_words: int = field(default=0, validator=validators.ge(0))
    max_per_class: int = field(default=1000, validator=validators.ge(0))
    max_neutral: int = field(default=500, validator=validators.ge(0))
    balance: str = field(default="off", validator=validators.in_(("off", "try", "strict")))
    neutral_slots: int = field(default=0, validator=validators.ge(0))
    identity: bool = False
    split: tuple[float, float, float] = (0.6, 0.2, 0.2)
    split_by: str = field(default="text", validator=validators.in_(("text", "document", "word", "given")))


@frozen
class ComparisonSettings:
    """How features are compared: by so many of their largest weights (`top`, fractions or counts), and on at
    most `max_pairs` test pairs of each class. A suite has so many `nulls` for each of its runs: the same with
    shuffled classes."""

    top: tuple[int | float, ...] = field(
        default=(0.01,), validator=[validators.min_len(1), validators.deep_iterable(validators.gt(0))]
    )
    max_pairs: int = field(default=100, validator=validators.ge(2))
    nulls: int = field(default=0, validator=validators.ge(0))


@frozen
class GeneralSettings:
    """The keys at the top of a run file. With `poles`, the first class is a positive pole and the second a
    negative one, so that the feature's sign means the same beside every other; without, classes are peers,
    and their order means nothing."""

    model: str = "tiny-mlm"
    texts: str = "tiny-english"
    seed: int = field(default=0, validator=validators.ge(0))
    poles: bool = False
    disable_plugins: tuple[str, ...] = ()


@frozen
class RunConfig:
    """Everything that numbers depend on, but for the model and the texts themselves."""

    general: GeneralSettings
    paradigm: Choice
    source: Choice
    scope: Choice
    learner: Choice
    policy: Choice
    evaluation: tuple[Choice, ...]
    figures: tuple[Choice, ...]
    data: DataSettings
    gradients: GradientSettings
    store: StoreSettings
    seeds: SeedSettings
    prune: PruneSettings
    rewrite: RewriteSettings
