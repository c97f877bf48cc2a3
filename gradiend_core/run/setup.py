"""The setup of a run: its resolved configuration, its plugins, and what makes its pairs and its model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from gradiend_core.config.runfile import gather, general_settings, resolve, suit
from gradiend_core.data.rules import codes_of_grades
from gradiend_core.errors import ModelError, unknown
from gradiend_core.plugins.manager import Plugins
from gradiend_core.plugins.registry import Registry
from gradiend_core.records.contribution import Trait
from gradiend_core.records.goal import check_goals
from gradiend_core.records.pair import axes_of
from gradiend_core.records.run import RunConfig
from gradiend_core.roles.kinds import EVALUATOR, MODEL, SOURCE
from gradiend_core.roles.source import GradientSource
from gradiend_core.run.data import IN_MEMORY, DataMaker
from gradiend_core.run.model import ModelMaker


@frozen(eq=False)
class Setup:
    """Everything that the stages of a run share. It does not change during the run."""

    config: RunConfig
    plugins: Plugins
    source: GradientSource
    data: DataMaker
    model: ModelMaker

    @property
    def registry(self) -> Registry:
        return self.plugins.registry

    @property
    def seed(self) -> int:
        return self.config.general.seed

    @property
    def chooses_edits(self) -> bool:
        """Whether an evaluator of the run searches for edits."""
        kinds = [choice.kind for choice in self.config.evaluators]
        return any(Trait.CHOOSES_EDITS in self.registry.get(EVALUATOR, kind).traits for kind in kinds)


def make_setup(
    kind: str | None = None,
    *,
    top: Mapping[str, Any],
    texts: Any = None,
    classes: Sequence[str] | None = None,
    run_file: str | Path | Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
    disable_plugins: Sequence[str] = (),
    plugins: Plugins | None = None,
    memo: dict[str, Any] | None = None,
    tables: Mapping[str, Mapping[str, Any]] | None = None,
) -> Setup:
    """The setup of a run from the caller's arguments; `top` has the keys at the top of a run file, None where
    they are not given. Raises GradiendError for invalid arguments before anything is computed."""
    in_memory = texts is not None and not isinstance(texts, (str, Path))
    settings = [settings] if isinstance(settings, str) else settings
    classes = classes.split(",") if isinstance(classes, str) else classes
    named = IN_MEMORY if in_memory else None if texts is None else str(texts)
    table = gather(kind, run_file, classes, settings, tables or {}, {**top, "texts": named})
    if disable_plugins:
        table["disable_plugins"] = [*table.get("disable_plugins", []), *disable_plugins]
    plugins = plugins or Plugins.discover(general_settings(table).disable_plugins)
    registry = plugins.registry
    table = suit(table, registry)
    model = general_settings(table).model
    folder = str(registry.build(MODEL, model)) if registry.has(MODEL, model) else model
    try:
        config = resolve(table, registry, folder)
    except ModelError as error:
        if folder == model and not Path(model).exists() and "/" not in model:
            raise ModelError(f"{error}; {unknown('named model', model, registry.names(MODEL))}") from error
        raise
    data = DataMaker(
        registry, config.general, config.paradigm, config.data, texts if in_memory else None, memo
    )
    source = registry.build(SOURCE, config.source.kind, config.source.config)
    maker = ModelMaker(folder, source, config.source, config.gradients, {} if memo is None else memo)
    if classes := config.paradigm.config.classes:
        grades = codes_of_grades(getattr(config.paradigm.config, "grades", {}), classes)
        check_goals(config.rewrite.toward, axes_of(classes, grades), " at rewrite.toward")
    return Setup(config, plugins, source, data, maker)
