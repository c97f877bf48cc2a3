"""Options that several commands share, and how a report is printed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gradiend_core.records.report import Report

Disabled = Annotated[
    list[str], typer.Option("--disable-plugin", metavar="NAME", help="Leave a plugin out; may be repeated.")
]

Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what gradiend wrote there, unless it was edited since.")
]


def show(report: Report) -> None:
    """Prints the metrics of a report, and its warnings."""
    print("\n".join([*report.lines, *(f"warning: {warning}" for warning in report.warnings)]))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], whole: Sequence[str] = ()) -> None:
    """Prints rows under their columns. The columns in `whole` are never wrapped."""
    from rich.console import Console
    from rich.table import Table

    view = Table(box=None, padding=(0, 2, 0, 0))
    for column in columns:
        view.add_column(column, overflow="fold", no_wrap=column in whole)
    for row in rows:
        view.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 160, markup=False, highlight=False).print(view)


def names(classes: str | None) -> list[str] | None:
    return [name.strip() for name in classes.split(",")] if classes else None
