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
    """Which classes to write a strengthened model for; empty means both."""

    toward: tuple[str, ...] = ()


@frozen
class GradientSettings:
    """How gradients are computed: the device ("auto", "cpu", "cuda", "cuda:1", or "sharded" over all devices by `device_map`),
    the type of the model's weights ("auto" is what its config says; sums are float32 all the same), the GiB that a batch may keep
    for its backward pass, and whether layers are computed twice instead of kept."""

    device: str = "auto"
    dtype: str = field(default="float32", validator=validators.in_(("auto", "float32", "bfloat16", "float16", "float64")))
    memory_gib: float = field(default=0.5, validator=validators.gt(0))
    checkpointing: bool = False


@frozen
class StoreSettings:
    """The gradients of single examples on disk. "auto" uses it where several seeds or features share them and they fit the
    limit; an empty folder is the user's cache folder."""

    use: str = field(default="auto", validator=validators.in_(("auto", "always", "never")))
    folder: str = ""
    limit_gib: float = field(default=8.0, validator=validators.gt(0))
    precision: str = field(default="float32", validator=validators.in_(("float32", "bfloat16")))


@frozen
class SeedSettings:
    """Learn with one seed after the other, at most so many, until enough have converged: with a validation correlation of at
    least the threshold. The feature of the best one is taken."""

    at_most: int = field(default=1, validator=validators.ge(1))
    convergent: int = field(default=1, validator=validators.ge(1))
    threshold: float = field(default=0.9, validator=[validators.ge(0), validators.le(1)])


@frozen
class PruneSettings:
    """Keep only the largest weights of what was learned: a fraction (float) or a count (int), by the size of the decoder's or
    the encoder's; 1.0 keeps all."""

    keep: int | float = field(default=1.0, validator=validators.gt(0))
    by: str = field(default="decoder", validator=validators.in_(("decoder", "encoder")))


@frozen
class GeneralSettings:
    """The keys at the top of a run file."""

    model: str = "tiny-mlm"
    texts: str = "tiny-english"
    text_column: str = "text"
    seed: int = field(default=0, validator=validators.ge(0))
    disable_plugins: tuple[str, ...] = ()


@frozen
class RunConfig:
    """Everything that numbers depend on, but for the model and the texts themselves."""

    general: GeneralSettings
    paradigm: Choice
    source: Choice
    scope: Choice
    learner: Choice
    evaluation: tuple[Choice, ...]
    figures: tuple[Choice, ...]
    gradients: GradientSettings
    store: StoreSettings
    seeds: SeedSettings
    prune: PruneSettings
    rewrite: RewriteSettings
