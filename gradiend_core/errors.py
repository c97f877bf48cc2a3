"""Errors, in one sentence each: the value, the reason, the fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: characters of a message
LONGEST = 2000


class GradiendError(Exception):
    """An error that the user can fix. The message is shown as it is, without a traceback. A long
    message, such as one that quotes a damaged file, is cut in the middle."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message if len(message) <= LONGEST else f"{message[: LONGEST - 500]} […] {message[-500:]}"
        )


class ConfigError(GradiendError):
    """The run file, an option or an argument is wrong."""


class PluginError(GradiendError):
    """A plugin is missing, broken, refused or in conflict with another."""


class DataError(GradiendError):
    """The texts do not contain what the run needs."""


class ModelError(GradiendError):
    """The model cannot be loaded, or does not fit the run."""


class StorageError(GradiendError):
    """An artefact cannot be written or read."""


class LearningError(GradiendError):
    """The feature could not be learned."""


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The message for an unknown name, with the nearest known name and all others."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"unknown {what} {name!r}{hint} (known: {', '.join(names) or 'none'})"
