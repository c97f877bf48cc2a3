"""A run as one TOML file: read, resolved against the registry, and written back with every default."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import tomli_w

from gradiend_core.config.converter import structure, unstructure
from gradiend_core.errors import ConfigError, ModelError, unknown
from gradiend_core.plugins.registry import Registry
from gradiend_core.records.run import (
    Choice,
    DataSettings,
    GeneralSettings,
    GradientSettings,
    PruneSettings,
    RewriteSettings,
    RunConfig,
    SeedSettings,
    StoreSettings,
)

GENERAL = [field.name for field in attrs.fields(GeneralSettings)]
#: role: the kind that is taken when none is named
SINGLE = {
    "paradigm": "english-pronouns",
    "source": "auto",
    "scope": "backbone",
    "learner": "adam",
    "policy": "threshold",
}
SEVERAL = ("evaluation", "figures")
#: tables of the core itself
OWN = {
    "data": DataSettings,
    "gradients": GradientSettings,
    "store": StoreSettings,
    "seeds": SeedSettings,
    "prune": PruneSettings,
    "rewrite": RewriteSettings,
}
#: written for the reader, ignored when read
NOTE = "provenance"


def read_run_file(path: Path) -> dict[str, Any]:
    """The file as tables; raises ConfigError with the line of a mistake."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"run file {str(path)!r} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"run file {str(path)!r} is not valid TOML: {error}") from error


def override(table: dict[str, Any], settings: Iterable[str]) -> dict[str, Any]:
    """The table with settings like "learner.steps=200" put in; a value that is no TOML is taken as text."""
    for setting in settings:
        path, sign, text = setting.partition("=")
        if not sign or not all(path.split(".")):
            raise ConfigError(f"--set {setting!r}: write it as a path and a value, like learner.steps=200")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        *parents, key = path.split(".")
        here = table
        for name in parents:
            here = here.setdefault(name, {})
            if not isinstance(here, dict):
                raise ConfigError(f"--set {setting!r}: {name} is a value, not a table")
        here[key] = value
    return table


def gather(
    kind: str | None,
    run_file: str | Path | Mapping[str, Any] | None,
    classes: Sequence[str] | None,
    settings: Sequence[str],
    tables: Mapping[str, Mapping[str, Any]],
    top: Mapping[str, Any],
) -> dict[str, Any]:
    """One table from all that a caller gives; values override those of the run file, and `settings` override
    them."""
    table = (
        dict(run_file) if isinstance(run_file, Mapping) else read_run_file(Path(run_file)) if run_file else {}
    )
    paradigm = {**tables.get("paradigm", {}), **({} if kind is None else {"kind": kind})}
    paradigm |= {} if classes is None else {"classes": list(classes)}
    given = {**tables, "paradigm": paradigm} if paradigm else tables
    table |= {role: {**_table(table, role), **values} for role, values in given.items()}
    table |= {key: value for key, value in top.items() if value is not None}
    return override(table, settings)


def suit(table: dict[str, Any], registry: Registry) -> dict[str, Any]:
    """The table with the model and the texts that its paradigm suits, where it names none."""
    kind = _table(table, "paradigm").get("kind", SINGLE["paradigm"])
    return {**(registry.get("paradigm", kind).suited if isinstance(kind, str) else {}), **table}


def resolve_data(table: dict[str, Any], registry: Registry) -> tuple[Choice, DataSettings]:
    """The paradigm and the settings of the data, with every default."""
    paradigm = _choice("paradigm", dict(_table(table, "paradigm")), SINGLE["paradigm"], registry, "")
    return paradigm, structure(_table(table, "data"), DataSettings, "data")


def general_settings(table: dict[str, Any]) -> GeneralSettings:
    """The keys at the top; the others must name a role."""
    roles = [*SINGLE, *SEVERAL, *OWN, NOTE]
    for key in table:
        if key not in GENERAL and key not in roles:
            raise ConfigError(unknown("key", key, GENERAL + roles[:-1]) + " at the top of the run")
    return structure({key: value for key, value in table.items() if key in GENERAL}, GeneralSettings, "")


def resolve(table: dict[str, Any], registry: Registry, model_folder: str) -> RunConfig:
    """The run with every default. `source.kind = "auto"` asks each source whether it accepts the model."""
    chosen: dict[str, Any] = {
        role: _choice(role, dict(_table(table, role)), kind, registry, model_folder)
        for role, kind in SINGLE.items()
    }
    several: dict[str, Any] = {role: _choices(role, _table(table, role), registry) for role in SEVERAL}
    own: dict[str, Any] = {name: structure(_table(table, name), kind, name) for name, kind in OWN.items()}
    return RunConfig(general_settings(table), **chosen, **several, **own)


def _table(table: dict[str, Any], name: str) -> dict[str, Any]:
    value = table.get(name, {})
    if not isinstance(value, dict):
        raise ConfigError(f"{name} must be a table, [{name}], not {value!r}")
    return value


def _choice(role: str, values: dict[str, Any], default: str, registry: Registry, model_folder: str) -> Choice:
    kind = values.pop("kind", default)
    if not isinstance(kind, str):
        raise ConfigError(f"{role}.kind must be a name, not {kind!r}")
    if (role, kind) == ("source", "auto"):
        kind = _source_for(model_folder, registry)
    return Choice(kind, structure(values, registry.get(role, kind).config, role))


def _choices(role: str, values: dict[str, Any], registry: Registry) -> tuple[Choice, ...]:
    kinds = values.get(
        "kinds", [name for name in registry.names(role) if registry.get(role, name).by_default]
    )
    if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
        raise ConfigError(f"{role}.kinds must be a list of names, not {kinds!r}")
    for key in values:
        if key != "kinds" and key not in kinds:
            raise ConfigError(unknown("key", key, [*kinds, "kinds"]) + f" at {role}")
    return tuple(
        Choice(kind, structure(values.get(kind, {}), registry.get(role, kind).config, f"{role}.{kind}"))
        for kind in kinds
    )


def _source_for(model: str, registry: Registry) -> str:
    fitting, refused = [], []
    for name in registry.names("source"):
        if any(each.default is attrs.NOTHING for each in attrs.fields(registry.get("source", name).config)):
            continue  # it cannot be made without being told more
        try:
            if registry.get("source", name).build().accepts(model):
                fitting.append(name)
        except ModelError as error:  # what is no model for one source may be one for another
            refused.append(error)
    if len(fitting) == 1:
        return fitting[0]
    if refused and not fitting:
        raise refused[0]
    known = ", ".join(registry.names("source")) or "none"
    found = f"several fit ({', '.join(fitting)})" if fitting else f"none fits (known: {known})"
    raise ConfigError(f"no gradient source can be chosen for model {model!r}: {found}; set source.kind")


def written_data(general: GeneralSettings, paradigm: Choice, settings: DataSettings) -> str:
    """What pairs depend on, as TOML; a run file, too, whose other tables have their defaults."""
    return tomli_w.dumps(
        {
            **unstructure(general),
            "paradigm": {"kind": paradigm.kind, **unstructure(paradigm.config)},
            "data": unstructure(settings),
        }
    )


def written(config: RunConfig, provenance: dict[str, Any]) -> str:
    """The resolved run as TOML; reading it gives the same run."""
    table: dict[str, Any] = unstructure(config.general)
    for role in SINGLE:
        choice: Choice = getattr(config, role)
        table[role] = {"kind": choice.kind, **unstructure(choice.config)}
    for role in SEVERAL:
        choices: tuple[Choice, ...] = getattr(config, role)
        table[role] = {"kinds": [choice.kind for choice in choices]}
        table[role] |= {choice.kind: unstructure(choice.config) for choice in choices}
    table |= {name: unstructure(getattr(config, name)) for name in OWN}
    table[NOTE] = provenance
    return tomli_w.dumps(table)
