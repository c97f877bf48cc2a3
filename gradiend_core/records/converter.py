"""Plain values to frozen attrs classes and back, strictly: "7" is not 7, 7.9 is not 7, and unknown keys are
errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, TypeVar, cast, get_args, get_origin

import attrs
import cattrs
from cattrs.cols import homogenous_tuple_structure_factory
from cattrs.errors import ForbiddenExtraKeysError

from gradiend_core.errors import ConfigError, unknown
from gradiend_core.records.setting import about

T = TypeVar("T")


def _exactly(*allowed: type) -> Any:
    def structure(value: Any, to: type) -> Any:
        if type(value) not in allowed:
            raise TypeError(f"{value!r} is {_kind(type(value))}, but {_kind(to)} is needed")
        return to(value)

    return structure


def _whole_or_not(value: Any, _: Any) -> int | float:
    """Distinguishes 2 from 2.0 where both a count and a fraction are allowed."""
    if type(value) not in (int, float):
        raise TypeError(f"{value!r} is {_kind(type(value))}, but a number is needed")
    return cast("int | float", value)


def _kind(kind: type) -> str:
    names = {
        str: "a text",
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        list: "a list",
        dict: "a table",
    }
    return names.get(kind, kind.__name__)


def _enum(value: Any, to: type[Enum]) -> Enum:
    names = [member.value for member in to]
    if value not in names:
        raise TypeError(f"{value!r} is none of {', '.join(names)}")
    return to(value)


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _tuple_hook(kind: Any, converter: cattrs.BaseConverter) -> Callable[[Any, Any], Any]:
    """Accepts only lists: a string would be split into its letters."""
    entries = get_args(kind)
    every = homogenous_tuple_structure_factory(kind, converter) if entries[-1:] == (...,) else None

    def structure(value: Any, _: Any) -> Any:
        if isinstance(value, str) or not isinstance(value, Sequence):
            shown = f', such as ["{value}"]' if isinstance(value, str) and str in entries else ""
            raise TypeError(f"{value!r} is {_kind(type(value))}, but a list is needed{shown}")
        if every is not None:
            return every(value, kind)
        if len(value) != len(entries):
            raise TypeError(f"{value!r} has {len(value)} entries, but {len(entries)} are needed")
        return tuple(converter.structure(entry, to) for entry, to in zip(value, entries, strict=True))

    return structure


def _make() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook_factory(_is_tuple, _tuple_hook)
    converter.register_structure_hook(bool, _exactly(bool))
    converter.register_structure_hook(int, _exactly(int))
    converter.register_structure_hook(float, _exactly(float, int))
    converter.register_structure_hook(str, _exactly(str))
    converter.register_structure_hook_func(lambda kind: kind == int | float, _whole_or_not)
    converter.register_structure_hook_func(
        lambda kind: isinstance(kind, type) and issubclass(kind, Enum), _enum
    )
    return converter


CONVERTER = _make()


def structure(values: Any, to: type[T], path: str) -> T:
    """An instance of an attrs class. Raises ConfigError with the path of every wrong key and value, and the
    meaning of the setting."""
    if not isinstance(values, dict):
        raise ConfigError(f"{path or 'the run file'} must be a table of keys, not {values!r}")
    try:
        return CONVERTER.structure(values, to)
    except Exception as error:
        problems = cattrs.transform_error(error, path=path or "$", format_exception=_words)
        raise ConfigError("; ".join(_explained(problem, to) for problem in problems)) from error


def unstructure(value: Any) -> Any:
    return CONVERTER.unstructure(value)


def _explained(problem: str, to: Any) -> str:
    """The problem at its path, with the description of the setting: the last name of the path, or the one
    that a validator names."""
    what, _, where = problem.replace("$.", "").rpartition(" @ ")
    sentences = {field.name: about(field) for field in attrs.fields(to)}
    names = (where.rpartition(".")[2].partition("[")[0], what.removeprefix("'").partition("'")[0])
    meaning = next((sentences[name] for name in names if name in sentences), "")
    return f"{what} at {where}" + (f" ({meaning[0].lower()}{meaning[1:].rstrip('.')})" if meaning else "")


def _words(error: BaseException, _: type | None) -> str:
    if isinstance(error, ForbiddenExtraKeysError):
        return "; ".join(_unknown_key(key, error.cl) for key in sorted(error.extra_fields))
    if isinstance(error, KeyError):
        return f"the key {error.args[0]!r} is missing"
    # attrs has more than the message in other errors
    return str(error.args[0]) if isinstance(error, ValueError) and error.args else str(error)


def _unknown_key(key: str, settings: Any) -> str:
    renamed = {field.metadata.get("formerly"): field.name for field in attrs.fields(settings)}
    if key in renamed:
        return f"{key!r} is called {renamed[key]!r} now"
    return unknown("key", key, [field.name for field in attrs.fields(settings)])
