"""Finds plugins by their entry points, registers them strictly, and calls their hooks one by one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import ParamSpec

import pluggy
from attrs import evolve

from gradiend_core import hookspecs
from gradiend_core.errors import PluginError, unknown
from gradiend_core.plugins.registry import PluginState, Registry, collect
from gradiend_core.plugins.strict import check_hooks
from gradiend_core.records.contribution import Contribution
from gradiend_core.roles.kinds import PLUGIN_KINDS

P = ParamSpec("P")

MEND = "install it again, `pip install gradiend-core` or `pip install --editable .` in a checkout"


class Plugins:
    """The plugins of one process or one test. A plugin that cannot be imported or that breaks a rule is kept
    as failed, with the cause, and the others go on. It stops a run only if the run needs its
    contributions."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(hookspecs.PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self.states: dict[str, PluginState] = {}
        self._muted: set[str] = set()
        self._registry: Registry | None = None

    @classmethod
    def discover(cls, disabled: Iterable[str] = ()) -> Plugins:
        """All installed plugins except the disabled ones, which are not even imported."""
        plugins, disabled = cls(), set(disabled)
        points = sorted(entry_points(group=hookspecs.PROJECT), key=lambda point: point.name)
        if not points:
            raise PluginError(
                "no plugins found, not even the built-in ones: gradiend-core is not installed properly;"
                f" {MEND}"
            )
        for name in disabled - {point.name for point in points}:
            raise PluginError(unknown("plugin to disable", name, {point.name for point in points}))
        for point in points:
            plugins.add_entry_point(point, blocked=point.name in disabled)
        return plugins

    def add_entry_point(self, point: EntryPoint, *, blocked: bool = False) -> None:
        """Loads and registers the target of an entry point; a failure is kept, not raised."""
        distribution = point.dist.name if point.dist else "unknown"
        version = point.dist.version if point.dist else "unknown"
        if point.name in self.states:
            other = self.states[point.name]
            raise PluginError(
                f"two plugins are named {point.name!r}: {other.entry_point} of {other.distribution} and "
                f"{point.value} of {distribution}; uninstall one of the distributions"
            )
        state, cause = "blocked" if blocked else "active", ""
        if not blocked:
            try:
                self.register(point.load(), point.name)
            except (
                Exception
            ) as error:  # whatever a stranger's module raises on import is its failure, not ours
                state, cause = (
                    "failed",
                    f"{type(error).__name__}: {error}" if not isinstance(error, PluginError) else str(error),
                )
        self.states[point.name] = PluginState(point.name, point.value, distribution, version, state, cause)

    def register(self, plugin: object, name: str) -> None:
        """Registers a module or object whose hooks match their specifications exactly."""
        specs = {
            spec: tuple(getattr(self.manager.hook, spec).spec.argnames)
            for spec in vars(hookspecs)
            if spec.startswith("gradiend_")
        }
        check_hooks(plugin, specs)
        if self.manager.has_plugin(name):
            raise PluginError(f"two plugins are named {name!r}; rename one")
        self.manager.register(plugin, name)
        self.manager.check_pending()
        self._registry = None

    @property
    def registry(self) -> Registry:
        """The contributions of the active plugins, collected once."""
        if self._registry is None:
            declared = [
                (kind, implementation.plugin_name, contribution)
                for kind in PLUGIN_KINDS
                for implementation in self._implementations(kind.hook)
                for contribution in self._declared(implementation, kind.hook)
            ]
            self._registry = collect(declared, tuple(self.states.values()))
        return self._registry

    def _implementations(self, hook: str) -> list[pluggy.HookImpl]:
        """The implementations of a hook, by the name of the plugin."""
        return sorted(getattr(self.manager.hook, hook).get_hookimpls(), key=lambda impl: impl.plugin_name)

    def _declared(self, implementation: pluggy.HookImpl, hook: str) -> list[Contribution]:
        name = implementation.plugin_name
        try:
            contributions: list[Contribution] = list(implementation.function())  # type: ignore[call-overload]
            if wrong := [value for value in contributions if not isinstance(value, Contribution)]:
                raise TypeError(f"{hook} yielded {wrong[0]!r}, which is no Contribution")
            return contributions
        except Exception as error:
            cause = f"{hook}: {type(error).__name__}: {error}"
            state = self.states.get(name, PluginState(name, "", "", "", "active"))
            self.states[name] = evolve(state, state="failed", cause=cause)
            return []

    def tell(self, hook: Callable[P, None], *args: P.args, **values: P.kwargs) -> None:
        """Calls an observing hook of every plugin, as in `tell(hookspecs.gradiend_evaluated, report=report)`.
        A plugin that raises is named and muted, and the run goes on."""
        for implementation in self._implementations(hook.__name__):
            name = implementation.plugin_name
            if name in self._muted:
                continue
            try:
                implementation.function(*(values[argument] for argument in implementation.argnames))
            except Exception as error:
                self._muted.add(name)
                warnings.warn(
                    f"observer of plugin {name!r} failed in {hook.__name__} and is muted: {error!r}",
                    stacklevel=2,
                )

    @property
    def failed(self) -> list[PluginState]:
        _ = self.registry  # a plugin may also fail while it declares
        return [state for state in self.states.values() if state.state == "failed"]
