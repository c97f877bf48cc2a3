"""The contributions of all plugins, by kind and name."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from attrs import frozen

from gradiend_core.errors import PluginError, unknown
from gradiend_core.records.contribution import Contribution, Trait
from gradiend_core.roles.kinds import PLUGIN_KINDS, PluginKind

Built = TypeVar("Built")


@frozen
class PluginState:
    """A discovered plugin: its entry point, its package, and whether it is active."""

    name: str
    entry_point: str
    distribution: str
    version: str
    state: str  # active, blocked or failed
    cause: str = ""


@frozen
class Registered:
    """A contribution with its kind and its plugin."""

    plugin_kind: PluginKind[Any]
    contribution: Contribution
    plugin: str


@frozen
class Registry:
    """Contributions sorted by kind and name, and the plugins that could not contribute."""

    entries: tuple[Registered, ...]
    plugins: tuple[PluginState, ...]

    def names(self, kind: PluginKind[Any]) -> list[str]:
        return [entry.contribution.name for entry in self.entries if entry.plugin_kind == kind]

    def has(self, kind: PluginKind[Any], name: str) -> bool:
        return name in self.names(kind)

    def get(self, kind: PluginKind[Any], name: str) -> Contribution:
        """The contribution. Raises PluginError with the known names and the plugins that are missing."""
        return self.entry(kind, name).contribution

    def build(self, kind: PluginKind[Built], name: str, config: object | None = None) -> Built:
        """The implementation, built with a configuration (default: all defaults)."""
        return cast(Built, self.get(kind, name).build(config))

    def with_trait(self, kind: PluginKind[Any], trait: Trait) -> list[Contribution]:
        """The contributions of a kind that have a trait, by name."""
        return [
            entry.contribution
            for entry in self.entries
            if entry.plugin_kind == kind and trait in entry.contribution.traits
        ]

    def entry(self, kind: PluginKind[Any], name: str) -> Registered:
        for entry in self.entries:
            if entry.plugin_kind == kind and entry.contribution.name == name:
                return entry
        message = unknown(kind.name, name, self.names(kind))
        for plugin in self.plugins:
            if plugin.state == "failed":
                message += (
                    f"; plugin {plugin.name!r} of {plugin.distribution} {plugin.version} failed:"
                    f" {plugin.cause}"
                )
            elif plugin.state == "blocked":
                message += f"; plugin {plugin.name!r} is blocked"
        raise PluginError(message)


def collect(
    declared: list[tuple[PluginKind[Any], str, Contribution]], plugins: tuple[PluginState, ...]
) -> Registry:
    """A registry of (kind, plugin, contribution). Raises PluginError for two contributions with the same kind
    and name."""
    seen: dict[tuple[str, str], str] = {}
    for kind, plugin, contribution in declared:
        other = seen.setdefault((kind.name, contribution.name), plugin)
        if other != plugin:
            raise PluginError(
                f"plugins {other!r} and {plugin!r} both contribute the {kind} {contribution.name!r}; block"
                f" one with --disable-plugin {other} or --disable-plugin {plugin}"
            )
    entries = [Registered(kind, contribution, plugin) for kind, plugin, contribution in declared]
    entries.sort(key=lambda entry: (PLUGIN_KINDS.index(entry.plugin_kind), entry.contribution.name))
    return Registry(tuple(entries), plugins)
