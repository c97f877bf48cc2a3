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
    rewrite: RewriteSettings
