"""A check is a function of a `Subject` that raises AssertionError with what to mend; its docstring is the
promise."""

from __future__ import annotations

from collections.abc import Callable

from gradiend_core.testing.subject import Subject

Check = Callable[[Subject], None]
#: role: its checks, in the order in which they are run
CHECKS: dict[str, list[Check]] = {}
#: how many examples a check looks at
FEW = 6


def check(*roles: str) -> Callable[[Check], Check]:
    def add(function: Check) -> Check:
        for role in roles:
            CHECKS.setdefault(role, []).append(function)
        return function

    return add


def checks_of(role: str) -> list[Check]:
    return [*CHECKS[""], *CHECKS.get(role, [])]
