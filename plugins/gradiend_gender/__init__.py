"""he and she after a first name as a feature."""

from __future__ import annotations

from attrs import field, frozen, validators

from gradiend_core.api import Contribution, hookimpl


@frozen
class EnglishGender:
    """Settings of `english-gender`.

    Each text becomes a template that is filled `fills` times with a male name and *he*, and as often with a
    female name and *she*. `names` is a CSV file of first names with counts of men and women, by the columns
    named; names of which at least the share `unambiguous` is of one sex, and which were counted `at_least` so
    often, are used. Without it, a short built-in list is."""

    classes: tuple[str, ...] = ("male", "female")
    fills: int = field(default=1, validator=validators.ge(1))
    names: str = ""
    name_column: str = "name"
    male_column: str = "male"
    female_column: str = "female"
    unambiguous: float = field(default=0.99, validator=[validators.gt(0.5), validators.le(1)])
    at_least: int = field(default=1000, validator=validators.ge(1))


@hookimpl
def gradiend_feature_paradigms() -> list[Contribution]:
    return [
        Contribution(
            "english-gender",
            EnglishGender,
            "gradiend_gender.paradigm:GenderParadigm",
            "he and she after a first name: male, female",
            "arXiv 2502.01406",
        )
    ]
