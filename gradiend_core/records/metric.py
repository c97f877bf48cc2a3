"""A number together with the amount of data behind it."""

from __future__ import annotations

from attrs import frozen


@frozen
class Metric:
    """A number and the number of examples behind it. A value that does not exist is None, never NaN."""

    value: float | None
    n: int

    def shown(self, form: str = ".3f") -> str:
        """The value as people read it, "undefined" where there is none."""
        return shown(self.value, form)


def shown(value: float | None, form: str = ".3f") -> str:
    """A number as people read it, "undefined" where it does not exist."""
    if value is None:
        return "undefined"
    text, positive = format(value, form), format(abs(value), form)
    return positive if text == f"-{positive}" and not set(positive) & set("123456789") else text
