"""Who is plugged in, whether it keeps its promises, and a plugin to start from."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from gradiend_core.cli.options import Disabled


def plugins(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False, disable_plugin: Disabled = []
) -> None:
    """Who is plugged in, with what, and from where."""
    from gradiend_core.plugins.manager import Plugins
    from gradiend_core.plugins.table import COLUMNS, rows

    table = rows(Plugins.discover(disable_plugin))
    if as_json:
        print(json.dumps(table, indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    view = Table(box=None, padding=(0, 2, 0, 0))
    for column in COLUMNS:
        view.add_column(column, overflow="fold", no_wrap=column in ("name", "kind", "plugin", "state"))
    for row in table:
        view.add_row(*(row[column] for column in COLUMNS))
    Console(width=None if sys.stdout.isatty() else 160, markup=False, highlight=False).print(view)


def check(
    name: Annotated[str, typer.Argument(help="A plugin, or one of its contributions.")],
    settings: Annotated[
        list[str],
        typer.Option("--set", metavar="PATH=VALUE", help="Settings of the run that it is tried in."),
    ] = [],
) -> None:
    """Does a plugin keep the promises? What does not hold is said, with what to mend."""
    from gradiend_core.config.runfile import override
    from gradiend_core.testing.kit import outcomes

    broken = 0
    for each in outcomes(name, **override({}, settings)):
        print(
            f"{'mend' if each.problem else 'ok  '}  {each.plugin_kind} {each.name}:"
            f" {each.problem or each.promise}"
        )
        broken += bool(each.problem)
    if broken:
        raise typer.Exit(1)


def new_plugin(
    kind: Annotated[
        str,
        typer.Argument(
            help=(
                "paradigm, source, selector, learner, policy, evaluator, visualizer or comparison-visualizer."
            )
        ),
    ],
    name: Annotated[
        str, typer.Argument(help="Of the plugin and of what it contributes, such as my-paradigm.")
    ],
    output: Annotated[Path | None, typer.Option(help="A new folder.  [default: NAME]")] = None,
) -> None:
    """A plugin to start from: a distribution of its own that passes `gradiend check`."""
    from gradiend_core.testing.skeleton import write_plugin

    folder = write_plugin(kind, name, output or Path(name))
    print(f"written to {folder}; go on with: pip install -e {folder} && gradiend check {name}")
