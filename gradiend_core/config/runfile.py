"""A run as one TOML file: read, resolved against the registry, and written back with every default."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import tomli_w

from gradiend_core.errors import ConfigError, ModelError, unknown
from gradiend_core.plugins.registry import Registry
from gradiend_core.records.contribution import Trait
from gradiend_core.records.converter import structure, unstructure
from gradiend_core.records.run import (
    Choice,
    DataSettings,
    FigureSettings,
    GeneralSettings,
    GradientSettings,
    PruneSettings,
    RewriteSettings,
    RunConfig,
    SeedSettings,
    StoreSettings,
)
from gradiend_core.roles.kinds import (
    EVALUATOR,
    LEARNER,
    PARADIGM,
    POLICY,
    SELECTOR,
    SOURCE,
    VISUALIZER,
    PluginKind,
)

GENERAL = [field.name for field in attrs.fields(GeneralSettings)]
#: tables that choose one contribution, by its `kind`
ONE: dict[str, PluginKind[Any]] = {kind.name: kind for kind in (PARADIGM, SOURCE, SELECTOR, LEARNER, POLICY)}
#: tables that choose several, by their `kinds`
SEVERAL: dict[str, PluginKind[Any]] = {"evaluators": EVALUATOR, "visualizers": VISUALIZER}
#: tables of the core itself
CORE: dict[str, type] = {
    "data": DataSettings,
    "gradients": GradientSettings,
    "store": StoreSettings,
    "seeds": SeedSettings,
    "prune": PruneSettings,
    "rewrite": RewriteSettings,
    "figures": FigureSettings,
}
#: written for the reader, ignored when read
NOTE = "provenance"
#: older names of tables, which are refused with the new one
RENAMED = {"scope": "selector", "evaluation": "evaluators"}
#: `source.kind` that asks each source whether it accepts the model
AUTO = "auto"


def read_run_file(path: Path) -> dict[str, Any]:
    """The file as tables. Raises ConfigError with the line of a mistake."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"run file {str(path)!r} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"run file {str(path)!r} is not valid TOML: {error}") from error


def override(table: dict[str, Any], settings: Iterable[str]) -> dict[str, Any]:
    """The table with settings such as "learner.max_steps=200" applied. A value that is not TOML is taken as
    text."""
    for setting in settings:
        path, sign, text = setting.partition("=")
        if not sign or not all(path.split(".")):
            raise ConfigError(
                f"--set {setting!r}: write it as a path and a value, like learner.max_steps=200"
            )
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        *parents, key = path.split(".")
        branch = table
        for name in parents:
            branch = branch.setdefault(name, {})
            if not isinstance(branch, dict):
                raise ConfigError(f"--set {setting!r}: {name} is a value, not a table")
        branch[key] = value
    return table


def gather(
    kind: str | None,
    run_file: str | Path | Mapping[str, Any] | None,
    classes: Sequence[str] | None,
    settings: Sequence[str],
    tables: Mapping[str, Mapping[str, Any]],
    top: Mapping[str, Any],
) -> dict[str, Any]:
    """One table from the run file and the caller's arguments: keyword values override the run file, and
    `settings` override both."""
    table = (
        dict(run_file) if isinstance(run_file, Mapping) else read_run_file(Path(run_file)) if run_file else {}
    )
    paradigm = dict(tables["paradigm"]) if isinstance(tables.get("paradigm"), Mapping) else {}
    paradigm |= {} if kind is None else {"kind": kind}
    paradigm |= {} if classes is None else {"classes": list(classes)}
    given = {**tables, "paradigm": paradigm} if paradigm else tables
    table |= {name: {**_table(table, name), **_as_table(name, values)} for name, values in given.items()}
    table |= {key: value for key, value in top.items() if value is not None}
    return override(table, settings)


def _as_table(name: str, values: Any) -> Mapping[str, Any]:
    """A keyword argument as a table: `learner="adam"` names a kind, `evaluators=["encoder"]` several."""
    if isinstance(values, Mapping):
        return values
    if name not in (known := [*ONE, *SEVERAL, *CORE]):
        raise ConfigError(unknown("keyword", name, known))
    if name in ONE and isinstance(values, str):
        return {"kind": values}
    if name in SEVERAL and isinstance(values, (str, list, tuple)):
        return {"kinds": [values] if isinstance(values, str) else list(values)}
    raise ConfigError(f"{name} must be a table, such as {{{_example(name)}}}, not {values!r}")


def _example(name: str) -> str:
    if name in ONE:
        return '"kind": …'
    if name in SEVERAL:
        return '"kinds": […]'
    field = attrs.fields(CORE[name])[0]
    return f'"{field.name}": {field.default!r}'


def suit(table: dict[str, Any], registry: Registry) -> dict[str, Any]:
    """The table completed with the model and the texts that suit its paradigm, where it names none."""
    kind = _table(table, "paradigm").get("kind") or _default(PARADIGM, registry)
    return {**(registry.get(PARADIGM, kind).suited if isinstance(kind, str) else {}), **table}


def resolve_data(table: dict[str, Any], registry: Registry) -> tuple[Choice, DataSettings]:
    """The paradigm and the settings of the data, with every default."""
    paradigm = _choice(PARADIGM, dict(_table(table, "paradigm")), registry, "")
    return paradigm, structure(_table(table, "data"), DataSettings, "data")


def general_settings(table: dict[str, Any]) -> GeneralSettings:
    """The keys at the top level; all other keys must be tables."""
    tables = [*ONE, *SEVERAL, *CORE]
    for key in table:
        if key in RENAMED:
            raise ConfigError(f"the table {key!r} is called {RENAMED[key]!r} now")
        if key not in (*GENERAL, *tables, NOTE):
            raise ConfigError(unknown("key", key, GENERAL + tables) + " at the top of the run")
    return structure({key: value for key, value in table.items() if key in GENERAL}, GeneralSettings, "")


def resolve(table: dict[str, Any], registry: Registry, model_folder: str) -> RunConfig:
    """The run with every default. `source.kind = "auto"` asks each source whether it accepts the model."""
    one: dict[str, Any] = {
        name: _choice(kind, dict(_table(table, name)), registry, model_folder) for name, kind in ONE.items()
    }
    several: dict[str, Any] = {
        name: _choices(name, kind, _table(table, name), registry) for name, kind in SEVERAL.items()
    }
    core: dict[str, Any] = {name: structure(_table(table, name), to, name) for name, to in CORE.items()}
    return RunConfig(general_settings(table), **one, **several, **core)


def _table(table: dict[str, Any], name: str) -> dict[str, Any]:
    value = table.get(name, {})
    if not isinstance(value, dict):
        raise ConfigError(f"{name} must be a table, [{name}], not {value!r}")
    return value


def _default(kind: PluginKind[Any], registry: Registry) -> str:
    """The contribution that a run uses when it names none."""
    if kind == SOURCE:
        return AUTO
    names = [contribution.name for contribution in registry.with_trait(kind, Trait.DEFAULT)]
    if len(names) == 1:
        return names[0]
    problem = f"several are the default ({', '.join(names)})" if names else "none is the default"
    known = ", ".join(registry.names(kind)) or "none"
    blocked = "; ".join(
        f"plugin {plugin.name!r} is {plugin.state}" for plugin in registry.plugins if plugin.state != "active"
    )
    raise ConfigError(
        f"no {kind} is named, and {problem} (known: {known}); set {kind}.kind"
        + (f"; {blocked}" if blocked else "")
    )


def _choice(kind: PluginKind[Any], values: dict[str, Any], registry: Registry, model_folder: str) -> Choice:
    name = values.pop("kind", None) or _default(kind, registry)
    if not isinstance(name, str):
        raise ConfigError(f"{kind}.kind must be a name, not {name!r}")
    if kind == SOURCE and name == AUTO:
        name = _source_for(model_folder, registry)
    config = registry.get(kind, name).config
    for key in values:
        owners = [other for other in registry.names(kind) if _has(registry.get(kind, other).config, key)]
        if owners and name not in owners:
            raise ConfigError(
                f"{kind.name}.{key} is a setting of {' and '.join(owners)}, and the {kind} is {name}; set"
                f" {kind.name}.kind too"
            )
    return Choice(name, structure(values, config, kind.name))


def _has(config: type, key: str) -> bool:
    return key in {field.name for field in attrs.fields(config)}


def _choices(
    table: str, kind: PluginKind[Any], values: dict[str, Any], registry: Registry
) -> tuple[Choice, ...]:
    kinds = values.get(
        "kinds", [name for name in registry.names(kind) if registry.get(kind, name).by_default]
    )
    if not isinstance(kinds, list) or not all(isinstance(name, str) for name in kinds):
        raise ConfigError(f"{table}.kinds must be a list of names, not {kinds!r}")
    for key in values:
        if key != "kinds" and key not in kinds:
            raise ConfigError(unknown("key", key, [*kinds, "kinds"]) + f" at {table}")
    return tuple(
        Choice(name, structure(values.get(name, {}), registry.get(kind, name).config, f"{table}.{name}"))
        for name in kinds
    )


def _source_for(model: str, registry: Registry) -> str:
    fitting, refused = [], []
    for name in registry.names(SOURCE):
        config = registry.get(SOURCE, name).config
        if any(field.default is attrs.NOTHING for field in attrs.fields(config)):
            continue  # it cannot be made without being told more
        try:
            if registry.build(SOURCE, name).accepts(model):
                fitting.append(name)
        except ModelError as error:  # what is no model for one source may be one for another
            refused.append(error)
    if len(fitting) == 1:
        return fitting[0]
    if refused and not fitting:
        raise refused[0]
    known = ", ".join(registry.names(SOURCE)) or "none"
    problem = f"several fit ({', '.join(fitting)})" if fitting else f"none fits (known: {known})"
    raise ConfigError(f"no gradient source can be chosen for model {model!r}: {problem}; set source.kind")


def written_data(general: GeneralSettings, paradigm: Choice, settings: DataSettings) -> str:
    """The settings that the pairs depend on, as TOML. It is a valid run file, whose other tables have their
    defaults."""
    return tomli_w.dumps(
        {**unstructure(general), "paradigm": _written_choice(paradigm), "data": unstructure(settings)}
    )


def written(config: RunConfig, provenance: dict[str, Any]) -> str:
    """The resolved run as TOML; reading it gives the same run."""
    table: dict[str, Any] = unstructure(config.general)
    table |= {name: _written_choice(getattr(config, name)) for name in ONE}
    for name in SEVERAL:
        choices: tuple[Choice, ...] = getattr(config, name)
        table[name] = {"kinds": [choice.kind for choice in choices]}
        table[name] |= {choice.kind: unstructure(choice.config) for choice in choices}
    table |= {name: unstructure(getattr(config, name)) for name in CORE}
    table[NOTE] = provenance
    return tomli_w.dumps(table)


def _written_choice(choice: Choice) -> dict[str, Any]:
    return {"kind": choice.kind, **unstructure(choice.config)}
