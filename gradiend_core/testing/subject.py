"""A contribution under test: a small run that uses it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from gradiend_core.config.runfile import ONE, SEVERAL
from gradiend_core.errors import GradiendError, ModelError
from gradiend_core.plugins.manager import Plugins
from gradiend_core.plugins.registry import Registered
from gradiend_core.records.report import Report, Reports
from gradiend_core.roles.kinds import EVALUATOR, MODEL, SOURCE, VISUALIZER
from gradiend_core.run.session import Session

#: what a small run is made of, for tables that the caller does not give
QUICK: dict[str, Any] = {
    "data": {"max_per_class": 40, "max_neutral": 20},
    "learner": {"kind": "mean-difference"},
}
ENCODER, DECODER = {"random_directions": 0}, {"evaluations": 4}


class Subject:
    """One contribution of a plugin. `tables` are tables of a run file for its run, including `model` and
    `texts`."""

    def __init__(self, entry: Registered, plugins: Plugins, tables: Mapping[str, Any]) -> None:
        self.contribution, self.plugins, self.tables = entry.contribution, plugins, dict(tables)
        self.name, self.plugin_kind, self.plugin = entry.contribution.name, entry.plugin_kind, entry.plugin

    @cached_property
    def session(self) -> Session:
        """A run with the contribution, computed as far as the checks need."""
        return self.fresh()

    @cached_property
    def report(self) -> Report:
        """Its report on that run, if it is an evaluator."""
        return self.evaluated()

    def evaluated(self) -> Report:
        """The same, computed again; the reports that it may need are computed once."""
        return self.session.runner.evaluate(0, [self.name], self._known)[self.name]

    @cached_property
    def _known(self) -> Reports:
        kinds = [choice.kind for choice in self.session.config.evaluators if choice.kind != self.name]
        return self.session.runner.evaluate(0, kinds, {})

    @property
    def config(self) -> Any:
        """Its settings in that run; the defaults for a contribution that no run file chooses."""
        config, kind = self.session.config, self.plugin_kind
        for table in SEVERAL:
            if SEVERAL[table] == kind:
                return next(choice.config for choice in getattr(config, table) if choice.kind == self.name)
        return getattr(config, kind.name).config if kind.name in ONE else self.contribution.config()

    def build(self) -> Any:
        """The implementation with these settings."""
        return self.contribution.build(self.config)

    def fresh(self, **more: Any) -> Session:
        """A new run with the contribution, and with further tables."""
        tables = {**QUICK, **self.tables, **more}
        top = {name: tables.pop(name, None) for name in ("model", "texts", "seed")}
        evaluators: dict[str, Any] = {"kinds": ["encoder"], "encoder": ENCODER}
        visualizers: dict[str, Any] = {"kinds": []}
        if self.plugin_kind == VISUALIZER:
            visualizers = {"kinds": [self.name]}
            evaluators = {"kinds": ["encoder", "decoder"], "encoder": ENCODER, "decoder": DECODER}
        elif self.plugin_kind == EVALUATOR:
            # the decoder first, as it chooses the edits that others judge
            evaluators = {"kinds": list(dict.fromkeys(["decoder", self.name])), "decoder": DECODER}
        elif self.plugin_kind.name in ONE:
            name = self.plugin_kind.name
            tables[name] = {**tables.get(name, {}), "kind": self.name}
        for table, usual in (("evaluators", evaluators), ("visualizers", visualizers)):
            tables[table] = {**usual, **tables.get(table, {})}
        if self.plugin_kind == SOURCE and top["model"] is None:
            return self._with_some_model(top, tables)
        return Session(plugins=self.plugins, **top, **tables)

    def _with_some_model(self, top: dict[str, Any], tables: dict[str, Any]) -> Session:
        """With the first named model that the source can load and prepare pairs for."""
        refused = []
        for name in self.plugins.registry.names(MODEL):
            session = Session(plugins=self.plugins, **{**top, "model": name}, **tables)
            try:
                if session.examples:
                    return session
            except GradiendError as error:
                refused.append(f"{name}: {error}")
        raise ModelError(f"no named model suits it, so give one, --set model=FOLDER ({'; '.join(refused)})")
