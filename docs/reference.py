"""The reference pages, made of the code itself whenever the site is built: nothing of them is written by
hand.

A hook of mkdocs; `pages()` gives them as Markdown, for the tests too.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

import attrs

import gradiend_core
from gradiend_core import api, hookspecs
from gradiend_core.api import listed
from gradiend_core.config.described import described, usual
from gradiend_core.config.runfile import ONE, SEVERAL
from gradiend_core.plugins.manager import Plugins
from gradiend_core.roles.kinds import PLUGIN_KINDS


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
        "api": "\n".join(api_of_plugins()),
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
    table = ""
    for each in described(registry):
        if each.contribution and each.table != table:
            yield f"## `[{each.table}]`\n"
            names = usual((ONE | SEVERAL)[each.table], registry)
            if each.table in SEVERAL:
                yield (
                    f"`kinds` is a list of these, by default `{json.dumps(names)}`; each has a table,"
                    f" `[{each.table}.NAME]`.\n"
                )
            else:
                yield f"`kind` is one of these, by default `{', '.join(names) or 'auto'}`.\n"
        table = each.table
        title = f"`{each.contribution}`" if each.contribution else f"`[{table}]`" if table else "At the top"
        yield (
            f"{'###' if each.contribution else '##'}"
            f" {title}\n\n{each.summary[:1].upper()}{each.summary[1:]}.\n"
        )
        if each.settings:
            yield "| key | values | default | meaning |\n|---|---|---|---|"
            for row in each.settings:
                default = f"`{row.default}`" if row.default else "must be given"
                cells = (f"`{row.path}`", f"`{row.values}`", default, row.about)
                yield "| " + " | ".join(map(_cell, cells)) + " |"
            yield ""


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
    kinds = {kind.hook: kind for kind in PLUGIN_KINDS}
    for name, function in vars(hookspecs).items():
        if name.startswith("gradiend_") and inspect.isfunction(function):
            signature = str(inspect.signature(function)).replace("'", "")
            yield f"## `{name}{signature}`\n\n{inspect.cleandoc(function.__doc__ or '')}\n"
            if name in kinds:
                yield f"What is contributed is of the kind `{kinds[name]}`.\n"


def api_of_plugins() -> Iterator[str]:
    """Every name that a plugin may import with its first sentence, and every field of each task."""
    yield "# What a plugin may import\n\nEverything in `gradiend_core.api`, and what tasks give to plugins.\n"
    stub = Path(str(api.__file__)).with_suffix(".pyi").read_text(encoding="utf-8")
    for section in stub.split("\n# --- ")[1:]:
        title, _, imports = section.partition(" ---\n")
        names = re.findall(r"^from gradiend_core\S* import (\w+) as \1", imports, flags=re.M)
        if not names:
            continue
        yield f"## {title[:1].upper()}{title[1:]}\n\n| name | meaning |\n|---|---|"
        yield from (f"| `{name}` | {_cell(sentence(name))} |" for name in names)
        yield ""
        for name in names:
            value = getattr(api, name)
            if inspect.isclass(value) and name.endswith("Task"):
                yield f"### `{name}`\n\n| field | type | meaning |\n|---|---|---|"
                for attribute in attrs.fields(value):
                    about = comment(value.__module__, attribute.name)
                    yield f"| `{attribute.name}` | `{_cell(str(attribute.type))}` | {_cell(about)} |"
                yield ""


def sentence(name: str) -> str:
    """The first sentence about a name of the api: of its docstring, or the comment above a constant."""
    value = getattr(api, name)
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return comment(listed(str(api.__file__))[name], name)
    text = " ".join((inspect.getdoc(value) or "").split())
    return re.split(r"(?<=[^.]{3}[.:])\s+(?=[A-Z`])", text)[0]


def comment(module: str, name: str) -> str:
    """The comment `#:` above a constant or a field."""
    source = inspect.getsource(sys.modules[module])
    above = re.search(rf"((?:^ *#: .*\n)+) *{name}\b *[:=]", source, flags=re.M)
    lines = [line.strip().removeprefix("#: ") for line in above.group(1).splitlines()] if above else []
    text = " ".join(lines)
    return f"{text[:1].upper()}{text[1:]}" + "." * bool(text and not text.endswith("."))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


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
    for name, module in sorted(listed(str(gradiend_core.__file__)).items()):
        options = "{heading_level: 2, show_root_full_path: false}"
        yield f"::: {module}.{name}\n    options: {options}\n"
