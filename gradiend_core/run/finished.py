"""A finished run, read from its folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import evolve

from gradiend_core.config.runfile import NOTE, read_run_file, written
from gradiend_core.errors import ConfigError, StorageError
from gradiend_core.learning.seeds import SeedRun
from gradiend_core.plugins.manager import Plugins
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.pair import MinimalPair
from gradiend_core.records.provenance import Provenance
from gradiend_core.records.report import Reports
from gradiend_core.run.data_folder import read_pairs
from gradiend_core.run.folder import MARKER, RECORD, REPORTS, RESULTS, read_record, write_reports
from gradiend_core.run.run import Run
from gradiend_core.run.runner import Listener, Runner
from gradiend_core.run.setup import Setup, make_setup
from gradiend_core.run.state import RunRecord, RunState
from gradiend_core.storage.features import load_feature
from gradiend_core.storage.files import write_json, write_text
from gradiend_core.storage.folders import claimed
from gradiend_core.storage.hub import HUB, is_on_hub, local_folder
from gradiend_core.storage.manifest import expect_whole, revised
from gradiend_core.storage.reports import load_report, save_record


class FinishedRun(Run):
    """A run whose features and reports are read from its folder, so that nothing is learned again. Models can
    be rewritten from it, also with another learning rate. Texts and model are read only when something needs
    them; StorageError is raised where they are no longer those of the run."""

    def __init__(self, folder: Path, record: RunRecord, runner: Runner) -> None:
        super().__init__(runner)
        self.folder, self._record = folder, record

    @property
    def record(self) -> RunRecord:
        """What the run was made from and how it went, as saved."""
        return self._record

    @property
    def provenance(self) -> Provenance:
        """Where the results come from."""
        return self._record.provenance

    @property
    def model_fingerprint(self) -> str:
        """A hash of the weights of the run's model, without reading the model."""
        return self._record.provenance.model_fingerprint

    @property
    def pairs(self) -> Sequence[MinimalPair]:
        expect_whole(self.folder, "pairs.jsonl")
        classes = {name for axis in self._record.axes for name in axis}
        pairs = read_pairs(self.folder)
        return [pair for pair in pairs if pair.factual_grade is not None or pair.factual_class in classes]

    def all_seeds(self, axis: int) -> tuple[LearnedFeature, ...]:
        """The features of an axis, the best seed's first."""
        best = self.features[axis]
        others = [run.features[axis] for run in self.seed_runs if run.features and run.seed != best.seed]
        return (best, *others)


class ExpectedInputs(Listener):
    """Refuses texts and models other than those that a finished run was made from."""

    def __init__(self, provenance: Provenance) -> None:
        self.provenance = provenance

    def stage_finished(self, stage: str, runner: Runner) -> None:
        general = runner.setup.config.general
        if stage == "data":
            fingerprint, expected = runner.data().fingerprint(), self.provenance.data_fingerprint
            what = f"the pairs from {general.texts!r}"
        elif stage == "loaded":
            fingerprint, expected = runner.loaded().fingerprint, self.provenance.model_fingerprint
            what = f"the weights of {general.model!r}"
        else:
            return
        if fingerprint != expected:
            raise StorageError(
                f"{what} are not those that the run was made from ({fingerprint}, and were {expected}); make"
                " the run again"
            )


def load_run(
    folder: str | Path,
    settings: Sequence[str] = (),
    *,
    plugins: Plugins | None = None,
    memo: dict[str, Any] | None = None,
) -> FinishedRun:
    """The finished run in a folder, or on the hub ("hub:OWNER/NAME"). `settings` override those of its run
    file; `plugins` and `memo` are as in `Session`. Raises StorageError where the folder holds no finished
    run, or one of its files was changed."""
    folder = local_folder(folder)
    record = read_record(folder)
    expect_whole(folder, MARKER, f"{REPORTS}/")
    setup = make_setup(top={}, run_file=folder / MARKER, settings=settings, plugins=plugins, memo=memo)
    prefixes = [f"{first}_" if len(record.axes) > 1 else "" for first, _ in record.axes]
    features = tuple(load_feature(folder / f"{prefix}feature") for prefix in prefixes)
    state = RunState(
        seeds=_seeds(folder, record, features, prefixes),
        features=features,
        reports=tuple(_reports(folder, prefix, setup) for prefix in prefixes),
    )
    return FinishedRun(folder, record, Runner(setup, state, [ExpectedInputs(record.provenance)]))


def evaluate_run(folder: str | Path, kinds: Sequence[str], settings: Sequence[str] = ()) -> FinishedRun:
    """Runs more evaluators on a finished run, without learning again, and adds their reports to the folder.
    Raises ConfigError for evaluators given as a single string."""
    if isinstance(kinds, str):
        raise ConfigError(f"evaluators are a list of names, [{kinds!r}], not one text")
    if is_on_hub(folder):
        raise ConfigError(
            f"{folder} is on the hub, and reports are added to a folder; fetch it with `hf download"
            f" {str(folder).removeprefix(HUB)} --local-dir FOLDER`"
        )
    folder = Path(folder)
    with claimed(folder, MARKER):
        record = read_record(folder)
        table = read_run_file(folder / MARKER)
        configured = list(table.get("evaluators", {}).get("kinds", []))
        configured += [kind for kind in kinds if kind not in configured]
        run = load_run(folder, [f"evaluators.kinds={json.dumps(configured)}", *settings])
        reports = run.evaluate(kinds)
        timing = {
            name: value for name, value in run.runner.clock.seconds.items() if name.startswith("evaluator")
        }
        record = evolve(record, timing=record.timing | timing)
        run.runner.state = evolve(run.runner.state, reports=reports)
        run = FinishedRun(folder, record, run.runner)
        with revised(folder, RESULTS) as fresh:
            write_reports(run, fresh)
            write_text(fresh / MARKER, written(run.config, table.get(NOTE, {})))
            save_record(record, fresh / RECORD)
            write_json(fresh / RESULTS, run.results())
    return run


def _seeds(
    folder: Path, record: RunRecord, features: tuple[LearnedFeature, ...], prefixes: Sequence[str]
) -> tuple[SeedRun, ...]:
    """The result of each seed. The folder of a run with one seed stores its features only once."""
    if len(record.seeds) == 1:
        return (SeedRun(record.seeds[0].seed, features),)
    return tuple(
        SeedRun(
            seed.seed,
            (
                ()
                if seed.problem
                else tuple(
                    load_feature(folder / "seeds" / str(seed.seed) / f"{prefix}feature")
                    for prefix in prefixes
                )
            ),
            seed.problem,
        )
        for seed in record.seeds
    )


def _reports(folder: Path, prefix: str, setup: Setup) -> Reports:
    """The reports of an axis, in the order of the run file."""
    paths = {
        choice.kind: folder / REPORTS / f"{prefix}{choice.kind}.json" for choice in setup.config.evaluators
    }
    return {kind: load_report(path) for kind, path in paths.items() if path.is_file()}
