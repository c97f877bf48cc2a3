"""A run as a folder.

run.toml       the resolved run; `gradiend run run.toml` repeats it       results.json   every number, by path
pairs.jsonl    the minimal pairs        training.csv   the training record        tables/*.csv   what figures show
neutral.jsonl  neutral text             audit/         classes, words, lengths, what was dropped and why (audit.md in short)
feature/       the learned feature      rewritten/CLASS/   models for from_pretrained     figures/   PNG, PDF and SVG
seeds/N/       with several seeds, the feature of each         checkpoint/        while a run is under way, what it resumes from

With more than two classes the names of what belongs to one axis begin with its class: 3PL_feature/, 3PL_training.csv, …
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import attrs
from attrs import evolve

from gradiend_core.config.runfile import written
from gradiend_core.data_folder import write_audit, write_pairs
from gradiend_core.errors import StorageError
from gradiend_core.exporting import model_card
from gradiend_core.learning.seeds import SeedRun
from gradiend_core.records.feature import TrainingRow
from gradiend_core.records.report import Metric, Report
from gradiend_core.session import Session
from gradiend_core.storage.features import load_feature, save_feature
from gradiend_core.storage.files import claim_output, fresh_folder, write_csv, write_json, write_text

MARKER = "run.toml"
FORMATS = ("png", "pdf", "svg")


def save_run(session: Session, output: str | Path) -> Path:
    """Runs every stage and writes what each gave as soon as it is there; results.json comes last."""
    output = Path(output)
    claim_output(output, MARKER)
    (output / "results.json").unlink(missing_ok=True)
    write_text(output / MARKER, written(session.config, {}))
    session.checkpoints = output / "checkpoint"
    write_pairs(session.data, output)
    write_audit(session.data, output, session.loaded.tokenizer)
    columns = [field.name for field in attrs.fields(TrainingRow)]
    for feature in session.features:
        prefix = session.prefix(feature)
        write_csv(output / f"{prefix}training.csv", columns, [list(attrs.asdict(row).values()) for row in feature.training])
        save_feature(feature, output / f"{prefix}feature", session.provenance)
    for run in session.seed_runs if len(session.seed_runs) > 1 else ():
        for feature in run.features:
            save_feature(feature, output / "seeds" / str(run.seed) / f"{session.prefix(feature)}feature", session.provenance)
    for prefix, _, reports in session.by_axis():
        for report in reports.values():
            for name, table in report.tables.items():
                write_csv(output / "tables" / f"{prefix}{report.name}_{name}.csv", table.columns, table.rows)
    if "decoder" in session.reports:
        for toward in session.goals():
            edited = session.rewrite(toward)
            evolve(edited, card=model_card(session, toward, edited.update)).save_pretrained(output / "rewritten" / toward)
    with fresh_folder(output / "figures") as place:
        for name, figure in session.figures():
            for suffix in FORMATS:
                figure.savefig(place / f"{name}.{suffix}", dpi=150)
    provenance = attrs.asdict(session.provenance)
    write_text(output / MARKER, written(session.config, {**provenance, "plugins": list(provenance["plugins"])}))
    write_json(output / "results.json", session.results())
    shutil.rmtree(session.checkpoints, ignore_errors=True)
    session.plugins.tell("gradiend_run_finished", output=output)
    return output


def load_run(folder: str | Path) -> Session:
    """A finished run as a session whose feature and reports are those of the folder, so that nothing is learned again.

    Models can be rewritten from it, also with another learning rate; the texts are read only if something needs them.
    """
    folder = Path(folder)
    session = Session(run_file=folder / MARKER)
    try:
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StorageError(f"{folder} holds no finished run: results.json cannot be read ({error})") from error
    by_axis = results.get("axes") or {"": results}
    session.__dict__["features"] = tuple(load_feature(folder / (f"{name}_feature" if name else "feature")) for name in by_axis)
    session.__dict__["seed_runs"] = (SeedRun(session.features[0].seed, session.features),)
    session.__dict__["axis_reports"] = tuple(
        {choice.kind: Report(choice.kind, dict(_metrics((), found.get(choice.kind, {})))) for choice in session.config.evaluation}
        for found in by_axis.values()
    )
    return session


def _metrics(path: tuple[str, ...], values: Any) -> Any:
    """(path, Metric) of nested values; counts stay in the tables they came from."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _metrics((*path, name), value)
        else:
            yield (*path, name), Metric(value, values.get("n") or 0)
