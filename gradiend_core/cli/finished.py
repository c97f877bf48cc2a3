"""A finished run: read other texts with it, evaluate it further, write its edits to files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from gradiend_core.cli.options import Overwrite, show
from gradiend_core.errors import ConfigError


def encode(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run, or hub:OWNER/NAME.")],
    marked: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TEXT]...", help='Texts with a marked slot, like "So [he|they] left."'),
    ] = None,
    texts: Annotated[
        str | None, typer.Option(help="A named text, a file or a folder, in which the paradigm finds slots.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="A new CSV file, with the encoding of each text.")
    ] = None,
    settings: Annotated[
        list[str],
        typer.Option("--set", metavar="PATH=VALUE", help="Like data.text_column=story; repeatable."),
    ] = [],
) -> None:
    """Encode other texts with the encoder of a finished run."""
    from gradiend_core.finished import encoding
    from gradiend_core.run.finished import load_run
    from gradiend_core.storage.files import write_csv

    if bool(marked) == (texts is not None):
        raise ConfigError("give either texts with a marked slot, or --texts")
    if output and output.exists():
        raise ConfigError(f"{output} exists; give a new file")
    session = load_run(run, settings)
    if marked:
        table = encoding.encode(session, marked)
        shown = (
            "{encoding:+.3f}  {text}" if len(session.features) == 1 else "{encoding:+.3f}  {feature}: {text}"
        )
        print("\n".join(shown.format_map(row) for row in table.records()))
    else:
        reports = encoding.encode_texts(session, texts)
        for report in reports:
            show(report)
        table = encoding.in_one(session, reports)
    if output:
        write_csv(output, table.columns, table.rows)
        print(f"written to {output}")


def explain(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run, or hub:OWNER/NAME.")],
    marked: Annotated[
        list[str],
        typer.Argument(metavar="TEXT...", help='Texts with a marked slot, like "So [he|they] left."'),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print all shares as JSON.")] = False,
    output: Annotated[
        Path | None, typer.Option(help="A new CSV file, with a row for each token, layer and component.")
    ] = None,
    settings: Annotated[
        list[str],
        typer.Option(
            "--set", metavar="PATH=VALUE", help="A setting of the run, like gradients.device=cpu; repeatable."
        ),
    ] = [],
) -> None:
    """Show which tokens of a text, and which layers, an encoding comes from."""
    from rich.console import Console

    from gradiend_core.comparison.drawn import explanation_shown
    from gradiend_core.finished.explaining import explain as explained
    from gradiend_core.run.finished import load_run
    from gradiend_core.storage.files import write_csv

    if output and output.exists():
        raise ConfigError(f"{output} exists; give a new file")
    explanations = explained(load_run(run, settings), marked)
    if as_json:
        print(json.dumps([one.as_dict() for one in explanations], ensure_ascii=False))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for one in explanations:
            for shown in explanation_shown(one, coloured=console.is_terminal):
                console.print(shown)
    if output:
        table = explanations.table()
        write_csv(output, table.columns, table.rows)
        print(f"written to {output}", file=sys.stderr if as_json else sys.stdout)


def evaluate(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run, or hub:OWNER/NAME.")],
    kinds: Annotated[
        list[str], typer.Argument(metavar="EVALUATOR...", help="Such as side-effects or baselines.")
    ],
    settings: Annotated[
        list[str],
        typer.Option(
            "--set", metavar="PATH=VALUE", help="Like evaluators.side-effects.max_texts=100; repeatable."
        ),
    ] = [],
) -> None:
    """Run more evaluators on a finished run, without learning again; their numbers are added to its
    folder."""
    from gradiend_core.run.finished import evaluate_run

    finished = evaluate_run(run, kinds, settings)
    for _, _, reports in finished.by_axis():
        for kind in kinds:
            report = reports[kind]
            show(report)
            if report.tables:
                print(f"tables    {', '.join(f'tables/{kind}_{name}.csv' for name in report.tables)}")
    print(f"written to {run}")


def rewrite(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run, or hub:OWNER/NAME.")],
    toward: Annotated[str, typer.Option(help="The class to strengthen.")],
    output: Annotated[Path, typer.Option(help="A new folder.")],
    form: Annotated[str, typer.Option("--format", help="full, sparse, lora, task-vector or gguf.")] = "full",
    strength: Annotated[
        float, typer.Option(help="Factor for the edit; a negative one weakens the class.")
    ] = 1.0,
    learning_rate: Annotated[
        float | None,
        typer.Option(help="Learning rate for the decoder's direction, instead of the chosen edit."),
    ] = None,
    damping: Annotated[
        float | None,
        typer.Option(help="With a learning rate: damping of the metric that the direction is divided by."),
    ] = None,
    keep: Annotated[float, typer.Option(help="Share of the entries that is kept, the largest ones.")] = 1.0,
    rank: Annotated[int, typer.Option(help="Rank of a lora adapter.")] = 8,
    overwrite: Overwrite = False,
) -> None:
    """Write the edit of a finished run as a model, an update or an adapter."""
    from gradiend_core.finished.exporting import export
    from gradiend_core.run.finished import load_run
    from gradiend_core.storage.folders import expect_free

    expect_free(output, overwrite=overwrite)
    options = {
        "strength": strength,
        "learning_rate": learning_rate,
        "damping": damping,
        "keep": keep,
        "rank": rank,
        "overwrite": overwrite,
    }
    print("\n".join(export(load_run(run), toward, output, form, **options)))  # type: ignore[arg-type]


def push(
    what: Annotated[Path, typer.Argument(metavar="FOLDER", help="A finished run, or a written edit.")],
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The repository on the hub.")],
    private: Annotated[
        bool | None, typer.Option("--private/--public", help="Who may read it.  [default: as the hub does]")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="A branch of the repository.")] = None,
    models: Annotated[
        bool, typer.Option("--models", help="Take the rewritten models of a run, too; they are large.")
    ] = False,
) -> None:
    """Push a finished run or a written edit to the Hugging Face hub, with a model card. A run is pushed
    together with the texts of its pairs."""
    from gradiend_core.finished.publishing import push_to_hub

    commit = push_to_hub(what, repository, private=private, revision=revision, models=models)
    print(f"pushed to {commit}\nread it as hub:{repository.removeprefix('hub:')}")
