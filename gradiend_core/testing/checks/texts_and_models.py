"""Of named texts and models."""

from __future__ import annotations

from gradiend_core.roles.kinds import MODEL, TEXT
from gradiend_core.testing.checks.register import check
from gradiend_core.testing.subject import Subject


@check(TEXT, MODEL)
def what_it_names_is_there(subject: Subject) -> None:
    """The factory gives something that can be read: a path that exists, or texts."""
    from pathlib import Path

    found = subject.contribution.build()
    if isinstance(found, (str, Path)):
        assert Path(found).exists(), f"{found} does not exist; ship it with the plugin (package-data)"
