"""The installed plugins: list them, check them, start a new one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gradiend_core.cli.options import Disabled, Overwrite, print_table


def plugins(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False, disable_plugin: Disabled = []
) -> None:
    """List plugins, what they contribute, and which package they come from."""
    from gradiend_core.plugins.manager import Plugins
    from gradiend_core.plugins.table import COLUMNS, rows

    table = rows(Plugins.discover(disable_plugin))
    if as_json:
        print(json.dumps(table, indent=2, ensure_ascii=False))
        return
    rows_shown = [tuple(row[column] for column in COLUMNS) for row in table]
    print_table(COLUMNS, rows_shown, whole=("name", "kind", "plugin", "state"))


def settings(
    table: Annotated[
        str | None,
        typer.Argument(help="A table of the run file, or a contribution, such as learner or adam."),
    ] = None,
    disable_plugin: Disabled = [],
) -> None:
    """List settings with their defaults and meanings; without a table name, list the tables."""
    from gradiend_core.config.described import described
    from gradiend_core.errors import ConfigError, unknown
    from gradiend_core.plugins.manager import Plugins

    tables = list(described(Plugins.discover(disable_plugin).registry))
    if table is None:
        rows = [
            (
                f"[{described_table.table}]" if described_table.table else "",
                described_table.contribution,
                described_table.summary,
            )
            for described_table in tables
        ]
        print_table(("table", "kind", "what it is"), rows, whole=("table", "kind"))
        return
    chosen = [
        described_table
        for described_table in tables
        if table in (described_table.table, described_table.contribution)
    ]
    if not chosen:
        raise ConfigError(
            unknown(
                "table",
                table,
                {
                    name
                    for described_table in tables
                    for name in (described_table.table, described_table.contribution)
                }
                - {""},
            )
        )
    for described_table in chosen:
        print(f"{described_table.contribution or described_table.table or 'top'}: {described_table.summary}")
        print_table(
            ("setting", "default", "meaning"),
            [(row.path, row.default or "must be given", row.about) for row in described_table.settings],
            whole=("setting",),
        )
        print()


def check(
    name: Annotated[str, typer.Argument(help="A plugin, or one of its contributions.")],
    settings: Annotated[
        list[str],
        typer.Option("--set", metavar="PATH=VALUE", help="Settings of the run that it is tried in."),
    ] = [],
) -> None:
    """Check whether a plugin keeps the promises of its role, and say what to fix."""
    from gradiend_core.config.runfile import override
    from gradiend_core.testing.kit import outcomes

    broken = 0
    for outcome in outcomes(name, **override({}, settings)):
        print(
            f"{'mend' if outcome.problem else 'ok  '}  {outcome.plugin_kind} {outcome.name}:"
            f" {outcome.problem or outcome.promise}"
        )
        broken += bool(outcome.problem)
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
        str, typer.Argument(help="Name of the plugin and of what it contributes, such as my-paradigm.")
    ],
    output: Annotated[Path | None, typer.Option(help="A new folder.  [default: NAME]")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a new plugin to start from: an installable package that passes `gradiend check`."""
    from gradiend_core.testing.skeleton import write_plugin

    folder = write_plugin(kind, name, output or Path(name), overwrite=overwrite)
    print(f"written to {folder}; go on with: pip install -e {folder} && gradiend check {name}")
