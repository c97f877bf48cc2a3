"""The tables of reports: CSV files for people, and columns.json, which says what is a number, for whoever
reads them again."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gradiend_core.errors import StorageError
from gradiend_core.records.report import Report, Table
from gradiend_core.storage.files import MALFORMED, read_json, write_csv, write_json

KINDS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": lambda text: text == "True",
}
COLUMNS = "columns.json"


def save_tables(folder: Path, prefix: str, report: Report) -> None:
    """tables/PREFIX_REPORT_TABLE.csv for each table."""
    kinds = _kinds(folder)
    for name, table in report.tables.items():
        stem = f"{prefix}{report.name}_{name}"
        write_csv(folder / "tables" / f"{stem}.csv", table.columns, table.rows)
        kinds[stem] = {
            column: _kind(values) for column, values in zip(table.columns, _by_column(table), strict=True)
        }
    if report.tables:
        write_json(folder / "tables" / COLUMNS, kinds)


def load_tables(folder: Path, prefix: str, report: str) -> dict[str, Table]:
    """The tables of a report, by name. Raises StorageError for files that are not those that were saved."""
    start = f"{prefix}{report}_"
    return {
        stem.removeprefix(start): _read(folder / "tables" / f"{stem}.csv", kinds)
        for stem, kinds in _kinds(folder).items()
        if stem.startswith(start)
    }


def _read(path: Path, kinds: dict[str, str]) -> Table:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            columns, *rows = csv.reader(file)
        read = [KINDS[kinds[column]] for column in columns]
        return Table(
            tuple(columns),
            tuple(tuple(_value(*each) for each in zip(read, row, strict=True)) for row in rows),
        )
    except (OSError, csv.Error, *MALFORMED) as error:
        raise StorageError(f"the table {path} cannot be read: {error}; run the evaluation again") from error


def _value(kind: Callable[[str], Any], cell: str) -> Any:
    return None if cell == "" and kind is not str else kind(cell)


def _kinds(folder: Path) -> dict[str, dict[str, str]]:
    path = folder / "tables" / COLUMNS
    try:
        return read_json(path) if path.exists() else {}
    except (OSError, *MALFORMED) as error:
        raise StorageError(f"{path} cannot be read: {error}; run the evaluation again") from error


def _by_column(table: Table) -> list[tuple[Any, ...]]:
    return list(zip(*table.rows, strict=True)) if table.rows else [() for _ in table.columns]


def _kind(values: tuple[Any, ...]) -> str:
    """Of a column of whole and other numbers "float"; of one without any value "float", as that is what was
    not measured."""
    found = {type(value).__name__ for value in values if value is not None}
    return found.pop() if len(found) == 1 else "str" if "str" in found else "float"
