"""Pairs of sentences that differ in one thing, from files in the formats of two published data sets."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

from gradiend_core.api import DataError

GENDERS = ("female", "male")


@frozen
class SentencePair:
    """A pair of `kind`, a group that is also reported separately; a model prefers one of the two
    sentences."""

    kind: str
    one: str
    two: str


def crows_pairs(path: str) -> list[SentencePair]:
    """The more and the less stereotyping sentence of each row of a CSV file with the columns sent_more,
    sent_less and, where it is there, bias_type (CrowS-Pairs, Nangia et al. 2020)."""
    return [
        SentencePair(row.get("bias_type") or "", row["sent_more"].strip(), row["sent_less"].strip())
        for row in _rows(path, ",", ("sent_more", "sent_less"))
    ]


def winogender(path: str) -> list[SentencePair]:
    """The female and the male sentence of each schema in a tab-separated file with the columns sentid, such
    as "technician.customer.1.male.txt", and sentence (Winogender, Rudinger et al. 2018)."""
    schemas: dict[str, dict[str, str]] = {}
    for row in _rows(path, "\t", ("sentid", "sentence")):
        pieces = row["sentid"].removesuffix(".txt").split(".")
        schemas.setdefault(".".join(pieces[:-1]), {})[pieces[-1]] = row["sentence"].strip()
    pairs = [
        SentencePair("", *(sentences[gender] for gender in GENDERS))
        for sentences in schemas.values()
        if set(GENDERS) <= set(sentences)
    ]
    if not pairs:
        raise DataError(
            f"{path} has no schema with a female and a male sentence; a sentid ends with .female.txt or"
            " .male.txt"
        )
    return pairs


def _rows(path: str, delimiter: str, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    try:
        with Path(path).expanduser().open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                columns_there = ", ".join(reader.fieldnames or ()) or "none"
                raise DataError(f"{path} has no column {missing[0]!r}; its columns are {columns_there}")
            for number, row in enumerate(reader, 2):
                if not all(row[name] for name in columns):
                    raise DataError(f"{path}, row {number}, has an empty {' or '.join(columns)}")
                yield row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as text in columns: {error}") from error
