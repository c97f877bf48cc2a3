"""What several commands take."""

from __future__ import annotations

from typing import Annotated

import typer

Disabled = Annotated[list[str], typer.Option("--disable-plugin", metavar="NAME", help="Leave a plugin out; may be repeated.")]


def names(classes: str | None) -> list[str] | None:
    return [name.strip() for name in classes.split(",")] if classes else None
