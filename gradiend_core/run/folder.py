"""A run as a folder.

run.toml         the resolved run; `gradiend run run.toml` repeats it
results.json     every number, by path
record.json      what the run was made from and went through
reports/         each evaluator's report, whole
pairs.jsonl      the minimal pairs
neutral.jsonl    neutral text
audit/           classes, words, lengths, what was dropped and why (audit.md in short)
training.csv     the training record
feature/         the learned feature
seeds/N/         with several seeds, the feature of each
tables/*.csv     what figures show
figures/         PNG, PDF and SVG
rewritten/CLASS/ models for from_pretrained
checkpoint/      while a run is under way, what it resumes from
manifest.json    last of all: the checksum of each file

With more than two classes the names of what belongs to one axis begin with its class: 3PL_feature/, …
"""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any

from attrs import asdict, evolve, fields

from gradiend_core import hookspecs
from gradiend_core.config.runfile import NOTE, SEVERAL, read_run_file, written
from gradiend_core.errors import ConfigError, StorageError
from gradiend_core.gradients import parallel
from gradiend_core.language.rewritten import RewrittenModel
from gradiend_core.records.feature import TrainingRow
from gradiend_core.records.provenance import Provenance
from gradiend_core.run.card import model_card
from gradiend_core.run.data_folder import write_audit, write_pairs
from gradiend_core.run.drawing import save_figure
from gradiend_core.run.run import Run
from gradiend_core.run.runner import Listener, Runner
from gradiend_core.run.state import RunRecord
from gradiend_core.storage.features import save_feature
from gradiend_core.storage.files import write_csv, write_json, write_text
from gradiend_core.storage.folders import claimed, clear, expect_free, files_added
from gradiend_core.storage.manifest import MANIFEST, damage, expect_whole, is_sealed, not_as_written, sealed
from gradiend_core.storage.reports import load_record, save_record, save_report, save_tables

MARKER = "run.toml"
RESULTS, RECORD, REPORTS = "results.json", "record.json", "reports"


def save_run(run: Run, output: str | Path, *, overwrite: bool = False) -> Path:
    """Runs every stage and writes its result as soon as it exists; results.json and the manifest come last. A
    folder that already has this run stays as it is, and an interrupted run continues. Raises StorageError
    where the folder has another run, or where another process is writing. With `overwrite` another run is
    replaced, unless the user changed files in it."""
    output = Path(output)
    with claimed(output, MARKER):
        if is_sealed(output) and not overwrite and _is_this(run, output):
            shutil.rmtree(
                output / "checkpoint", ignore_errors=True
            )  # of a process killed between seal and end
            return output
        if is_sealed(output) or not _goes_on(run, output, overwrite=overwrite):
            expect_free(output, overwrite=True)
            run.runner.loaded(), run.runner.data()  # nothing is removed for a run that cannot begin
            clear(output)
        with sealed(output, without="checkpoint"):
            _save(run, output)
        shutil.rmtree(output / "checkpoint", ignore_errors=True)
    run.plugins.tell(hookspecs.gradiend_run_finished, output=output)
    return output


def _save(run: Run, output: Path) -> None:
    (output / RESULTS).unlink(missing_ok=True)
    write_text(output / MARKER, written(run.config, {}))
    with files_added(output / "figures") as figures:
        writer = FolderWriter(run, output, figures)
        run.runner.checkpoints = output / "checkpoint" if parallel.count() == 1 else None
        run.runner.listeners.append(writer)
        try:
            writer.catch_up()
            run.runner.run()
        finally:
            run.runner.listeners.remove(writer)
    write_text(output / MARKER, written(run.config, _note(run.provenance)))
    save_record(run.record, output / RECORD)
    write_json(output / RESULTS, run.results())


class FolderWriter(Listener):
    """Writes the results of a runner's stages to the folder of the run."""

    def __init__(self, run: Run, output: Path, figures: Path) -> None:
        self.run, self.output, self.figures = run, output, figures

    def catch_up(self) -> None:
        """Writes the results of stages that were finished before the folder existed."""
        for field in fields(type(self.run.runner.state)):
            if getattr(self.run.runner.state, field.name) is not None:
                self.stage_finished(field.name, self.run.runner)

    def stage_finished(self, stage: str, runner: Runner) -> None:
        output = self.output
        if stage == "data":
            write_pairs(runner.data(), output)
        elif stage == "prepared":
            write_audit(runner.data(), output, runner.loaded().tokenizer)
        elif stage == "features":
            provenance = runner.provenance()
            columns = [field.name for field in fields(TrainingRow)]
            for feature in runner.features():
                prefix = runner.prefix(feature)
                rows = [list(asdict(row).values()) for row in feature.training]
                write_csv(output / f"{prefix}training.csv", columns, rows)
                save_feature(feature, output / f"{prefix}feature", provenance, overwrite=True)
            for run in runner.seeds() if len(runner.seeds()) > 1 else ():
                for feature in run.features:
                    folder = output / "seeds" / str(run.seed) / f"{runner.prefix(feature)}feature"
                    save_feature(feature, folder, provenance, overwrite=True)
        elif stage == "reports":
            write_reports(self.run, output)

    def model_rewritten(self, rewritten: RewrittenModel, axis: int, runner: Runner) -> None:
        card = model_card(self.run, rewritten.toward, rewritten.update)
        with runner.clock.timed("rewriting"):
            rewritten = evolve(rewritten, files={"README.md": card})
            rewritten.save_pretrained(self.output / "rewritten" / rewritten.toward, overwrite=True)

    def figure_drawn(self, name: str, figure: Any) -> None:
        save_figure(figure, self.figures, name, self.run.config.figures)


def write_reports(run: Run, output: Path) -> None:
    """Writes reports/NAME.json, and the tables as tables/*.csv."""
    for prefix, _, reports in run.by_axis():
        for kind, report in reports.items():
            save_report(report, output / REPORTS / f"{prefix}{kind}.json")
            save_tables(report, output, prefix)


def has_run(folder: Path, run: Run) -> bool:
    """Whether the folder has a finished run with the settings of this one; it may have further
    evaluations."""
    if damage(folder, among=RESULTS):
        return False
    there, asked = _settings(folder), _asked(run)
    for several in SEVERAL:
        written_there, wanted = there.pop(several, {}), asked.pop(several)
        if any(written_there.get(kind) != wanted[kind] for kind in wanted["kinds"]):
            return False
    return there == asked


def is_free_for(folder: Path, run: Run) -> bool:
    """Whether this run may be written there: the folder is empty, or holds this run, finished or not."""
    if not folder.exists() or has_run(folder, run):
        return True
    try:
        return not is_sealed(folder) and _settings(folder) == _asked(run)
    except ConfigError:  # no run file
        return not any(folder.iterdir())


def read_record(folder: Path) -> RunRecord:
    """The record of a finished run. Raises StorageError where the folder does not hold one."""
    if not is_sealed(folder):
        raise StorageError(
            f"{folder} holds no finished run ({MANIFEST} is missing); give the command of the run again"
        )
    expect_whole(folder, RECORD)
    return load_record(RunRecord, folder / RECORD)


def _settings(folder: Path) -> dict[str, Any]:
    """The settings of the run in a folder. Raises ConfigError where they cannot be read."""
    return {key: value for key, value in read_run_file(folder / MARKER).items() if key != NOTE}


def _asked(run: Run) -> dict[str, Any]:
    return {key: value for key, value in tomllib.loads(written(run.config, {})).items() if key != NOTE}


def _note(provenance: Provenance) -> dict[str, Any]:
    return {**asdict(provenance), "plugins": list(provenance.plugins)}


def _goes_on(run: Run, folder: Path, *, overwrite: bool) -> bool:
    """Whether an unfinished folder belongs to this run. A folder that only has its data is replaced; raises
    StorageError where another run was learning, unless it may be overwritten."""
    if not (folder / MARKER).exists() or _settings(folder) == _asked(run):
        return True
    if not overwrite and any((folder / name).exists() for name in ("checkpoint", "training.csv", REPORTS)):
        raise StorageError(
            f"{folder} holds an unfinished run with other settings; give another --output, or --overwrite it"
        )
    return False


def _is_this(run: Run, folder: Path) -> bool:
    """Whether the finished run in the folder is this one, made from the same texts and weights. False where a
    file of it is missing and nothing else is wrong, so that it is made again; raises StorageError for another
    run."""
    if not has_run(folder, run):
        if _settings(folder) == _asked(run) and not not_as_written(folder):
            return False
        raise StorageError(
            f"{folder} holds a finished run with other settings, or one that was changed; give another"
            " --output, or --overwrite it"
        )
    there = asdict(read_record(folder).provenance)
    for name, value in asdict(run.provenance).items():
        if name.endswith("_fingerprint") and there[name] != value:
            raise StorageError(
                f"{folder} holds a finished run of the same settings whose {name.replace('_', ' ')} is"
                f" {there[name]}, and this one's is {value}; give another --output, or --overwrite it"
            )
    return True
