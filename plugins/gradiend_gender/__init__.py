"""he and she after a first name as a feature."""

from __future__ import annotations

from attrs import frozen, validators

from gradiend_core.api import Contribution, hookimpl, setting


@frozen
class EnglishGender:
    """Settings of `english-gender`: each text becomes a template that is filled with a male name and *he*,
    and as often with a female name and *she*."""

    classes: tuple[str, ...] = setting(("male", "female"), "The two classes; the first encodes to +1.")
    fills: int = setting(1, "Names of each sex that each text is filled with.", validator=validators.ge(1))
    names: str = setting("", "A CSV file of first names with counts by sex; empty: a short built-in list.")
    name_column: str = setting("name", "The column of names in this file.")
    male_column: str = setting("male", "The column with the number of men of each name.")
    female_column: str = setting("female", "The column with the number of women of each name.")
    unambiguous: float = setting(
        0.99,
        "The share of one sex from which a name is used.",
        validator=[validators.gt(0.5), validators.le(1)],
    )
    at_least: int = setting(
        1000, "The smallest number of people from which a name is used.", validator=validators.ge(1)
    )


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
