"""Refuses a plugin whose hooks pluggy would silently misread.

pluggy passes the arguments that an implementation names, accepts a misspelt argument that has a default,
ignores unmarked functions, and knows wrappers and orders that this project does not allow. Each of these is
refused here."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from gradiend_core.errors import PluginError, unknown

PREFIX, MARK = "gradiend_", "gradiend_impl"


def check_hooks(plugin: object, specs: Mapping[str, tuple[str, ...]]) -> None:
    """Raises PluginError for the first hook of `plugin` that is not exactly one of `specs` (name: argument
    names)."""
    hooks = {name: value for name in dir(plugin) if callable(value := getattr(plugin, name, None))}
    has_hooks = False
    for attribute, function in hooks.items():
        marks: dict[str, Any] | None = getattr(function, MARK, None)
        if marks is None and not attribute.startswith(PREFIX):
            continue
        name = (marks or {}).get("specname") or attribute
        if name not in specs:
            raise PluginError(unknown("hook", name, specs) + "; rename the function or drop the mark")
        if marks is None:
            raise PluginError(
                f"{attribute} is not marked, so it would never be called; put @hookimpl above it"
            )
        _check_signature(name, function, specs[name])
        if extra := sorted(key for key, value in marks.items() if value and key != "specname"):
            raise PluginError(
                f"{name} asks for {', '.join(extra)}; hooks have no order and no wrappers, write a bare"
                " @hookimpl"
            )
        has_hooks = True
    if not has_hooks:
        raise PluginError("it has no hooks; implement one of " + ", ".join(sorted(specs)))


def _check_signature(name: str, function: Any, allowed: tuple[str, ...]) -> None:
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            raise PluginError(
                f"{name} takes {parameter}; name the arguments you need:"
                f" {', '.join(allowed) or 'it has none'}"
            )
        if parameter.name not in allowed:
            raise PluginError(unknown(f"argument of {name}", parameter.name, allowed) + "; rename or drop it")
