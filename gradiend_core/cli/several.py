"""Several runs: start them from one file, compare them, combine their edits."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gradiend_core.cli.options import Overwrite, show
from gradiend_core.errors import ConfigError

#: the address that no other machine reaches
LOOPBACK = "127.0.0.1"


def suite(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.toml", help="What the runs share, [[members]] and [comparison].")
    ],
    output: Annotated[Path | None, typer.Option(help="Output folder.  [default: runs/FILE]")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Runs that are done at once, each in a process.")] = 1,
    settings: Annotated[
        list[str], typer.Option("--set", metavar="PATH=VALUE", help="Of all runs; repeatable.")
    ] = [],
    overwrite: Overwrite = False,
) -> None:
    """Start many runs from one file and compare their features. Given again, it continues where it
    stopped."""
    from gradiend_core.config.suitefile import read_suite
    from gradiend_core.finished.suite import run_suite, workers

    members_and_comparison = read_suite(file, settings)
    folder = output or Path("runs") / file.stem
    with workers(min(jobs, len(members_and_comparison.members))) as executor:
        result = run_suite(
            members_and_comparison,
            folder,
            executor,
            lambda line: print(line, file=sys.stderr),
            overwrite=overwrite,
        )
    for name, finding in result.findings.items():
        print(f"{name}: {finding}")
    if result.report:
        show(result.report)
    print(
        f"{len(result.finished)} of {len(members_and_comparison.members)} runs have finished; written to"
        f" {folder}"
    )
    if result.failed:
        print("\n".join(f"failed    {name}: {problem}" for name, problem in result.failed.items()))
        raise typer.Exit(1)


def compare(
    runs: Annotated[
        list[str], typer.Argument(help="Folders of finished runs, or with such inside, or hub:OWNER/NAME.")
    ],
    output: Annotated[Path | None, typer.Option(help="A folder for tables and figures.")] = None,
    top: Annotated[
        list[str],
        typer.Option(
            help="Share or number of the largest weights whose overlap is counted, such as 0.01 or 1000."
        ),
    ] = ["0.01"],
    measure: Annotated[
        list[str],
        typer.Option(
            help="A further measure of weights: spearman (their rank correlation) or mass (the part of their"
            " absolute weights in the same entries)."
        ),
    ] = [],
    max_pairs: Annotated[
        int, typer.Option(min=2, help="Maximum number of test pairs of a class that encoders read.")
    ] = 100,
    overwrite: Overwrite = False,
) -> None:
    """Compare the features of finished runs: which weights they share, and what each reads in the others'
    texts."""
    from gradiend_core.finished.comparing import compare_runs, runs_in, save_comparison
    from gradiend_core.records.converter import structure
    from gradiend_core.records.run import ComparisonSettings

    try:
        tops = [float(share) if "." in share else int(share) for share in top]
    except ValueError as error:
        raise ConfigError(
            f"--top takes a share, like 0.01, or a count, like 1000, not {' '.join(top)!r}"
        ) from error
    settings = {"top": tops, "measures": measure, "max_pairs": max_pairs}
    report = compare_runs(runs_in(runs), structure(settings, ComparisonSettings, "comparison"))
    show(report)
    if output:
        print(f"written to {save_comparison(report, output, overwrite=overwrite)}")


def report(
    runs: Annotated[
        list[str], typer.Argument(help="Folders of finished runs, or with such inside, or hub:OWNER/NAME.")
    ],
    output: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("report.html"),
    strengths: Annotated[
        bool, typer.Option(help="Try the edits at several strengths, unless the run has done that.")
    ] = True,
    overwrite: Overwrite = False,
) -> None:
    """Write finished runs as one HTML file that needs no network. Several runs are compared in it."""
    from gradiend_core.finished.reporting import write_report

    written = write_report(runs, output, strengths=strengths, overwrite=overwrite)
    print(f"written to {written} ({written.stat().st_size / 1e6:.1f} MB)")


def stack(
    edits: Annotated[
        list[str], typer.Argument(metavar="RUN:CLASS[*STRENGTH]...", help="Like runs/a:3PL runs/b:female*0.5")
    ],
    output: Annotated[Path | None, typer.Option(help="A new folder; without it nothing is written.")] = None,
    form: Annotated[str, typer.Option("--format", help="full, sparse, lora, task-vector or gguf.")] = "full",
    keep: Annotated[float, typer.Option(help="Share of the entries that is kept, the largest ones.")] = 1.0,
    rank: Annotated[int, typer.Option(help="Rank of a lora adapter.")] = 8,
    overwrite: Overwrite = False,
) -> None:
    """Combine the edits of several finished runs in one model, and measure each edit alone and with the
    others."""
    from gradiend_core.finished.stacking import export_stack, opened
    from gradiend_core.finished.stacking import stack as stack_edits
    from gradiend_core.storage.folders import expect_free

    if output:
        expect_free(output, overwrite=overwrite)
    stacked = stack_edits(opened(edits))
    print("\n".join(stacked.report.lines))
    if output:
        print("\n".join(export_stack(stacked, output, form, keep=keep, rank=rank, overwrite=overwrite)))


def explore(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN [RUN]", help="Folders of finished runs, or hub:OWNER/NAME.")
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any that is free.")] = 7860,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """Try runs on a local web page: read a text, and change the strength of edits. Two runs stand side by
    side."""
    from gradiend_core.finished.playground import playground

    page = playground(runs)
    try:
        page.launch(server_name=LOOPBACK, server_port=port or None, inbrowser=browser, share=False)
    except OSError as error:
        raise ConfigError(f"the port {port} is taken; give another --port, or 0 for any") from error
