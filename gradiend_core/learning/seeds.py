"""The same feature with several seeds: does training converge, and does it always find the same feature?"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import frozen

from gradiend_core.errors import LearningError, StorageError
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.run import SeedSettings
from gradiend_core.roles.learner import Learner, LearningTask
from gradiend_core.storage.features import load_feature, save_feature


@frozen(eq=False)
class SeedRun:
    """The result of one seed: a feature for each axis, or none and the diagnosis."""

    seed: int
    features: tuple[LearnedFeature, ...]
    problem: str = ""

    @property
    def score(self) -> float:
        """The validation correlation of the worst axis."""
        return min((feature.validation_correlation or 0.0 for feature in self.features), default=0.0)


def learn_seeds(
    learner: Learner, task_of: Callable[[int], LearningTask], seed: int, settings: SeedSettings
) -> tuple[SeedRun, ...]:
    """Learns with `seed`, `seed + 1`, … until enough seeds have converged, or the largest number has been
    tried. Results are kept in the checkpoint folder, if there is one, so that an interruption loses none.
    Raises LearningError with every diagnosis where no seed gave a feature."""
    runs: list[SeedRun] = []
    for number in range(seed, seed + settings.at_most):
        task = task_of(number)
        features = _kept(task.checkpoint, len(task.axes))
        try:
            if not features:
                features = learner.learn(task)
                _keep(task.checkpoint, features)
            runs.append(SeedRun(number, features))
        except LearningError as error:
            if settings.at_most == 1:
                raise
            runs.append(SeedRun(number, (), str(error)))
        if len(convergent(runs, settings.threshold)) >= settings.convergent:
            break
    if not any(run.features for run in runs):
        raise LearningError(
            "no seed learned anything; " + "; ".join(f"seed {run.seed}: {run.problem}" for run in runs)
        )
    return tuple(runs)


def best_of(runs: Sequence[SeedRun]) -> SeedRun:
    """The run that tells the classes apart best on validation pairs."""
    return max(runs, key=lambda run: run.score)


def convergent(runs: Sequence[SeedRun], threshold: float) -> list[SeedRun]:
    """The runs whose validation correlation reaches the threshold."""
    return [run for run in runs if run.features and run.score >= threshold]


LEARNED = "learned"


def _keep(folder: Path | None, features: Sequence[LearnedFeature]) -> None:
    """Replaces training states by the features that they led to."""
    if folder is None:
        return
    for axis, feature in enumerate(features):
        save_feature(feature, folder / LEARNED / str(axis), overwrite=True)
    for other in folder.iterdir():
        if other.name != LEARNED:
            shutil.rmtree(other, ignore_errors=True)


def _kept(folder: Path | None, axes: int) -> tuple[LearnedFeature, ...]:
    try:
        return tuple(load_feature(folder / LEARNED / str(axis)) for axis in range(axes)) if folder else ()
    except StorageError:
        return ()
