"""First names of one gender only."""

from __future__ import annotations

import csv
from pathlib import Path

from gradiend_core.api import ConfigError
from gradiend_gender import EnglishGender

BUILT_IN = {
    "male": (
        (
            "Adam Arthur Ben Bob Carl Daniel David Edward Felix Frank Fred George Henry Jack James John"
            " Joseph Leo Mark Martin Max Michael Oscar Paul Peter Philip Richard Robert Simon Stephen Thomas"
            " Tim Tom Walter William"
        ).split()
    ),
    "female": (
        (
            "Alice Amy Anna Betty Clara Diana Ella Emily Emma Eve Grace Hannah Helen Ida Jane Jenny Julia"
            " Kate Laura Lily Lisa Lucy Margaret Maria Mary Mia Molly Nora Rose Ruth Sally Sara Sarah Sophie"
            " Susan"
        ).split()
    ),
}


def load_names(config: EnglishGender) -> dict[str, str]:
    """The class of each name. Raises ConfigError for a table without names of both genders."""
    if not config.names:
        return {name: of for of, names in BUILT_IN.items() for name in names}
    columns = {
        "name_column": config.name_column,
        "male_column": config.male_column,
        "female_column": config.female_column,
    }
    sex_of: dict[str, str] = {}
    try:
        with Path(config.names).open(encoding="utf-8-sig", newline="") as lines:
            table = csv.DictReader(lines)
            for setting, column in columns.items():
                if column not in (table.fieldnames or ()):
                    known = ", ".join(table.fieldnames or ()) or "none"
                    raise ConfigError(
                        f"names {config.names!r} has no column {column!r} (columns: {known}); set"
                        f" paradigm.{setting}"
                    )
            for row in table:
                male, female = float(row[config.male_column] or 0), float(row[config.female_column] or 0)
                share, of = max((male, "male"), (female, "female"))
                if male + female >= config.at_least and share >= config.unambiguous * (male + female):
                    sex_of[row[config.name_column].strip().capitalize()] = of
    except OSError as error:
        raise ConfigError(f"names {config.names!r} cannot be read: {error.strerror}") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise ConfigError(f"names {config.names!r} is not a table of counts: {error}") from error
    for of in BUILT_IN:
        if of not in sex_of.values():
            raise ConfigError(
                f"names {config.names!r} gives no {of} names that were counted {config.at_least} times; set"
                " paradigm.at_least"
            )
    return sex_of
