"""One run as an object, whose stages are done once, when they are first needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradiend_core.config.runfile import CORE
from gradiend_core.plugins.manager import Plugins
from gradiend_core.records.converter import unstructure
from gradiend_core.records.run import (
    DataSettings,
    FigureSettings,
    GradientSettings,
    PruneSettings,
    RewriteSettings,
    SeedSettings,
    StoreSettings,
)
from gradiend_core.run.run import Run


class Session(Run):
    """A run that is computed on demand. It is created from a paradigm's kind and values, or from a run file
    (or its tables), which they override. `texts` is the name of a text, a list of strings or anything that
    `read_texts` takes. The tables of a run file are keywords, as in `learner={"max_steps": 100}`; those of
    the core may be settings objects, as in `seeds=SeedSettings(at_most=3)`, which an editor completes.
    `settings` are strings such as "learner.max_steps=100". Raises GradiendError for invalid arguments before
    anything is computed."""

    def __init__(
        self,
        kind: str | None = None,
        /,
        *,
        model: str | None = None,
        texts: Any = None,
        classes: Sequence[str] | None = None,
        seed: int | None = None,
        run_file: str | Path | Mapping[str, Any] | None = None,
        settings: Sequence[str] = (),
        disable_plugins: Sequence[str] = (),
        plugins: Plugins | None = None,
        memo: dict[str, Any] | None = None,
        paradigm: Mapping[str, Any] | None = None,
        source: Mapping[str, Any] | None = None,
        selector: Mapping[str, Any] | None = None,
        learner: Mapping[str, Any] | None = None,
        policy: Mapping[str, Any] | None = None,
        evaluators: Mapping[str, Any] | None = None,
        visualizers: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | DataSettings | None = None,
        gradients: Mapping[str, Any] | GradientSettings | None = None,
        store: Mapping[str, Any] | StoreSettings | None = None,
        seeds: Mapping[str, Any] | SeedSettings | None = None,
        prune: Mapping[str, Any] | PruneSettings | None = None,
        rewrite: Mapping[str, Any] | RewriteSettings | None = None,
        figures: Mapping[str, Any] | FigureSettings | None = None,
        **others: Any,
    ) -> None:
        from gradiend_core.run.runner import Runner
        from gradiend_core.run.setup import make_setup

        tables: dict[str, Any] = {
            "paradigm": paradigm,
            "source": source,
            "selector": selector,
            "learner": learner,
            "policy": policy,
            "evaluators": evaluators,
            "visualizers": visualizers,
            "data": data,
            "gradients": gradients,
            "store": store,
            "seeds": seeds,
            "prune": prune,
            "rewrite": rewrite,
            "figures": figures,
        }
        setup = make_setup(
            kind,
            top={"model": model, "seed": seed},
            texts=texts,
            classes=classes,
            run_file=run_file,
            settings=settings,
            disable_plugins=disable_plugins,
            plugins=plugins,
            memo=memo,
            # keywords that do not exist are refused with the nearest one, as in a run file
            tables={
                name: unstructure(table) if isinstance(table, CORE.get(name, ())) else table
                for name, table in tables.items()
                if table is not None
            }
            | others,
        )
        super().__init__(Runner(setup))
