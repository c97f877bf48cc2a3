"""One number, and how much data it rests on."""

from __future__ import annotations

from attrs import frozen


@frozen
class Metric:
    """One number and how many examples it rests on. A value that does not exist is None, never NaN."""

    value: float | None
    n: int

    def shown(self, form: str = ".3f") -> str:
        """The value for people, "undefined" where there is none."""
        return shown(self.value, form)


def shown(value: float | None, form: str = ".3f") -> str:
    """A number for people, "undefined" where it does not exist."""
    return "undefined" if value is None else format(value, form)
