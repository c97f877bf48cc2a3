"""Names that are imported when they are first asked for, listed once: in the stub beside a module.

A type checker and an editor read `api.pyi`; at run time `api.py` takes its names from the same file.
"""

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
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
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
