"""Reports as JSON files that load to equal reports, and their tables as CSV files for people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs
from attrs import AttrsInstance, evolve
from cattrs.gen import make_dict_structure_fn, override
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from gradiend_core.errors import StorageError
from gradiend_core.records.converter import CONVERTER
from gradiend_core.records.edit import ChosenEdit
from gradiend_core.records.metric import Metric
from gradiend_core.records.report import Report, Table
from gradiend_core.storage.files import MALFORMED, read_json, write_csv, write_json

Record = TypeVar("Record", bound=AttrsInstance)
#: JSON has no numbers that are not finite: they are written as {"number": "inf"}, which no text looks like
NUMBER = "number"
NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
#: what a file with directions of edits ends with
VECTORS = ".safetensors"
CELLS = (str, int, float, bool, type(None))


def save_record(record: AttrsInstance, path: Path) -> None:
    """Writes a record, including its reports, so that `load_record` gives an equal one."""
    write_json(path, REPORTS.unstructure(record))


def load_record(kind: type[Record], path: Path) -> Record:
    """The saved record. Raises StorageError for a file without one."""
    try:
        return REPORTS.structure(read_json(path), kind)
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}; make the run again") from error
    except (*MALFORMED, ExceptionGroup) as error:
        problem: BaseException = error
        while isinstance(problem, BaseExceptionGroup):
            problem = problem.exceptions[0]
        reason = f"{type(problem).__name__} {problem}"
        raise StorageError(f"{path} holds no valid {kind.__name__}: {reason}; make the run again") from error


def save_report(report: Report, path: Path) -> None:
    """Writes a report and, as NAME.safetensors beside it, the directions of edits that only this report
    has."""
    save_record(report, path)
    vectors = {edit.goal: edit.vector.contiguous() for edit in report.edits if edit.vector is not None}
    if vectors:
        save_file(vectors, path.with_suffix(VECTORS))
    else:
        path.with_suffix(VECTORS).unlink(missing_ok=True)


def load_report(path: Path) -> Report:
    """The saved report. Raises StorageError for a file without one, and where the directions of its edits are
    missing."""
    report = load_record(Report, path)
    lengths = {edit["goal"]: edit.get("vector") for edit in read_json(path)["edits"]}
    if not any(lengths.values()):
        return report
    try:
        vectors = load_file(path.with_suffix(VECTORS))
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"{path.with_suffix(VECTORS)} cannot be read, and has the directions of edits: {error}; make the"
            " run again"
        ) from error
    for goal, length in lengths.items():
        if length and (goal not in vectors or list(vectors[goal].shape) != [length]):
            raise StorageError(
                f"{path.with_suffix(VECTORS)} has not the edit toward {goal}; make the run again"
            )
    return evolve(report, edits=tuple(evolve(edit, vector=vectors.get(edit.goal)) for edit in report.edits))


def save_tables(report: Report, folder: Path, prefix: str) -> None:
    """Writes tables/PREFIX_REPORT_TABLE.csv for each table."""
    for name, table in report.tables.items():
        write_csv(folder / "tables" / f"{prefix}{report.name}_{name}.csv", table.columns, table.rows)


def _number_out(value: float) -> Any:
    return value if math.isfinite(value) else {NUMBER: str(value)}


def _number_in(value: Any, _: type[float]) -> float:
    if isinstance(value, Mapping):
        return NOT_FINITE[value[NUMBER]]
    if type(value) not in (int, float):
        raise TypeError(f"{value!r:.80} is not a number")
    return value  # type: ignore[no-any-return]  # a whole number stays one


def _report_out(report: Report) -> dict[str, Any]:
    return {
        "name": report.name,
        "metrics": [{"path": path, **REPORTS.unstructure(metric)} for path, metric in report.metrics.items()],
        "tables": {
            name: {
                "columns": table.columns,
                "rows": [
                    [_number_out(cell) if isinstance(cell, float) else cell for cell in row]
                    for row in table.rows
                ],
            }
            for name, table in report.tables.items()
        },
        "warnings": report.warnings,
        "lines": report.lines,
        "edits": REPORTS.unstructure(report.edits, tuple[ChosenEdit, ...]),
        "findings": report.findings,
    }


def _edit_out(edit: ChosenEdit) -> dict[str, Any]:
    """An edit with the length of its vector in place of the vector."""
    names = [field.name for field in attrs.fields(ChosenEdit) if field.name != "vector"]
    content = {name: REPORTS.unstructure(getattr(edit, name)) for name in names}
    return content | {"vector": None if edit.vector is None else len(edit.vector)}


def _report_in(content: Mapping[str, Any], _: type[Report]) -> Report:
    texts = tuple[str, ...]
    return Report(
        REPORTS.structure(content["name"], str),
        {
            REPORTS.structure(metric.pop("path"), texts): REPORTS.structure(metric, Metric)
            for metric in content["metrics"]
        },
        {REPORTS.structure(name, str): _table_in(table) for name, table in content["tables"].items()},
        REPORTS.structure(content["warnings"], texts),
        REPORTS.structure(content["lines"], texts),
        REPORTS.structure(content["edits"], tuple[ChosenEdit, ...]),
        REPORTS.structure(content["findings"], texts),
    )


def _table_in(content: Mapping[str, Any]) -> Table:
    columns = REPORTS.structure(content["columns"], tuple[str, ...])
    rows = tuple(
        tuple(_number_in(cell, float) if isinstance(cell, Mapping) else cell for cell in row)
        for row in content["rows"]
    )
    for row in rows:
        if len(row) != len(columns) or not all(isinstance(cell, CELLS) for cell in row):
            raise ValueError(f"a row of a table has not {len(columns)} plain values")
    return Table(columns, rows)


REPORTS = CONVERTER.copy()
REPORTS.register_unstructure_hook(float, _number_out)
REPORTS.register_structure_hook(float, _number_in)
REPORTS.register_unstructure_hook(Report, _report_out)
_structured = make_dict_structure_fn(ChosenEdit, REPORTS, vector=override(omit=True))
REPORTS.register_structure_hook(
    ChosenEdit,
    lambda content, _: _structured(
        {name: value for name, value in content.items() if name != "vector"}, ChosenEdit
    ),
)
REPORTS.register_unstructure_hook(ChosenEdit, _edit_out)
REPORTS.register_structure_hook(Report, _report_in)
