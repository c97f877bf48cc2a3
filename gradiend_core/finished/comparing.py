"""Finished runs side by side: their features' weights, and what each encoder reads in the others' texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from gradiend_core.errors import ConfigError, GradiendError, StorageError
from gradiend_core.plugins.manager import Plugins
from gradiend_core.records.contribution import Trait
from gradiend_core.records.pair import MinimalPair, code_of
from gradiend_core.records.report import Report
from gradiend_core.records.run import ComparisonSettings, FigureSettings
from gradiend_core.roles.abilities import IsFitted
from gradiend_core.roles.kinds import COMPARISON_VISUALIZER, LEARNER
from gradiend_core.run.data_folder import read_pairs
from gradiend_core.run.drawing import drawn, save_figure
from gradiend_core.run.finished import FinishedRun, load_run
from gradiend_core.run.folder import RESULTS
from gradiend_core.storage.files import PART, write_csv, write_json
from gradiend_core.storage.folders import claimed, clear, expect_free, files_added
from gradiend_core.storage.hub import HUB, is_on_hub, local_folder
from gradiend_core.storage.manifest import expect_whole, is_sealed, sealed

if TYPE_CHECKING:
    from gradiend_core.comparison.report import Reading
    from gradiend_core.comparison.tables import Compared

MARKER = "comparison.json"
#: the test pairs of the two classes of a feature
Sides = tuple[list[MinimalPair], list[MinimalPair]]


@frozen(eq=False)
class NamedRun:
    """A finished run, the name of its features in the comparison, and its model. Two runs count as having the
    same model only if each can read the other's texts."""

    name: str
    run: FinishedRun
    model: str = ""


def compare_runs(
    runs: Mapping[str, str | Path] | Sequence[str | Path],
    settings: ComparisonSettings | None = None,
    *,
    memo: dict[str, Any] | None = None,
) -> Report:
    """Compares the features of finished runs, with the tables of `comparison.report.compare_features`. Each
    model is loaded once, and each encoder reads the test pairs of all runs of its model in one pass. Raises
    ConfigError for fewer than two features, and StorageError for a folder that is not a finished run."""
    from gradiend_core.comparison.report import compare_features

    settings = settings or ComparisonSettings()
    named = _with_models(_opened(runs, memo if memo is not None else {}))
    features, pairs = _features(named)
    if len(features) < 2:
        raise ConfigError(
            f"a comparison has two features at least, and here {'is one' if features else 'are none'}"
        )
    readings, warnings = _readings(named, features, pairs, settings.max_pairs)
    report = compare_features(features, settings, readings)
    return evolve(report, warnings=tuple(warnings))


def save_comparison(
    report: Report,
    output: str | Path,
    plugins: Plugins | None = None,
    *,
    figures: FigureSettings | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes comparison.json, the tables as tables/*.csv, and all comparison figures with the options
    `figures`. Raises StorageError where a comparison exists already; with `overwrite` it is replaced."""
    output, settings = Path(output), figures or FigureSettings()
    with claimed(output, MARKER):
        if is_sealed(output):
            expect_free(output, overwrite=overwrite)
            clear(output)
        with sealed(output):
            write_json(output / MARKER, {**report.nested(), "warnings": list(report.warnings)})
            for name, table in report.tables.items():
                write_csv(output / "tables" / f"{name}.csv", table.columns, table.rows)
            with files_added(output / "figures") as folder:
                for name, figure in comparison_figures(report, plugins, settings):
                    save_figure(figure, folder, name, settings)
    return output


def comparison_figures(
    report: Report, plugins: Plugins | None = None, settings: FigureSettings | None = None
) -> Iterator[tuple[str, Any]]:
    """Each figure that the comparison has data for, as (name, matplotlib Figure)."""
    registry = (plugins or Plugins.discover()).registry
    for name in registry.names(COMPARISON_VISUALIZER):
        draw = partial(registry.build(COMPARISON_VISUALIZER, name).draw, report)
        figure = drawn(draw, settings or FigureSettings())
        if figure is not None:
            yield name, figure


def _opened(runs: Mapping[str, str | Path] | Sequence[str | Path], memo: dict[str, Any]) -> list[NamedRun]:
    several = isinstance(runs, (Mapping, Sequence)) and not isinstance(runs, str)
    if not several or not all(isinstance(folder, (str, Path)) for folder in _folders(runs)):
        raise ConfigError(
            f"runs to compare are the folders of finished runs, not {runs!r:.200}; save them first"
        )
    if not isinstance(runs, Mapping):
        folders = [Path(folder) for folder in runs]
        unclear = len({folder.name for folder in folders}) < len(folders)
        runs = {(str(folder) if unclear else folder.name): folder for folder in folders}
    plugins = Plugins.discover()
    return [NamedRun(name, load_run(folder, plugins=plugins, memo=memo)) for name, folder in runs.items()]


def _folders(runs: Mapping[str, str | Path] | Sequence[str | Path]) -> Sequence[str | Path]:
    return list(runs.values()) if isinstance(runs, Mapping) else runs


def _with_models(named: Sequence[NamedRun]) -> list[NamedRun]:
    """The runs with their models, which are named as in the run file, with a number where one name means two
    models. Runs that read gradients in different ways have different models here."""
    known: dict[str, list[tuple[str, str]]] = {}
    for member in named:
        ways = known.setdefault(member.run.config.general.model, [])
        if _way(member.run) not in ways:
            ways.append(_way(member.run))
    result = []
    for member in named:
        name = member.run.config.general.model
        number = known[name].index(_way(member.run)) + 1
        result.append(evolve(member, model=name if len(known[name]) == 1 else f"{name} ({number})"))
    return result


def _way(run: FinishedRun) -> tuple[str, str]:
    """The settings that two runs must share for one to read the other's texts."""
    return run.model_fingerprint, repr(run.config.source)


def _features(named: Sequence[NamedRun]) -> tuple[list[Compared], dict[str, Sides]]:
    """The features, each with the test pairs of its two classes."""
    from gradiend_core.comparison.tables import Compared

    features, pairs = [], {}
    for member in named:
        run = member.run
        expect_whole(run.folder, "pairs.jsonl")
        test = [pair for pair in read_pairs(run.folder) if pair.split == "test"]
        null = Trait.NULL in run.registry.get(LEARNER, run.config.learner.kind).traits
        for axis, feature in enumerate(run.features):
            name = f"{member.name}.{feature.classes[0]}" if len(run.features) > 1 else member.name
            features.append(Compared(name, run.all_seeds(axis), member.model, run.config.general.poles, null))
            first, second = (
                [pair for pair in test if sign * code_of(pair, feature.classes, feature.source) > 0]
                for sign in (1, -1)
            )
            pairs[name] = first, second
    return features, pairs


def _readings(
    named: Sequence[NamedRun], features: Sequence[Compared], pairs: Mapping[str, Sides], most: int
) -> tuple[dict[str, Reading], list[str]]:
    """For each model, all test pairs prepared once, at most `max_per_class` of each class; and the reason
    where a model has none."""
    from gradiend_core.comparison.report import Reading

    readings, warnings = {}, []
    for model in dict.fromkeys(member.model for member in named):
        run = next(member.run for member in named if member.model == model)
        if isinstance(run.source, IsFitted):
            warnings.append(
                f"features of {model} do not read each other's texts: each run has a source that it fitted"
                " for itself"
            )
            continue
        names = [feature.name for feature in features if feature.model == model]
        wanted = list(dict.fromkeys(pair for name in names for side in pairs[name] for pair in side))
        try:
            examples = run.source.prepare(wanted, run.loaded.tokenizer, run.loaded.model)
        except GradiendError as error:
            warnings.append(f"features of {model} do not read each other's texts: {error}")
            continue
        row_of = {pair: row for row, pair in enumerate(examples.pairs)}
        rows = {
            name: [
                row
                for side in pairs[name]
                for row in [row_of[pair] for pair in side if pair in row_of][:most]
            ]
            for name in names
        }
        scope = next(feature.seeds[0].scope for feature in features if feature.model == model)
        readings[model] = Reading(run.gradients_over(scope), examples, rows)
    return readings, warnings


def runs_in(folders: Sequence[str | Path]) -> dict[str, Path]:
    """Finished runs by name: each folder that is a run, and all runs inside the other folders, such as a
    suite's."""
    runs: dict[str, Path] = {}
    for name in folders:
        if is_on_hub(name):
            runs[str(name).removeprefix(HUB)] = local_folder(name)
            continue
        folder = Path(name)
        within = (
            path.parent for path in sorted(folder.rglob(RESULTS)) if not path.parent.name.startswith(PART)
        )
        folders_of_runs = [folder] if (folder / RESULTS).is_file() else [*within]
        if not folders_of_runs:
            raise StorageError(f"{folder} holds no finished run, and no folder with one")
        for run in folders_of_runs:
            runs[run.name if run.name not in runs else str(run)] = run
    return runs
