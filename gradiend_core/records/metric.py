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
    if value is None:
        return "undefined"
    text, positive = format(value, form), format(abs(value), form)
    return positive if text == f"-{positive}" and not set(positive) & set("123456789") else text
