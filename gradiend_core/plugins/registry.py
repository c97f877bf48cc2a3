"""What the plugins contribute, by role and name."""

from __future__ import annotations

from attrs import frozen

from gradiend_core.errors import PluginError, unknown
from gradiend_core.records.contribution import Contribution

#: role, as it stands in a run file and in messages: the hook that declares it
ROLES = {
    "text": "gradiend_texts",
    "model": "gradiend_models",
    "paradigm": "gradiend_feature_paradigms",
    "source": "gradiend_gradient_sources",
    "scope": "gradiend_parameter_selectors",
    "learner": "gradiend_learners",
    "policy": "gradiend_policies",
    "evaluation": "gradiend_evaluators",
    "figures": "gradiend_visualizers",
    "comparison-figures": "gradiend_comparison_visualizers",
}


@frozen
class PluginState:
    """A plugin as found: its entry point, where it comes from, and whether it takes part."""

    name: str
    entry_point: str
    distribution: str
    version: str
    state: str  # active, blocked or failed
    cause: str = ""


@frozen
class Registered:
    """A contribution with its role and its plugin."""

    role: str
    contribution: Contribution
    plugin: str


@frozen
class Registry:
    """Contributions sorted by role and name, and the plugins that could not contribute."""

    entries: tuple[Registered, ...]
    plugins: tuple[PluginState, ...]

    def names(self, role: str) -> list[str]:
        return [entry.contribution.name for entry in self.entries if entry.role == role]

    def has(self, role: str, name: str) -> bool:
        return name in self.names(role)

    def get(self, role: str, name: str) -> Contribution:
        """The contribution, or an error that names what is known and which plugins are missing."""
        return self.entry(role, name).contribution

    def entry(self, role: str, name: str) -> Registered:
        for entry in self.entries:
            if (entry.role, entry.contribution.name) == (role, name):
                return entry
        message = unknown(role, name, self.names(role))
        for plugin in self.plugins:
            if plugin.state == "failed":
                message += (
                    f"; plugin {plugin.name!r} of {plugin.distribution} {plugin.version} failed:"
                    f" {plugin.cause}"
                )
            elif plugin.state == "blocked":
                message += f"; plugin {plugin.name!r} is blocked"
        raise PluginError(message)


def collect(declared: list[tuple[str, str, Contribution]], plugins: tuple[PluginState, ...]) -> Registry:
    """A registry of (role, plugin, contribution); two contributions with one role and name are an error."""
    seen: dict[tuple[str, str], str] = {}
    for role, plugin, contribution in declared:
        other = seen.setdefault((role, contribution.name), plugin)
        if other != plugin:
            raise PluginError(
                f"plugins {other!r} and {plugin!r} both contribute the {role} {contribution.name!r}; "
                f"block one with --disable-plugin {other} or --disable-plugin {plugin}"
            )
    entries = [Registered(role, contribution, plugin) for role, plugin, contribution in declared]
    order = list(ROLES)
    entries.sort(key=lambda entry: (order.index(entry.role), entry.contribution.name))
    return Registry(tuple(entries), plugins)
