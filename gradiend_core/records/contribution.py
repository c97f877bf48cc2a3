"""The declaration of what a plugin contributes."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from enum import Enum
from typing import Any

from attrs import field, frozen, validators

from gradiend_core.errors import PluginError


@frozen
class NoSettings:
    """The configuration of a contribution without settings."""


SECTIONS = ("", "learning", "encoder", "decoder", "where")


class Trait(Enum):
    """What the core needs to know about a contribution. The core looks for a trait, never for a name."""

    #: a learner of features that mean nothing; its settings have `of`, the learner whose classes it shuffles
    NULL = "null"
    #: an evaluator whose table "encodings" has a row for each example; its settings have `splits`
    READS_ENCODINGS = "reads encodings"
    #: an evaluator that says whether the model has the feature: its metrics are "correlation" with unseen
    #: words, "p_value" and "untrained_p_value"
    SHOWS_FEATURE = "shows the feature"
    #: an evaluator whose report has the chosen edits
    CHOOSES_EDITS = "chooses edits"
    #: an evaluator with the tables "points" and "samples": the chosen edits from weak to strong
    VARIES_STRENGTH = "varies strength"
    #: an evaluator with the tables "by_token" and "by_layer": from where in some texts an encoding comes
    EXPLAINS = "explains encodings"
    #: an evaluator of what else the chosen edits change
    MEASURES_SIDE_EFFECTS = "measures side effects"
    #: a learner whose encoder is a sum of gradients, so that the length of a part of it means something
    SUMS_GRADIENTS = "sums gradients"
    #: a learner that reads no more pairs than it needs, so that to store the gradients of all costs more
    READS_FEW = "reads few"
    #: what a run takes that names none of its kind
    DEFAULT = "default"


@frozen
class Contribution:
    """One implementation of one kind of plugin: named, described and configured, but not yet imported.

    `config` is a frozen attrs class with a default for every field that has a sensible one. `factory` names,
    as "module:attribute", what is called with an instance of it; the module is imported only when a run needs
    it. `suited` names, for a paradigm, the "model" and the "texts" of a run that names none. An evaluator or
    a visualizer that is not `by_default` runs only where it is named. `traits` say what it is to the core,
    and `in_suites` has the settings of an evaluator that every run of a suite has, unless the suite names
    others. `section` is where the HTML report shows a figure or the result of an evaluator: under "learning",
    "encoder", "decoder" or "where"; empty: with the other results.
    """

    name: str = field(validator=validators.matches_re(r"[a-z0-9][a-z0-9-]*"))
    config: type
    factory: str = field(validator=validators.matches_re(r"[\w.]+:\w+"))
    summary: str
    reference: str = ""
    suited: Mapping[str, str] = field(factory=dict)
    by_default: bool = True
    traits: Collection[Trait] = ()
    in_suites: Mapping[str, Any] | None = None
    section: str = field(default="", validator=validators.in_(SECTIONS))

    def build(self, config: object | None = None) -> Any:
        """The implementation, built with this configuration (default: all defaults). Raises PluginError where
        its factory cannot be imported."""
        module, attribute = self.factory.split(":")
        try:
            make = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise PluginError(
                f"{self.name!r} names the factory {self.factory!r}, which cannot be imported: {error}"
            ) from error
        return make(self.config() if config is None else config)
