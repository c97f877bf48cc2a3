"""Every setting with its type, default and description, for the reference page and `gradiend settings`."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

import attrs
from attrs import frozen

from gradiend_core.config.runfile import CORE, ONE, SEVERAL
from gradiend_core.plugins.registry import Registry
from gradiend_core.records.contribution import Trait
from gradiend_core.records.converter import unstructure
from gradiend_core.records.run import ComparisonSettings, GeneralSettings
from gradiend_core.records.setting import about
from gradiend_core.roles.kinds import PluginKind


@frozen
class Described:
    """One setting: its path in a run file, its allowed values, its default ("" where it is required) and its
    description."""

    path: str
    values: str
    default: str
    about: str


@frozen
class DescribedTable:
    """The settings of one class: the table of a run file, and the contribution that they belong to ("" for
    the core)."""

    table: str
    contribution: str
    summary: str
    settings: tuple[Described, ...]


def described(registry: Registry) -> Iterator[DescribedTable]:
    """Every table of a run file: first the core's, then each contribution's in order."""
    yield _table("", "", "keys at the top", "", GeneralSettings)
    for name, settings in CORE.items():
        yield _table(name, "", _first_sentence(settings), name, settings)
    for name, kind in (*ONE.items(), *SEVERAL.items()):
        for contribution in (registry.get(kind, name) for name in registry.names(kind)):
            path = name if name in ONE else f"{name}.{contribution.name}"
            yield _table(name, contribution.name, contribution.summary, path, contribution.config)
    yield _table("comparison", "", "of a suite: how features are compared", "comparison", ComparisonSettings)


def usual(kind: PluginKind[Any], registry: Registry) -> list[str]:
    """The contributions of a kind that a run uses when it names none."""
    names = registry.names(kind)
    if kind in ONE.values():
        return [name for name in names if Trait.DEFAULT in registry.get(kind, name).traits]
    return [name for name in names if registry.get(kind, name).by_default]


def _table(table: str, contribution: str, summary: str, path: str, settings: type) -> DescribedTable:
    prefix = f"{path}." if path else ""
    return DescribedTable(
        table,
        contribution,
        summary,
        tuple(
            Described(prefix + field.name, _values(field), _default(field), about(field))
            for field in attrs.fields(settings)
        ),
    )


def _first_sentence(settings: type) -> str:
    text = " ".join(inspect.cleandoc(settings.__doc__ or "").split())
    return text.partition(". ")[0].rstrip(".")


def _values(field: Any) -> str:
    """The type, or the allowed values where only some are allowed."""
    options = getattr(field.validator, "options", None)
    if options:
        return " ".join(json.dumps(option) for option in options)
    return str(field.type).replace("typing.", "").replace("collections.abc.", "")


def _default(field: Any) -> str:
    if field.default is attrs.NOTHING:
        return ""
    value = field.default.factory() if isinstance(field.default, attrs.Factory) else field.default  # type: ignore[arg-type]
    return json.dumps(unstructure(value))
