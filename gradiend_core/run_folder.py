"""A run as a folder.

run.toml         the resolved run; `gradiend run run.toml` repeats it
results.json     every number, by path
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

import json
import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from gradiend_core.config.runfile import NOTE, SEVERAL, read_run_file, written
from gradiend_core.data_folder import write_audit, write_pairs
from gradiend_core.errors import ConfigError, StorageError
from gradiend_core.exporting import model_card
from gradiend_core.gradients import parallel
from gradiend_core.learning.seeds import SeedRun
from gradiend_core.plugins.manager import Plugins
from gradiend_core.records.feature import LearnedFeature, TrainingRow
from gradiend_core.records.report import Metric, Report
from gradiend_core.rewriting.model import RewrittenModel
from gradiend_core.session import Session
from gradiend_core.storage.features import load_feature, save_feature
from gradiend_core.storage.files import (
    MALFORMED,
    claimed,
    fresh_folder,
    read_json,
    write_csv,
    write_json,
    write_text,
)
from gradiend_core.storage.manifest import MANIFEST, damage, expect_whole, is_sealed, revised, seal
from gradiend_core.storage.tables import COLUMNS, load_tables, save_tables

MARKER = "run.toml"
FORMATS = ("png", "pdf", "svg")


def save_run(session: Session, output: str | Path) -> Path:
    """Runs every stage and writes what each gave as soon as it is there; results.json and the seal come last.

    A folder that has this very run already stays as it is. Raises StorageError where it has another finished
    run, which is never overwritten, or where another process is writing."""
    output = Path(output)
    with claimed(output, MARKER):
        if is_sealed(output):
            _expect_this(session, output)
            shutil.rmtree(
                output / "checkpoint", ignore_errors=True
            )  # where a process was killed between seal and end
            return output
        _save(session, output)
    session.plugins.tell("gradiend_run_finished", output=output)
    return output


def has_run(folder: Path, session: Session) -> bool:
    """Whether the folder has a finished run by the settings of this session; it may have been evaluated
    further."""
    if damage(folder, among="results.json"):
        return False
    there, asked = _settings(folder), _asked(session)
    for several in SEVERAL:
        own, wanted = there.pop(several, {}), asked.pop(several)
        if any(own.get(kind) != wanted[kind] for kind in wanted["kinds"]):
            return False
    return there == asked


def _settings(folder: Path) -> dict[str, Any]:
    """What the run of a folder was asked for; raises ConfigError where that cannot be read."""
    return {key: value for key, value in read_run_file(folder / MARKER).items() if key != NOTE}


def _asked(session: Session) -> dict[str, Any]:
    return {key: value for key, value in tomllib.loads(written(session.config, {})).items() if key != NOTE}


def _expect_this(session: Session, folder: Path) -> None:
    """Raises StorageError unless the finished run of the folder is this one, made of the same texts and
    weights."""
    if not has_run(folder, session):
        raise StorageError(
            f"{folder} holds a finished run with other settings; give another --output, or remove it first"
        )
    there = _results(folder).get("provenance", {})
    for name, value in attrs.asdict(session.provenance).items():
        if name.endswith("_fingerprint") and there.get(name) != value:
            raise StorageError(
                f"{folder} holds a finished run of the same settings whose {name.replace('_', ' ')} is"
                f" {there.get(name)}, and this one's is {value}; give another --output, or remove it first"
            )


def _save(session: Session, output: Path) -> None:
    try:
        same = _settings(output) == _asked(session)
    except ConfigError:  # there is none yet
        same = False
    if not same:
        for name in (
            "audit",
            "tables",
            "figures",
            "rewritten",
            "seeds",
            "checkpoint",
        ):  # of another run that was not finished
            shutil.rmtree(output / name, ignore_errors=True)
    (output / "results.json").unlink(missing_ok=True)
    write_text(output / MARKER, written(session.config, {}))
    session.checkpoints = output / "checkpoint" if parallel.count() == 1 else None
    write_pairs(session.data, output)
    write_audit(session.data, output, session.loaded.tokenizer)
    columns = [field.name for field in attrs.fields(TrainingRow)]
    for feature in session.features:
        prefix = session.prefix(feature)
        write_csv(
            output / f"{prefix}training.csv",
            columns,
            [list(attrs.asdict(row).values()) for row in feature.training],
        )
        save_feature(feature, output / f"{prefix}feature", session.provenance)
    for run in session.seed_runs if len(session.seed_runs) > 1 else ():
        for feature in run.features:
            save_feature(
                feature,
                output / "seeds" / str(run.seed) / f"{session.prefix(feature)}feature",
                session.provenance,
            )
    for prefix, _, reports in session.by_axis():
        for report in reports.values():
            save_tables(output, prefix, report)
    if "decoder" in session.reports:
        for toward in session.goals():
            _save_rewritten(session, toward, output / "rewritten" / toward)
    with fresh_folder(output / "figures") as place:
        for name, figure in session.figures():
            for suffix in FORMATS:
                figure.savefig(place / f"{name}.{suffix}", dpi=150)
    provenance = attrs.asdict(session.provenance)
    write_text(
        output / MARKER, written(session.config, {**provenance, "plugins": list(provenance["plugins"])})
    )
    write_json(output / "results.json", session.results())
    seal(output, without="checkpoint")
    shutil.rmtree(output / "checkpoint", ignore_errors=True)


def _save_rewritten(session: Session, toward: str, folder: Path) -> None:
    update = session.update(toward)
    with session.stage("rewriting"), session.model_run.edited(update) as model:
        card = model_card(session, toward, update)
        RewrittenModel(model, session.loaded.tokenizer, update, toward, card).save_pretrained(folder)
    session.plugins.tell("gradiend_model_rewritten", update=update)


def load_run(
    folder: str | Path,
    settings: Sequence[str] = (),
    *,
    plugins: Plugins | None = None,
    memo: dict[str, Any] | None = None,
) -> Session:
    """A finished run as a session whose feature and reports are those of the folder, so that nothing is
    learned again.

    Models can be rewritten from it, also with another learning rate; the texts are read only if something
    needs them. Texts and models that are no longer those of the run are refused with StorageError. The other
    arguments are those of `Session`.
    """
    folder = Path(folder)
    results = _results(folder)
    expect_whole(folder, MARKER, "tables/")
    session = Session(run_file=folder / MARKER, settings=settings, plugins=plugins, memo=memo)
    session.expected = {
        name: value for name, value in results.get("provenance", {}).items() if name.endswith("_fingerprint")
    }
    by_axis = results.get("axes") or {"": results}
    session.__dict__["features"] = tuple(
        load_feature(folder / (f"{name}_feature" if name else "feature")) for name in by_axis
    )
    session.__dict__["seed_runs"] = (SeedRun(session.features[0].seed, session.features),)
    kinds = [choice.kind for choice in session.config.evaluation]
    session.__dict__["axis_reports"] = tuple(
        _reports(folder, name, found, kinds) for name, found in by_axis.items()
    )
    return session


def evaluate_run(folder: str | Path, kinds: Sequence[str], settings: Sequence[str] = ()) -> Session:
    """More evaluators for a finished run, without learning again; their numbers and tables join those of the
    folder."""
    with claimed(Path(folder), MARKER):
        return _evaluate(Path(folder), kinds, settings)


def _evaluate(folder: Path, kinds: Sequence[str], settings: Sequence[str]) -> Session:
    results, config = _results(folder), read_run_file(folder / MARKER)
    known = [*config.get("evaluation", {}).get("kinds", [])]
    known += [kind for kind in kinds if kind not in known]
    session = load_run(folder, [f"evaluation.kinds={json.dumps(known)}", *settings])
    for axis, (_, _, reports) in enumerate(session.by_axis()):
        session.evaluate(axis, kinds, reports)
        own = results["axes"][session.features[axis].classes[0]] if "axes" in results else results
        own |= {kind: reports[kind].nested() for kind in kinds}
        own["lines"] = {**own.get("lines", {}), **{kind: list(reports[kind].lines) for kind in kinds}}
    results["timing"] |= {
        name: session.timing[name] for name in session.timing if name.startswith("evaluation")
    }
    warnings = [
        each for _, _, reports in session.by_axis() for kind in kinds for each in reports[kind].warnings
    ]
    results["warnings"] = list(dict.fromkeys([*results["warnings"], *warnings]))
    with revised(folder, "results.json") as place:
        (place / "tables").mkdir()
        shutil.copy(folder / "tables" / COLUMNS, place / "tables")
        for prefix, _, reports in session.by_axis():
            for kind in kinds:
                save_tables(place, prefix, reports[kind])
        write_text(place / MARKER, written(session.config, config.get(NOTE, {})))
        write_json(place / "results.json", results)
    return session


def seed_features(folder: Path, session: Session, axis: int) -> tuple[LearnedFeature, ...]:
    """The features of an axis that other seeds have learned, where the run had several."""
    best, name = session.features[axis], f"{session.prefix(session.features[axis])}feature"
    seeds = sorted(int(path.name) for path in (folder / "seeds").glob("*") if path.name.isdigit())
    found = [folder / "seeds" / str(seed) / name for seed in seeds if seed != best.seed]
    return tuple(load_feature(each) for each in found if each.is_dir())


def _results(folder: Path) -> dict[str, Any]:
    if not is_sealed(folder):
        raise StorageError(
            f"{folder} holds no finished run ({MANIFEST} is missing); give the command of the run again"
        )
    expect_whole(folder, "results.json")
    try:
        return read_json(folder / "results.json")
    except (OSError, *MALFORMED) as error:
        raise StorageError(
            f"{folder} holds no finished run: results.json cannot be read ({error})"
        ) from error


def _reports(folder: Path, name: str, found: dict[str, Any], kinds: Sequence[str]) -> dict[str, Report]:
    """The reports of an axis; raises StorageError for results that are none."""
    try:
        return {
            kind: Report(
                kind,
                dict(_metrics((), found[kind])),
                load_tables(folder, name and f"{name}_", kind),
                lines=tuple(map(str, found.get("lines", {}).get(kind, ()))),
            )
            for kind in kinds
            if kind in found
        }
    except MALFORMED as error:
        raise StorageError(
            f"{folder / 'results.json'} has no such reports ({error}); make the run again"
        ) from error


def _metrics(path: tuple[str, ...], values: Any) -> Any:
    """(path, Metric) of nested values; counts stay in the tables they came from."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _metrics((*path, name), value)
        else:
            yield (*path, name), Metric(value, values.get("n") or 0)
