"""A setting with the sentence that says what it means."""

from __future__ import annotations

from typing import Any

import attrs


def setting(default: Any, about: str, *, validator: Any = None, formerly: str = "") -> Any:
    """An attrs field of a settings class. `about` is its sentence, with the unit and the reason of the
    default; the reference, `gradiend settings` and error messages show it. `formerly` is an older name, which
    is refused with the new one."""
    return attrs.field(default=default, validator=validator, metadata={"about": about, "formerly": formerly})


def about(field: Any) -> str:
    """The sentence of a field, "" where it has none."""
    return str(field.metadata.get("about", ""))
