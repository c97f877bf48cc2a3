"""The command line: one command for each thing that a user comes for. Says what went wrong in one line,
without a traceback unless asked."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated, Any

import typer

from gradiend_core import __version__
from gradiend_core.cli import finished, making, plugins, several
from gradiend_core.errors import GradiendError

app = typer.Typer(
    help="Learn a feature of a language model from gradients, read it, and rewrite the model with it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # it eats brackets
)
TRACEBACK = "--traceback"
#: the exit status that typer gives Ctrl-C
INTERRUPTED = 130


def _version(wanted: bool) -> None:
    if wanted:
        print(f"gradiend-core {__version__}")
        raise typer.Exit


@app.callback()
def options(
    traceback: Annotated[bool, typer.Option(TRACEBACK, help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version.")
    ] = False,
) -> None:
    """Options for every command; `main` reads them before typer does."""


for _command in (
    making.run,
    making.plan,
    making.data,
    finished.encode,
    finished.explain,
    finished.evaluate,
    finished.rewrite,
    several.report,
    several.suite,
    several.compare,
    several.stack,
    several.explore,
    finished.push,
    plugins.plugins,
    plugins.settings,
    plugins.check,
):
    app.command()(_command)
app.command("new-plugin")(plugins.new_plugin)


def main() -> None:
    """The console script."""
    wanted = TRACEBACK in sys.argv
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    warnings.showwarning = _one_line
    try:
        app()
    except GradiendError as error:
        if wanted:
            raise
        sys.exit(f"error: {error}")
    except SystemExit as leave:
        if leave.code == INTERRUPTED:
            print(
                "stopped by hand; what was finished is in the output folder, results.json is not",
                file=sys.stderr,
            )
        raise
    except Exception as error:
        if wanted:
            raise
        first = str(error).splitlines()[0] if str(error) else ""
        hint = f"gradiend {TRACEBACK} {' '.join(sys.argv[1:])}"
        sys.exit(f"error: {type(error).__name__}: {first} (a defect; see it all with `{hint}`)")


def _one_line(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
    print(f"warning: {message}", file=sys.stderr)
