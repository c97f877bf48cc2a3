"""Commands that start a run: `run`, `plan` and `data`."""

from __future__ import annotations

import sys
from contextlib import suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradiend_core.cli.options import Disabled, Overwrite, names
from gradiend_core.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradiend_core.plugins.registry import Registry
    from gradiend_core.records.pair import MinimalPair, PairData
    from gradiend_core.records.report import Table
    from gradiend_core.run.run import Run

#: how many texts a preview reads, and how many pairs of a class it shows
PREVIEW, SHOWN = 20_000, 4


def run(
    what: Annotated[
        str,
        typer.Argument(
            metavar="PARADIGM|FILE.toml|RUN", help="A feature paradigm, a run file, or a run to repeat."
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(help="A named model, a folder or a hub id.  [default: what suits the paradigm]"),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(metavar="ONE,OTHER", help="The two classes; the first encodes to +1.")
    ] = None,
    texts: Annotated[
        str | None,
        typer.Option(help="A named text, a file, a folder or hub:ID.  [default: what suits the paradigm]"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Output folder.  [default: runs/PARADIGM_MODEL_CLASSES]")
    ] = None,
    settings: Annotated[
        list[str], typer.Option("--set", metavar="PATH=VALUE", help="Like learner.max_steps=200; repeatable.")
    ] = [],
    seed: Annotated[int | None, typer.Option(help="Random seed.  [default: 0]")] = None,
    overwrite: Overwrite = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Leave with exit status 3 if the learning did not converge.")
    ] = False,
    disable_plugin: Disabled = [],
) -> None:
    """Learn a feature from texts, evaluate it, draw figures, and rewrite the model. To share the gradients
    between processes, start it with torchrun: `torchrun --nproc-per-node 2 -m gradiend_core run …`."""
    from gradiend_core.gradients.parallel import processes
    from gradiend_core.run.folder import has_run, save_run
    from gradiend_core.run.planning import TimeTold, disk_shortage, memory_plan, shortage
    from gradiend_core.run.session import Session

    kind, file = _kind_or_file(what)
    session = Session(
        kind,
        run_file=file,
        model=model,
        texts=texts,
        seed=seed,
        settings=settings,
        classes=names(classes),
        disable_plugins=disable_plugin,
    )
    for state in session.plugins.failed:
        print(
            f"warning: plugin {state.name!r} of {state.distribution} {state.version} is left out:"
            f" {state.cause}",
            file=sys.stderr,
        )
    with suppress(ModelError):  # a model that cannot be loaded without weights may be loaded with them
        if needed := memory_plan(session):
            print(needed.summary(), flush=True)
            for problem in (shortage(needed), disk_shortage(needed, output or Path("runs"))):
                if problem:
                    print(f"warning: {problem}", file=sys.stderr)
    with processes() as first, TemporaryDirectory() as elsewhere:
        chosen = output or default_output(session)
        finished = not overwrite and has_run(chosen, session)
        session.runner.listeners.append(TimeTold(session, shown=first))
        folder = save_run(session, chosen if first else Path(elsewhere, "run"), overwrite=overwrite)
        if first and finished:
            print(
                f"{folder} has this run already, finished; to make it again, give another --output, or"
                " --overwrite"
            )
        elif first:
            print("\n".join(summary(session, folder)))
        if strict and not session.converged:
            count, threshold = session.config.seeds.convergent, session.config.seeds.threshold
            if first:
                print(
                    f"error: fewer than {count} random seeds reached a validation correlation of"
                    f" {threshold:g} (seeds.convergent, seeds.threshold)",
                    file=sys.stderr,
                )
            raise typer.Exit(3)


def plan(
    what: Annotated[
        str,
        typer.Argument(
            metavar="PARADIGM|FILE.toml|RUN", help="A feature paradigm, a run file, or a run to repeat."
        ),
    ],
    model: Annotated[
        str | None, typer.Option(help="A named model, a folder or a hub id; only its config is read.")
    ] = None,
    classes: Annotated[str | None, typer.Option(metavar="ONE,OTHER", help="The two classes.")] = None,
    settings: Annotated[
        list[str], typer.Option("--set", metavar="PATH=VALUE", help="Like selector.kind=random; repeatable.")
    ] = [],
) -> None:
    """Estimate the memory of a run, stage by stage, without reading weights or texts."""
    from gradiend_core.language.gguf import described, gguf_file
    from gradiend_core.run.planning import memory_plan, shortage
    from gradiend_core.run.session import Session

    kind, run_file = _kind_or_file(what)
    session = Session(kind, run_file=run_file, model=model, settings=settings, classes=names(classes))
    memory = memory_plan(session)
    if memory is None:
        raise ConfigError(
            "the memory of this run cannot be planned: its source, scope or learner does not say what it"
            " needs"
        )
    if file := gguf_file(session.setup.model.folder):
        print(f"GGUF file with {described(file)}; its weights are taken as plain numbers")
    print("\n".join(memory.lines()))
    if problem := shortage(memory):
        print(f"warning: {problem}", file=sys.stderr)


def data(
    what: Annotated[
        str,
        typer.Argument(
            metavar="PARADIGM|FILE.toml|RUN", help="A feature paradigm, a run file, or a run to repeat."
        ),
    ],
    texts: Annotated[str | None, typer.Option(help="A named text, a file, a folder or hub:ID.")] = None,
    classes: Annotated[str | None, typer.Option(metavar="ONE,OTHER", help="The classes.")] = None,
    output: Annotated[Path | None, typer.Option(help="Output folder; without it nothing is written.")] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show some pairs of the first 20,000 texts; write nothing.")
    ] = False,
    tokenizer: Annotated[str | None, typer.Option(help="A model; counts the tokens of each word.")] = None,
    table: Annotated[str, typer.Option(help="Write the pairs as a table too: csv or parquet.")] = "",
    annotate: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Write the probability of both fillers by this model, too."),
    ] = None,
    settings: Annotated[
        list[str], typer.Option("--set", metavar="PATH=VALUE", help="Like data.balance=try; repeatable.")
    ] = [],
    seed: Annotated[int | None, typer.Option(help="Random seed.  [default: 0]")] = None,
    overwrite: Overwrite = False,
    disable_plugin: Disabled = [],
) -> None:
    """Make minimal pairs from texts and audit them, without a model."""
    from gradiend_core.config.runfile import gather, general_settings, resolve_data, suit
    from gradiend_core.data.audit import audit
    from gradiend_core.plugins.manager import Plugins
    from gradiend_core.run.data import DataMaker
    from gradiend_core.run.data_folder import save_data
    from gradiend_core.run.session import Session

    if preview == (output is not None):
        raise ConfigError("give either --output FOLDER, or --preview to see some pairs first")
    if preview and (table or annotate):
        raise ConfigError(
            "--table and --annotate write files, and --preview writes none; give --output FOLDER"
        )
    kind, file = _kind_or_file(what)
    tables = {"data": {"max_texts": PREVIEW}} if preview else {}
    top = {"texts": texts, "seed": seed, "disable_plugins": disable_plugin or None}
    given = gather(kind, file, names(classes), settings, tables, top)
    registry = Plugins.discover(general_settings(given).disable_plugins).registry
    resolved = suit(given, registry)
    run = DataMaker(registry, general_settings(resolved), *resolve_data(resolved, registry))
    loaded = _tokenizer(tokenizer, registry)
    model = Session(run_file={**given, "model": annotate}).setup.model if annotate else None
    if output is None:
        pairs = run.pairs()
        audited = audit(pairs, loaded)
    else:
        probabilities = model.filler_probabilities if model else None
        pairs, audited = save_data(
            run, output, loaded, table=table, annotate=probabilities, overwrite=overwrite
        )
    _print_data(pairs, audited, preview=preview)
    if output is not None:
        print(f"\nwritten to {output}; learn from it with: gradiend run {output / 'run.toml'} --model MODEL")


def _print_data(pairs: PairData, audited: Mapping[str, Table], *, preview: bool) -> None:
    """Prints what happened to the texts, the classes, the words of several tokens, and some pairs."""
    from gradiend_core.run.data_folder import markdown

    print("\n".join([*pairs.funnel.lines(), *(f"warning: {warning}" for warning in pairs.funnel.warnings)]))
    print("\n" + markdown(audited["classes"]))
    if "tokens" in audited:
        rows = audited["tokens"].records()
        several = [f"{row['word']} ({row['pieces']})" for row in rows if row["tokens"] != 1]
        print(f"\nwords of several tokens: {', '.join(several) or 'none'}")
    for name in pairs.classes if preview else ():
        shown = [pair for pair in pairs.pairs if pair.factual_class == name][:SHOWN]
        print("\n" + "\n".join(f"{name} → {pair.alternative_class}: {_marked(pair)}" for pair in shown))


def _kind_or_file(what: str) -> tuple[str | None, str | None]:
    """The paradigm's name, or a run file. A finished run's own run file repeats that run, and the user is
    told which packages have another version now."""
    from gradiend_core.run.folder import MARKER, read_record
    from gradiend_core.storage.hub import is_on_hub, local_folder
    from gradiend_core.storage.manifest import is_sealed

    folder = local_folder(what)
    if not is_on_hub(what) and not (folder / MARKER).is_file():
        return (None, what) if what.endswith(".toml") else (what, None)
    if is_on_hub(what) or is_sealed(folder):
        for line in read_record(folder).provenance.other_versions():
            print(f"warning: {what}: {line}", file=sys.stderr)
    return None, str(folder / MARKER)


def _tokenizer(name: str | None, registry: Registry) -> Any:
    if name is None:
        return None
    from transformers import AutoTokenizer

    from gradiend_core.roles.kinds import MODEL

    folder = str(registry.build(MODEL, name)) if registry.has(MODEL, name) else name
    try:
        return AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise ModelError(f"no tokenizer can be loaded from {name!r}: {str(error).splitlines()[0]}") from error


def _marked(pair: MinimalPair) -> str:
    left = pair.left if len(pair.left) <= 60 else f"…{pair.left[-59:]}"
    return f"{left}[{pair.factual} | {pair.alternative}]{pair.right[:60]}".replace("\n", " ")


def default_output(run: Run) -> Path:
    """A folder named after the run, with a number where that name is taken by another finished run."""
    from gradiend_core.run.folder import is_free_for

    config = run.config
    model = Path(config.general.model.rstrip("/")).name
    name = f"{config.paradigm.kind}_{model}_{'-'.join(config.paradigm.config.classes) or 'all'}"
    for number in count(1):
        folder = Path("runs") / (name if number == 1 else f"{name}-{number}")
        if is_free_for(folder, run):
            break
    return folder


def summary(run: Run, folder: Path) -> list[str]:
    """The run in a few lines: its findings, then its numbers."""
    record, lines = run.record, list[str]()
    for title, sentences in run.findings.items():
        if sentences:
            lines += [title, *(f"  {sentence}" for sentence in sentences), ""]
    lines += [*record.funnel.lines(), *(record.source_report.lines if record.source_report else ())]
    for _, feature, reports in run.by_axis():
        first, second = feature.classes
        lines.append(f"{first} (+1) against {second} (−1) in {run.config.general.model}")
        lines += [line for report in run.in_order(reports) for line in report.lines]
        if (last := feature.training[-1:]) and last[0].pairs:
            lines.append(
                f"learned   from {last[0].pairs:,} pairs, whose halves agree by {1 - last[0].loss:.2f}"
                " (cosine)"
            )
    lines += [f"warning: {warning}" for warning in run.warnings]
    seconds = ", ".join(f"{name} {value:.1f}" for name, value in record.timing.items())
    return [*lines, f"seconds   {seconds}; total {sum(record.timing.values()):.1f}", f"written to {folder}"]
