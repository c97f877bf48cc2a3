"""Finished runs side by side: their features' weights, and what each encoder reads of the others' texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from gradiend_core.data_folder import read_pairs
from gradiend_core.errors import ConfigError, GradiendError, StorageError
from gradiend_core.plugins.manager import Plugins
from gradiend_core.records.pair import MinimalPair, code_of
from gradiend_core.records.report import Report
from gradiend_core.records.run import ComparisonSettings
from gradiend_core.run_folder import FORMATS, load_run, seed_features
from gradiend_core.session import Session
from gradiend_core.storage.files import PART, claimed, fresh_folder, write_csv, write_json
from gradiend_core.storage.manifest import expect_whole, seal, unseal

if TYPE_CHECKING:
    from gradiend_core.comparison.report import Reading
    from gradiend_core.comparison.tables import Compared

MARKER, RESULTS = "comparison.json", "results.json"


@frozen(eq=False)
class FinishedRun:
    """A run that is to be compared, by the name that its features shall have."""

    name: str
    folder: Path
    session: Session


def compare_runs(
    runs: Mapping[str, str | Path] | Sequence[str | Path],
    settings: ComparisonSettings | None = None,
    *,
    memo: dict[str, Any] | None = None,
) -> Report:
    """The comparison of the features of some finished runs, with the tables of
    `comparison.report.compare_features`. Each model is loaded once, and each encoder reads the test pairs of
    all runs of its model in one pass. Raises ConfigError for fewer than two features, and StorageError for
    what is no finished run."""
    from gradiend_core.comparison.report import compare_features

    settings = settings or ComparisonSettings()
    opened = _opened(runs, memo if memo is not None else {})
    models = _model_names(opened)
    features, pairs = _features(opened, models)
    if len(features) < 2:
        raise ConfigError(
            f"a comparison has two features at least, and here {'is one' if features else 'are none'}"
        )
    readings, warnings = _readings(opened, models, features, pairs, settings.max_pairs)
    report = compare_features(features, settings, readings)
    return Report(report.name, report.metrics, report.tables, tuple(warnings), report.lines)


def save_comparison(report: Report, output: str | Path, plugins: Plugins | None = None) -> Path:
    """comparison.json, its tables as tables/*.csv, and every comparison figure."""
    output = Path(output)
    with claimed(output, MARKER):
        unseal(output)
        write_json(output / MARKER, {**report.nested(), "warnings": list(report.warnings)})
        for name, table in report.tables.items():
            write_csv(output / "tables" / f"{name}.csv", table.columns, table.rows)
        with fresh_folder(output / "figures") as place:
            for name, figure in comparison_figures(report, plugins):
                for suffix in FORMATS:
                    figure.savefig(place / f"{name}.{suffix}", dpi=150)
        seal(output)
    return output


def comparison_figures(report: Report, plugins: Plugins | None = None) -> Iterator[tuple[str, Any]]:
    """Each figure that the comparison allows, as (name, matplotlib Figure)."""
    registry = (plugins or Plugins.discover()).registry
    for name in registry.names("comparison-figures"):
        figure = registry.get("comparison-figures", name).build().draw(report)
        if figure is not None:
            yield name, figure


def _opened(runs: Mapping[str, str | Path] | Sequence[str | Path], memo: dict[str, Any]) -> list[FinishedRun]:
    if not isinstance(runs, Mapping):
        folders = [Path(each) for each in runs]
        names = [folder.name for folder in folders]
        unclear = len(set(names)) < len(names)
        runs = {(str(folder) if unclear else folder.name): folder for folder in folders}
    plugins = Plugins.discover()
    return [
        FinishedRun(name, Path(folder), load_run(folder, plugins=plugins, memo=memo))
        for name, folder in runs.items()
    ]


def _model_names(opened: Sequence[FinishedRun]) -> dict[str, str]:
    """For each run the model that it is of: as it was named, and with its fingerprint where one name means
    two models. Runs that read gradients in other ways are of different models here."""
    about = {
        each.name: (each.session.expected.get("model_fingerprint", ""), repr(each.session.config.source))
        for each in opened
    }
    known: dict[str, list[tuple[str, str]]] = {}
    for each in opened:
        ways = known.setdefault(each.session.config.general.model, [])
        if about[each.name] not in ways:
            ways.append(about[each.name])
    found = {}
    for each in opened:
        name, own = each.session.config.general.model, about[each.name]
        found[each.name] = name if len(known[name]) == 1 else f"{name} ({known[name].index(own) + 1})"
    return found


def _features(
    opened: Sequence[FinishedRun], models: Mapping[str, str]
) -> tuple[list[Compared], dict[str, tuple[list[MinimalPair], list[MinimalPair]]]]:
    """The features, and for each the test pairs of its two classes."""
    from gradiend_core.comparison.tables import Compared

    features, pairs = [], {}
    for each in opened:
        expect_whole(each.folder, "pairs.jsonl")
        test = [pair for pair in read_pairs(each.folder) if pair.split == "test"]
        own = each.session.features
        for axis, feature in enumerate(own):
            name = f"{each.name}.{feature.classes[0]}" if len(own) > 1 else each.name
            seeds = (feature, *seed_features(each.folder, each.session, axis))
            null = each.session.config.learner.kind == "shuffled"
            features.append(Compared(name, seeds, models[each.name], each.session.config.general.poles, null))
            first, second = (
                [pair for pair in test if code_of(pair, feature.classes) == sign] for sign in (1.0, -1.0)
            )
            pairs[name] = first, second
    return features, pairs


def _readings(
    opened: Sequence[FinishedRun],
    models: Mapping[str, str],
    features: Sequence[Compared],
    pairs: Mapping[str, tuple[list[MinimalPair], list[MinimalPair]]],
    most: int,
) -> tuple[dict[str, Reading], list[str]]:
    """For each model all test pairs made ready once, at most so many of each class of those that it takes;
    and why some model has none."""
    from gradiend_core.comparison.report import Reading

    readings, warnings = {}, []
    for model in dict.fromkeys(models.values()):
        run = next(each.session for each in opened if models[each.name] == model)
        if hasattr(run.source, "fit"):
            warnings.append(
                f"features of {model} do not read each other's texts: each run has a source that it fitted"
                " for itself"
            )
            continue
        own = [each.name for each in features if each.model == model]
        wanted = list(dict.fromkeys(pair for name in own for side in pairs[name] for pair in side))
        try:
            examples = run.source.prepare(wanted, run.loaded.tokenizer, run.loaded.model)
        except GradiendError as error:
            warnings.append(f"features of {model} do not read each other's texts: {error}")
            continue
        places = {pair: row for row, pair in enumerate(examples.pairs)}
        rows = {
            name: [row for side in pairs[name] for row in [places[p] for p in side if p in places][:most]]
            for name in own
        }
        scope = next(each.seeds[0].scope for each in features if each.model == model)
        readings[model] = Reading(run.gradients_over(scope), examples, rows)
    return readings, warnings


def runs_in(folders: Sequence[Path]) -> dict[str, Path]:
    """Finished runs by name: folders that are one, and all that are inside of folders that are not, such as a
    suite's."""
    found: dict[str, Path] = {}
    for folder in folders:
        found_there = (
            path.parent for path in sorted(folder.rglob(RESULTS)) if not path.parent.name.startswith(PART)
        )
        inside = [folder] if (folder / RESULTS).is_file() else [*found_there]
        if not inside:
            raise StorageError(f"{folder} holds no finished run, and no folder with one")
        for each in inside:
            name = each.name if each.name not in found else str(each)
            found[name] = each
    return found
