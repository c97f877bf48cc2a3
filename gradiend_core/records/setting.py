"""Settings with a description."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import attrs

from gradiend_core.errors import ConfigError


def setting(default: Any, about: str, *, validator: Any = None, formerly: str = "") -> Any:
    """An attrs field of a settings class. `about` is its description, with the unit and the reason for the
    default; it appears in the reference, in `gradiend settings` and in error messages. `formerly` is an older
    name, which is refused with a hint to the new one."""
    return attrs.field(default=default, validator=validator, metadata={"about": about, "formerly": formerly})


def about(field: Any) -> str:
    """The description of a field, "" where it has none."""
    return str(field.metadata.get("about", ""))


def function_named(name: str, path: str) -> Callable[..., Any]:
    """The function named by a setting as "module:function". Raises ConfigError with the setting's path and
    the reason where it cannot be imported."""
    module, colon, attribute = name.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute) if colon and module else None
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{path} is {name!r}, which cannot be imported: {error}; the folder of the module must be on"
            " PYTHONPATH"
        ) from error
    if not callable(function):
        raise ConfigError(f'{path} is {name!r}; it must name a function, as "module:function"')
    return function  # type: ignore[no-any-return]
