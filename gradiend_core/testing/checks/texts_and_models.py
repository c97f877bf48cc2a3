"""Checks of named texts and models."""

from __future__ import annotations

from gradiend_core.roles.kinds import MODEL, TEXT
from gradiend_core.testing.checks.register import check
from gradiend_core.testing.subject import Subject


@check(TEXT, MODEL)
def what_it_names_is_there(subject: Subject) -> None:
    """The factory gives something that can be read: a path that exists, or texts."""
    from pathlib import Path

    made = subject.contribution.build()
    if isinstance(made, (str, Path)):
        assert Path(made).exists(), f"{made} does not exist; ship it with the plugin (package-data)"
