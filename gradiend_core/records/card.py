"""How a notebook shows an object: a title, some sentences, a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

#: rows of a table that a notebook shows
ROWS = 20


def card(title: str, sentences: Iterable[str] = (), table: str = "") -> str:
    """HTML of plain text; only `table` is HTML already."""
    paragraphs = "".join(f"<p style='margin: 0.3em 0'>{escape(sentence)}</p>" for sentence in sentences)
    style = "border: 1px solid #8886; border-radius: 6px; padding: 0.6em 1em; max-width: 60em"
    return f"<div style='{style}'><b>{escape(title)}</b>{paragraphs}{table}</div>"


def html_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """The first rows as an HTML table, with the number of further rows below."""
    head = "".join(f"<th style='text-align: left'>{escape(column)}</th>" for column in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(shown_cell(cell))}</td>' for cell in row)}</tr>" for row in rows[:ROWS]
    )
    more = f"<p>… and {len(rows) - ROWS:,} more rows</p>" if len(rows) > ROWS else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def shown_cell(value: Any) -> str:
    """A value as people read it: numbers with four digits, None as a dash."""
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
