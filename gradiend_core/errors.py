"""What goes wrong, in one sentence each: the value, the reason, the fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: characters of a message
LONGEST = 2000


class GradiendError(Exception):
    """Anything that the user can mend. The message is shown as it is, without a traceback; a very long one,
    as where it names a value out of a damaged file, loses its middle."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message if len(message) <= LONGEST else f"{message[: LONGEST - 500]} […] {message[-500:]}"
        )


class ConfigError(GradiendError):
    """The run file, an option or an argument is wrong."""


class PluginError(GradiendError):
    """A plugin is missing, broken, refused or in conflict with another."""


class DataError(GradiendError):
    """The texts do not give what the run needs."""


class ModelError(GradiendError):
    """The model cannot be loaded, or does not fit the run."""


class StorageError(GradiendError):
    """An artefact cannot be written or read."""


class LearningError(GradiendError):
    """The feature could not be learned."""


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that is not known: it names the nearest one and all the others."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"unknown {what} {name!r}{hint} (known: {', '.join(names) or 'none'})"
