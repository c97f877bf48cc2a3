"""Checks of a contribution of any role."""

from __future__ import annotations

import subprocess
import sys

import attrs

from gradiend_core.records.converter import structure, unstructure
from gradiend_core.roles.kinds import MODEL, TEXT
from gradiend_core.testing.checks.register import check
from gradiend_core.testing.subject import Subject

HEAVY = ("torch", "transformers", "datasets", "matplotlib")


@check()
def declaring_is_light(subject: Subject) -> None:
    """Importing the plugin brings in no torch, transformers, datasets or matplotlib."""
    module = subject.contribution.factory.split(":")[0].split(".")[0]
    code = f"import {module}, sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    completed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**_environment()}
    )
    heavy = completed.stdout.split()
    assert not heavy, (
        f"importing {module} imports {', '.join(heavy)}; move that into the module that the factory names"
    )


@check()
def settings_are_a_documented_table(subject: Subject) -> None:
    """The configuration is a frozen attrs class with a docstring, and goes through a run file and back."""
    kind = subject.contribution.config
    assert attrs.has(kind), f"{kind.__name__} is not an attrs class; decorate it with attrs.frozen"
    documented = bool(kind.__doc__)
    assert documented, f"{kind.__name__} has no docstring; say what each setting does"
    if subject.plugin_kind in (MODEL, TEXT):
        return
    config = subject.config
    try:
        object.__setattr__  # noqa: B018
        for name in (field.name for field in attrs.fields(kind)):
            setattr(config, name, getattr(config, name))
            raise AssertionError(f"{kind.__name__} can be changed; decorate it with attrs.frozen")
    except attrs.exceptions.FrozenInstanceError:
        pass
    again = structure(unstructure(config), kind, subject.plugin_kind.name)
    assert again == config, f"{kind.__name__} is not the same after a run file: {again!r} is not {config!r}"


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
