"""What several commands take, and how they show a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gradiend_core.records.report import Report

Disabled = Annotated[
    list[str], typer.Option("--disable-plugin", metavar="NAME", help="Leave a plugin out; may be repeated.")
]


def show(report: Report) -> None:
    """Prints what a report comes to, and its warnings."""
    print("\n".join([*report.lines, *(f"warning: {warning}" for warning in report.warnings)]))


def names(classes: str | None) -> list[str] | None:
    return [name.strip() for name in classes.split(",")] if classes else None
