"""Runs the stages of a run: each once, on demand, timed, and reported to listeners."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from attrs import evolve, field, mutable

from gradiend_core import hookspecs
from gradiend_core.config.runfile import ONE, SEVERAL, written
from gradiend_core.errors import ModelError
from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.language.rewritten import RewrittenModel
from gradiend_core.learning.seeds import SeedRun, best_of
from gradiend_core.progress import progress
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.pair import SPLITS, PairData
from gradiend_core.records.provenance import Provenance
from gradiend_core.records.report import Reports
from gradiend_core.records.run import Choice
from gradiend_core.records.scope import ParameterScope
from gradiend_core.records.text import Text
from gradiend_core.roles.gradients import GradientMatrix
from gradiend_core.roles.source import Examples
from gradiend_core.run import stages
from gradiend_core.run.evaluating import Evaluable, gradients_over
from gradiend_core.run.model import LoadedModel
from gradiend_core.run.setup import Setup
from gradiend_core.run.stages import Learnable
from gradiend_core.run.state import Prepared, RunRecord, RunState, SeedResult

Value = TypeVar("Value")


@mutable
class Clock:
    """Seconds by stage. The time of an inner stage is not counted for the outer one."""

    seconds: dict[str, float] = field(factory=dict)
    _inner: float = 0.0

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        start, before, self._inner = time.perf_counter(), self._inner, 0.0
        try:
            with progress(name.replace("_", " ")):
                yield
        finally:
            whole = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + whole - self._inner
            self._inner = before + whole


class Listener:
    """Is told what a runner does. The folder of a run is a listener (`folder.py`)."""

    def stage_finished(self, stage: str, runner: Runner) -> None:
        """A field of the state now has its value."""

    def model_rewritten(self, rewritten: RewrittenModel, axis: int, runner: Runner) -> None:
        """A rewritten model exists until this call returns."""

    def figure_drawn(self, name: str, figure: Any) -> None:
        """A figure was drawn."""


class Runner:
    """The results of a run so far (`state`), and each further stage on demand. A state that already has some
    stages, such as that of a finished run, is continued."""

    def __init__(
        self, setup: Setup, state: RunState | None = None, listeners: Collection[Listener] = ()
    ) -> None:
        self.setup, self.state, self.listeners = setup, state or RunState(), list(listeners)
        self.clock = Clock()
        #: a folder for states to resume from; None keeps none
        self.checkpoints: Path | None = None
        self._controls: Examples | None = None
        self._ordinary: Sequence[Text] | None = None
        self._problems: list[str] = []

    def run(self) -> None:
        """Runs every stage to the end."""
        self.reports()
        for rewritten, axis in self.rewritten_models():
            for listener in self.listeners:
                listener.model_rewritten(rewritten, axis, self)
            self.setup.plugins.tell(hookspecs.gradiend_model_rewritten, update=rewritten.update)
        for name, figure in self.figures():
            for listener in self.listeners:
                listener.figure_drawn(name, figure)

    def data(self) -> PairData:
        return self._once("data", "data", lambda: stages.pairs(self.setup))

    def loaded(self) -> LoadedModel:
        return self._once("loaded", "model", lambda: stages.load(self.setup))

    def prepared(self) -> Prepared:
        return self._once(
            "prepared",
            "prepare",
            lambda: stages.prepare(self.setup, self.data(), self.loaded(), self.clock.timed),
        )

    def gradients(self) -> GradientOperator:
        return self._once(
            "gradients",
            "selector",
            lambda: stages.select(self.setup, self.data(), self.loaded(), self.prepared()),
        )

    def matrix(self) -> GradientMatrix:
        return self._once(
            "matrix",
            "store",
            lambda: stages.store(self.setup, self.data(), self.loaded(), self.prepared(), self.gradients()),
        )

    def seeds(self) -> tuple[SeedRun, ...]:
        return self._once("seeds", "learning", self._learn)

    def features(self) -> tuple[LearnedFeature, ...]:
        return self._once("features", "curvature", self._choose)

    def reports(self) -> tuple[Reports, ...]:
        kinds = [choice.kind for choice in self.setup.config.evaluators]
        return self._once(
            "reports",
            "",
            lambda: tuple(self.evaluate(axis, kinds, {}) for axis in range(len(self.features()))),
        )

    def evaluate(self, axis: int, kinds: Collection[str], known: Reports) -> Reports:
        """The reports that an axis has already, and those of further evaluators."""
        plugins = self.setup.plugins
        return stages.evaluate(
            self.setup,
            self.features()[axis],
            axis,
            self.evaluable(),
            kinds,
            known,
            self.clock.timed,
            lambda report: plugins.tell(hookspecs.gradiend_evaluated, report=report),
        )

    def evaluable(
        self, data: PairData | None = None, examples: dict[str, Examples] | None = None
    ) -> Evaluable:
        """What evaluation needs, for the run's data or for other data with its examples. Gradients that were
        used for learning have been checked against autograd, so they are reused if they exist; for a finished
        run nothing is selected again."""
        if self.state.gradients is None and self.state.features is not None:
            gradients = self.gradients_over(self.features()[0].scope)
        else:
            gradients = self.gradients()
        return Evaluable(
            data or self.data(),
            self.loaded(),
            examples or self.prepared().examples,
            self.seeds(),
            gradients,
            self.controls,
            self.ordinary if data is None else cache(lambda: self.setup.data.ordinary(data)),
        )

    def rewritten_models(self) -> Iterator[tuple[RewrittenModel, int]]:
        """The rewritten model of each chosen edit, with its axis; each exists until the next is requested."""
        for axis, (feature, reports) in enumerate(zip(self.features(), self.reports(), strict=True)):
            for rewritten in stages.edit(self.setup, self.loaded(), feature, reports):
                yield rewritten, axis

    def figures(self, choices: Collection[Choice] = ()) -> Iterator[tuple[str, Any]]:
        """Each figure that the reports have data for, by the name of its file."""
        for feature, reports in zip(self.features(), self.reports(), strict=True):
            for kind, figure in stages.draw(self.setup, feature, reports, self.clock.timed, choices):
                yield self.prefix(feature) + kind, figure

    def draw(self, axis: int, choice: Choice, into: Any) -> Any:
        """One figure of an axis, drawn `into` a SubFigure where one is given; None without data for it."""
        feature, reports = self.features()[axis], self.reports()[axis]
        figures = dict(stages.draw(self.setup, feature, reports, self.clock.timed, [choice], into))
        return figures.get(choice.kind)

    def gradients_over(self, scope: ParameterScope) -> GradientOperator:
        """The gradient matrix of this model and source over any scope."""
        return gradients_over(self.setup, self.loaded(), scope)

    def controls(self) -> Examples:
        """Slots of the paradigm's classes that are not compared, from the same texts."""
        if self._controls is None:
            data, identity = self.setup.data, self.setup.config.data.identity
            self._controls = self.setup.model.controls(self.data() if identity else data.pairs(identity=True))
        return self._controls

    def ordinary(self) -> Sequence[Text]:
        """The texts that no training or validation pair is made from."""
        if self._ordinary is None:
            self._ordinary = self.setup.data.ordinary(self.data())
        return self._ordinary

    def with_model(self, loaded: LoadedModel) -> Runner:
        """The same on a model that is already in memory; whatever was computed from another model object is
        dropped."""
        self.setup.model.use(loaded)
        state = evolve(self.state, loaded=loaded, gradients=None)
        return Runner(self.setup, state, self.listeners)

    def prefix(self, feature: LearnedFeature) -> str:
        """The beginning of the names of a feature's files; empty where there is only one feature."""
        return f"{feature.classes[0]}_" if len(self.features()) > 1 else ""

    def provenance(self) -> Provenance:
        """Where the results come from."""
        setup, config = self.setup, self.setup.config
        chosen = [(ONE[name], getattr(config, name)) for name in ONE if name != "policy"]
        chosen += [(SEVERAL["evaluators"], choice) for choice in config.evaluators]
        used = {setup.registry.entry(kind, choice.kind).plugin for kind, choice in chosen}
        return Provenance(
            config.general.model,
            self.loaded().fingerprint,
            self.data().fingerprint(),
            self.gradients().scope.fingerprint(),
            setup.seed,
            tuple(sorted(used)),
            precision="bfloat16" if self.gradients().passes.bfloat16 else "float32",
        )

    def record(self) -> RunRecord:
        """What the run was made from and how it went."""
        counts: dict[str, dict[str, int]] = {split: {} for split in SPLITS}
        for (split, name), number in sorted(self.data().counts().items()):
            counts[split][name] = number
        return RunRecord(
            self.provenance(),
            self.data().axes,
            stages.funnel_of(self.data(), self.prepared().examples),
            counts,
            self.prepared().left_out_words,
            self.prepared().source_report,
            tuple(SeedResult(run.seed, run.score, run.problem) for run in self.seeds()),
            dict(self.clock.seconds),
            (*self.prepared().model_problems, *stages.slow_parameters(self.gradients()), *self._problems),
        )

    def _once(self, name: str, timing: str, make: Callable[[], Value]) -> Value:
        """The state's field of this name, computed on the first call; its seconds count under `timing`, if
        not empty."""
        value: Value | None = getattr(self.state, name)
        if value is None:
            with self.clock.timed(timing) if timing else nullcontext():
                value = make()
            changed: dict[str, Any] = {name: value}
            self.state = evolve(self.state, **changed)
            for listener in self.listeners:
                listener.stage_finished(name, self)
        return value

    def _choose(self) -> tuple[LearnedFeature, ...]:
        with self.clock.timed("learning"):
            features = stages.choose(self.setup, self.loaded(), self.prepared(), self.seeds())
        try:
            return stages.measure(
                self.setup, self.loaded(), self.prepared(), self.gradients(), features, self.ordinary
            )
        except ModelError as error:
            self._problems.append(f"{error}; until then edits are the direction as it is")
            return features

    def _learn(self) -> tuple[SeedRun, ...]:
        data, prepared, matrix = self.data(), self.prepared(), self.matrix()
        tell = self.setup.plugins.tell
        tell(hookspecs.gradiend_run_started, provenance=self.provenance())
        learnable = Learnable(
            data, prepared.examples, matrix, self.checkpoints and self.checkpoints / self._learning_key()
        )
        seeds = stages.learn(
            self.setup, learnable, lambda row: tell(hookspecs.gradiend_step_finished, row=row)
        )
        for feature in best_of(seeds).features:
            tell(hookspecs.gradiend_feature_learned, feature=feature)
        return seeds

    def _learning_key(self) -> str:
        """A hash of everything that learning depends on: a checkpoint with another key belongs to another
        run."""
        where = self.provenance()
        about = [
            where.model_fingerprint,
            where.data_fingerprint,
            where.scope_fingerprint,
            where.versions,
            written(self.setup.config, {}),
        ]
        return hashlib.sha256(repr(about).encode()).hexdigest()[:16]
