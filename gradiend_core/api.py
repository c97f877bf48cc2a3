"""Everything that a plugin imports. Its names are listed once, in the stub `api.pyi`, which type checkers and
editors read; at run time each is imported when it is first asked for."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def listed(file: str) -> dict[str, str]:
    """The names in the stub beside a module, and the module that each comes from."""
    stub = ast.parse(Path(file).with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = [
        node
        for node in stub.body
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("gradiend_core.")
    ]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def lazy_names(module: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a module, from the `from … import …` lines of its stub."""
    module_of = listed(file)

    def load(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(module_of[name]), name)
        setattr(sys.modules[module], name, value)
        return value

    names = sorted(module_of)
    return load, lambda: names, names


__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
