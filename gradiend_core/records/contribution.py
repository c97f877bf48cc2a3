"""What a plugin declares."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen, validators

from gradiend_core.errors import PluginError


@frozen
class NoSettings:
    """The configuration of a contribution that has nothing to set."""


@frozen
class Contribution:
    """One implementation of one role: named, described and configured, but not yet imported.

    `config` is a frozen attrs class with a default for every field that has a sensible one. `factory` names,
    as "module:attribute", what is called with an instance of it; the module is imported only when a run needs
    it. `suited` names, for a paradigm, the "model" and the "texts" of a run that names none. An evaluator or
    a visualizer that is not `by_default` runs only where it is named."""

    name: str = field(validator=validators.matches_re(r"[a-z0-9][a-z0-9-]*"))
    config: type
    factory: str = field(validator=validators.matches_re(r"[\w.]+:\w+"))
    summary: str
    reference: str = ""
    suited: Mapping[str, str] = field(factory=dict)
    by_default: bool = True

    def build(self, config: object | None = None) -> Any:
        """The implementation, made with this configuration (default: every default)."""
        module, attribute = self.factory.split(":")
        try:
            make = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise PluginError(
                f"{self.name!r} names the factory {self.factory!r}, which cannot be imported: {error}"
            ) from error
        return make(self.config() if config is None else config)
