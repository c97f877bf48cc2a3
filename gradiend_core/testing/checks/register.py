"""A check is a function of a `Subject` that raises AssertionError with what to fix; its docstring is the
promise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradiend_core.roles.kinds import PluginKind
from gradiend_core.testing.subject import Subject

Check = Callable[[Subject], None]
#: checks by the name of a plugin kind, "" for every kind, in the order in which they are run
CHECKS: dict[str, list[Check]] = {}
#: how many examples a check looks at
FEW = 6


def check(*kinds: PluginKind[Any]) -> Callable[[Check], Check]:
    """Registers a check for some kinds of plugin; without any, for every kind."""

    def add(function: Check) -> Check:
        for name in [kind.name for kind in kinds] or [""]:
            CHECKS.setdefault(name, []).append(function)
        return function

    return add


def checks_of(kind: PluginKind[Any]) -> list[Check]:
    return [*CHECKS[""], *CHECKS.get(kind.name, [])]
