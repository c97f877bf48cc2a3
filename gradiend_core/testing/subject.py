"""A contribution under test: a small run in which it does its part."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from gradiend_core.errors import GradiendError, ModelError
from gradiend_core.plugins.manager import Plugins
from gradiend_core.plugins.registry import Registered
from gradiend_core.session import Session

#: what a small run is made of, for tables that the caller does not give
QUICK: dict[str, Any] = {
    "data": {"max_per_class": 40, "max_neutral": 20},
    "learner": {"kind": "mean-difference"},
}
#: roles that no run file has a table for
UNCHOSEN = ("model", "text", "comparison-figures")
ENCODER, DECODER = {"random_directions": 0}, {"evaluations": 4}


class Subject:
    """One contribution of a plugin. `tables` are those of a run file that its run shall have, with `model`
    and `texts` among them."""

    def __init__(self, entry: Registered, plugins: Plugins, tables: Mapping[str, Any]) -> None:
        self.contribution, self.plugins, self.tables = entry.contribution, plugins, dict(tables)
        self.name, self.role, self.plugin = entry.contribution.name, entry.role, entry.plugin

    @cached_property
    def session(self) -> Session:
        """A run with it, computed as far as checks ask."""
        return self.fresh()

    @property
    def config(self) -> Any:
        """Its settings in that run."""
        if not hasattr(self.session.config, self.role):  # what no run file chooses has its defaults
            return self.contribution.config()
        chosen = getattr(self.session.config, self.role)
        return next(
            each.config
            for each in (chosen if isinstance(chosen, tuple) else (chosen,))
            if each.kind == self.name
        )

    def build(self) -> Any:
        """The implementation with these settings."""
        return self.contribution.build(self.config)

    def fresh(self, **more: Any) -> Session:
        """A new run with it, and with other tables than the caller's."""
        tables = {**QUICK, **self.tables, **more}
        top = {name: tables.pop(name, None) for name in ("model", "texts", "seed")}
        evaluation: dict[str, Any] = {"kinds": ["encoder"], "encoder": ENCODER}
        figures: dict[str, Any] = {"kinds": []}
        if self.role == "figures":
            figures = {"kinds": [self.name]}
            evaluation = {"kinds": ["encoder", "decoder"], "encoder": ENCODER, "decoder": DECODER}
        elif self.role == "evaluation":
            # the decoder first, as it chooses the edits that others judge
            evaluation = {"kinds": list(dict.fromkeys(["decoder", self.name])), "decoder": DECODER}
        elif self.role not in UNCHOSEN:
            tables[self.role] = {**tables.get(self.role, {}), "kind": self.name}
        for role, usual in (("evaluation", evaluation), ("figures", figures)):
            tables[role] = {**usual, **tables.get(role, {})}
        if self.role == "source" and top["model"] is None:
            return self._with_some_model(top, tables)
        return Session(plugins=self.plugins, **top, **tables)

    def _with_some_model(self, top: dict[str, Any], tables: dict[str, Any]) -> Session:
        """With the first named model that the source can load and prepare pairs for."""
        refused = []
        for name in self.plugins.registry.names("model"):
            session = Session(plugins=self.plugins, **{**top, "model": name}, **tables)
            try:
                if session.examples:
                    return session
            except GradiendError as error:
                refused.append(f"{name}: {error}")
        raise ModelError(f"no named model suits it, so give one, --set model=FOLDER ({'; '.join(refused)})")
