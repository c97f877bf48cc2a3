"""The reference pages, made of the code itself whenever the site is built: nothing of them is written by
hand.

A hook of mkdocs; `pages()` gives them as Markdown, for the tests too.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

import gradiend_core
from gradiend_core import hookspecs
from gradiend_core.config.runfile import OWN, SEVERAL, SINGLE
from gradiend_core.plugins.manager import Plugins
from gradiend_core.plugins.registry import ROLES
from gradiend_core.records.converter import unstructure
from gradiend_core.records.run import ComparisonSettings, GeneralSettings


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages to those of the folder."""
    from mkdocs.structure.files import File

    for name, text in pages().items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


def pages() -> dict[str, str]:
    return {
        "run-file": "\n".join(run_file()),
        "command-line": command_line(),
        "hooks": "\n".join(hooks()),
        "roles": "\n".join(objects("What plugins can do", "gradiend_core.roles")),
        "records": "\n".join(objects("Records", "gradiend_core.records")),
        "library": "\n".join(library()),
    }


def run_file() -> Iterator[str]:
    """Every table with every key, its default and what it means."""
    registry = Plugins.discover().registry
    yield (
        "# The run file\n\nTOML. What is left out has its default; `run.toml` in the folder of a run has all"
        " of them."
    )
    yield "On the command line, `--set TABLE.KEY=VALUE`; in the library, a keyword for each table.\n"
    yield from table("", GeneralSettings, "At the top")
    for name, settings in OWN.items():
        yield from table(name, settings, f"`[{name}]`")
    for role in (*SINGLE, *SEVERAL):
        yield f"## `[{role}]`\n"
        if role in SINGLE:
            yield f"`kind` is one of these, by default `{SINGLE[role]}`.\n"
        else:
            usual = [name for name in registry.names(role) if registry.get(role, name).by_default]
            yield (
                f"`kinds` is a list of these, by default `{usual}`; each has a table of its own,"
                f" `[{role}.NAME]`.\n"
            )
        for name in registry.names(role):
            entry = registry.get(role, name)
            where = role if role in SINGLE else f"{role}.{name}"
            yield from table(
                where, entry.config, f"`{name}`", 3, f"{entry.summary}. {entry.reference}".strip(" .")
            )
    yield from table("comparison", ComparisonSettings, "`[comparison]`, of a suite")


def table(path: str, settings: type, title: str, level: int = 2, about: str = "") -> Iterator[str]:
    yield f"{'#' * level} {title}\n"
    text = inspect.cleandoc(settings.__doc__ or "") if attrs.fields(settings) else ""  # type: ignore[arg-type]
    yield f"{about + '.' if about else ''} {text}\n".lstrip()
    rows = [(field.name, kind_of(field), default_of(field)) for field in attrs.fields(settings)]  # type: ignore[arg-type]
    if rows:
        yield "| key | kind | default |\n|---|---|---|"
        yield from (
            f"| `{f'{path}.' if path else ''}{name}` | {kind} | {default} |" for name, kind, default in rows
        )
        yield ""


def kind_of(field: Any) -> str:
    """The type, and the values where only some are taken."""
    options = getattr(field.validator, "options", None)
    shown = " ".join(f"`{json.dumps(each)}`" for each in options) if options else f"`{field.type}`"
    return shown.replace("|", "\\|").replace("typing.", "").replace("collections.abc.", "")


def default_of(field: Any) -> str:
    if field.default is attrs.NOTHING:
        return "must be given"
    value = field.default.factory() if isinstance(field.default, attrs.Factory) else field.default  # type: ignore[arg-type]
    return f"`{json.dumps(unstructure(value))}`".replace("|", "\\|")


def command_line() -> str:
    """What typer says of each command."""
    import typer
    from typer.cli import get_docs_for_click

    from gradiend_core.cli import app

    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="gradiend")
    found: str = get_docs_for_click(obj=command, ctx=context, name="gradiend", title="The command line")
    return found


def hooks() -> Iterator[str]:
    """Every hook with what it is told."""
    yield f"# Hooks\n\n{inspect.cleandoc(hookspecs.__doc__ or '')}\n"
    roles = {hook: role for role, hook in ROLES.items()}
    for name, function in vars(hookspecs).items():
        if name.startswith("gradiend_") and inspect.isfunction(function):
            signature = str(inspect.signature(function)).replace("'", "")
            yield f"## `{name}{signature}`\n\n{inspect.cleandoc(function.__doc__ or '')}\n"
            if name in roles:
                yield f"What is contributed has the role `{roles[name]}`.\n"


def objects(title: str, package: str) -> Iterator[str]:
    yield f"# {title}\n"
    folder = ROOT / package.replace(".", "/")
    for path in sorted(folder.glob("*.py")):
        if path.stem != "__init__":
            yield f"::: {package}.{path.stem}\n    options: {{heading_level: 2, show_root_full_path: true}}\n"


def library() -> Iterator[str]:
    yield (
        "# The"
        f" library\n\n```python\n{inspect.cleandoc(gradiend_core.__doc__ or '').split(chr(10), 2)[2]}\n```\n"
    )
    for name in gradiend_core.__all__:
        options = "{heading_level: 2, show_root_full_path: false}"
        yield f"::: gradiend_core.{gradiend_core._MODULE_OF[name]}.{name}\n    options: {options}\n"
