"""One run as an object: its stages, each done once when first asked for, and the observers told."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradiend_core.config.runfile import gather, general_settings, resolve, suit, written
from gradiend_core.data_run import IN_MEMORY, DataRun
from gradiend_core.editing import chosen_update
from gradiend_core.errors import StorageError
from gradiend_core.model_run import NEUTRAL_TRAINED, LoadedModel, ModelRun, funnel_of
from gradiend_core.plugins.manager import Plugins
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.funnel import Funnel
from gradiend_core.records.goal import check_goals, goal_names, goals_of
from gradiend_core.records.pair import PairData, axes_of
from gradiend_core.records.provenance import Provenance
from gradiend_core.records.report import Report
from gradiend_core.records.run import RunConfig
from gradiend_core.records.update import WeightUpdate
from gradiend_core.roles.evaluator import EvaluationTask
from gradiend_core.roles.learner import LearningTask
from gradiend_core.roles.selector import SelectionTask
from gradiend_core.roles.source import Examples, GradientSource

if TYPE_CHECKING:
    from torch import nn

    from gradiend_core.gradients.operator import GradientMatrix, GradientOperator
    from gradiend_core.learning.seeds import SeedRun
    from gradiend_core.records.scope import ParameterScope
    from gradiend_core.rewriting.model import RewrittenModel


class Session:
    """The stages of a run: data, loaded, gradients, feature, reports, rewrite. Each is computed once.

    Made from a paradigm's kind and values, or from a run file (or its tables), which they override. `texts`
    is the name of a text, a list of strings or anything that `read_texts` takes. Further keywords are the
    tables of a run file, as in `learner={"steps": 100}`; `settings` are strings like "learner.steps=100".
    Raises GradiendError for whatever is wrong with them, before anything is computed.
    """

    def __init__(
        self,
        kind: str | None = None,
        /,
        *,
        model: str | None = None,
        texts: Any = None,
        classes: Sequence[str] | None = None,
        seed: int | None = None,
        run_file: str | Path | Mapping[str, Any] | None = None,
        settings: Sequence[str] = (),
        disable_plugins: Sequence[str] = (),
        plugins: Plugins | None = None,
        memo: dict[str, Any] | None = None,
        **tables: Mapping[str, Any],
    ) -> None:
        in_memory = texts is not None and not isinstance(texts, (str, Path))
        top = {
            "model": model,
            "seed": seed,
            "texts": IN_MEMORY if in_memory else None if texts is None else str(texts),
        }
        table = gather(kind, run_file, classes, settings, tables, top)
        if disable_plugins:
            table["disable_plugins"] = [*table.get("disable_plugins", []), *disable_plugins]
        general = general_settings(table)
        self.plugins = plugins or Plugins.discover(general.disable_plugins)
        self.registry = self.plugins.registry
        table = suit(table, self.registry)
        general = general_settings(table)
        #: models and texts by what they depend on; sessions that are given one dictionary share them
        self.memo: dict[str, Any] = {} if memo is None else memo
        self.timing: dict[str, float] = {}
        #: target words that the tokenizer splits and that are left out
        self.spared: list[str] = []
        #: fingerprints of the finished run that this one goes on with
        self.expected: Mapping[str, str] = {}
        #: what came of fitting a source that learns something of its own
        self.source_report: Report | None = None
        #: a folder for states to resume from; None keeps none
        self.checkpoints: Path | None = None
        named = self.registry.has("model", general.model)
        self.model_folder = str(self.build("model", general.model)) if named else general.model
        self.config: RunConfig = resolve(table, self.registry, self.model_folder)
        self.seed = general.seed
        self.data_run = DataRun(
            self.registry,
            self.config.general,
            self.config.paradigm,
            self.config.data,
            texts if in_memory else None,
            memo,
        )
        self.source: GradientSource = self.build("source", self.config.source.kind, self.config.source.config)
        self.model_run = ModelRun(
            self.model_folder, self.source, self.config.source, self.config.gradients, self.memo
        )
        if classes := self.config.paradigm.config.classes:
            check_goals(self.config.rewrite.toward, axes_of(classes), " at rewrite.toward")

    def build(self, role: str, name: str, config: object | None = None) -> Any:
        """A contribution by its role and name."""
        return self.registry.get(role, name).build(config)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time spent inside to `timing`, in seconds."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.timing[name] = self.timing.get(name, 0.0) + time.perf_counter() - start

    @cached_property
    def data(self) -> PairData:
        """Pairs and neutral text, with the funnel."""
        with self.stage("data"):
            data = self.data_run.pairs()
            self._expect(
                "data_fingerprint", data.fingerprint(), f"the pairs from {self.config.general.texts!r}"
            )
            return data

    @cached_property
    def loaded(self) -> LoadedModel:
        """The model and its tokenizer."""
        with self.stage("model"):
            loaded = self.model_run.loaded()
            self._expect(
                "model_fingerprint", loaded.fingerprint, f"the weights of {self.config.general.model!r}"
            )
            return loaded

    def _expect(self, name: str, found: str, what: str) -> None:
        """Raises StorageError where a finished run is gone on with from something else than it was made
        from."""
        if found != self.expected.get(name, found):
            raise StorageError(
                f"{what} are not those that the run was made from ({found}, and were {self.expected[name]});"
                " make the run again"
            )

    @cached_property
    def gradients(self) -> GradientOperator:
        """The gradient matrix of this model, source and scope."""
        selector = self.build("scope", self.config.scope.kind, self.config.scope.config)
        model, examples = self.loaded.model, self.examples
        with self.stage("selection"):
            task = SelectionTask(model, self.gradients_over, examples["train"], self.data.axes, self.seed)
            return self.gradients_over(selector.select(task))

    def gradients_over(self, scope: ParameterScope) -> GradientOperator:
        """The gradient matrix of this model and source over any scope."""
        from gradiend_core.gradients.operator import GradientOperator

        settings = self.config.gradients
        memory = settings.memory_gib * 2**30
        return GradientOperator(
            self.loaded.model, self.source, scope, memory=memory, checkpointing=settings.checkpointing
        )

    @cached_property
    def examples(self) -> dict[str, Examples]:
        """Pairs made ready for the model, by split, and the neutral ones."""
        data, loaded = self.data, self.loaded
        with self.stage("prepare"):
            if hasattr(self.source, "check_words"):
                self.spared += self.source.check_words(data.words, loaded.tokenizer, data.spare)
            ready = self.model_run.examples(data)
        if hasattr(self.source, "fit"):
            with self.stage("source"):
                self.source_report = self.source.fit(loaded.model, ready, self.seed)
        return ready

    @cached_property
    def controls(self) -> Examples:
        """Slots of the paradigm's classes that are not told apart, from the same texts."""
        return self.model_run.controls(
            self.data if self.config.data.identity else self.data_run.pairs(identity=True)
        )

    @property
    def funnel(self) -> Funnel:
        """What became of every text, down to the examples that the model takes."""
        return funnel_of(self.data, self.examples)

    @cached_property
    def provenance(self) -> Provenance:
        """Where the results come from."""
        chosen = [
            ("paradigm", self.config.paradigm),
            ("source", self.config.source),
            ("scope", self.config.scope),
        ]
        chosen += [("learner", self.config.learner)] + [
            ("evaluation", each) for each in self.config.evaluation
        ]
        used = sorted({self.registry.entry(role, choice.kind).plugin for role, choice in chosen})
        return Provenance(
            self.config.general.model,
            self.loaded.fingerprint,
            self.data.fingerprint(),
            self.gradients.scope.fingerprint(),
            self.seed,
            tuple(used),
        )

    @cached_property
    def matrix(self) -> GradientMatrix:
        """What learning reads gradients from: the store, where it is to be used, or the model itself."""
        several = self.config.seeds.at_most > 1 or len(self.data.axes) > 1
        parts = [
            self.examples[name]
            for name in ("train", "validation", NEUTRAL_TRAINED)
            if self.examples[name].pairs
        ]
        gradients = self.gradients
        with self.stage("store"):
            from gradiend_core.gradients.store import matrix_of

            return matrix_of(gradients, parts, self.loaded.fingerprint, self.config.store, several=several)

    @cached_property
    def seed_runs(self) -> tuple[SeedRun, ...]:
        """What each seed gave."""
        from gradiend_core.learning.seeds import best_of, learn_seeds

        examples, matrix = self.examples, self.matrix
        self.plugins.tell("gradiend_run_started", provenance=self.provenance)
        learner = self.build("learner", self.config.learner.kind, self.config.learner.config)

        def task(seed: int) -> LearningTask:
            return LearningTask(
                matrix,
                examples["train"],
                examples["validation"],
                examples[NEUTRAL_TRAINED],
                self.data.axes,
                seed,
                lambda row: self.plugins.tell("gradiend_step_finished", row=row),
                self.checkpoints and self.checkpoints / self._learning_key() / f"seed-{seed}",
            )

        with self.stage("learning"):
            runs = learn_seeds(learner, task, self.seed, self.config.seeds)
        for feature in best_of(runs).features:
            self.plugins.tell("gradiend_feature_learned", feature=feature)
        return runs

    def _learning_key(self) -> str:
        """A hash of everything that learning depends on: a checkpoint under another key is of another run."""
        where = self.provenance
        about = [
            where.model_fingerprint,
            where.data_fingerprint,
            where.scope_fingerprint,
            where.versions,
            written(self.config, {}),
        ]
        return hashlib.sha256(repr(about).encode()).hexdigest()[:16]

    @cached_property
    def features(self) -> tuple[LearnedFeature, ...]:
        """The learned feature of each axis, of the seed that told the classes best on validation pairs."""
        from gradiend_core.learning.seeds import best_of
        from gradiend_core.learning.selection import pruned

        features, prune = best_of(self.seed_runs).features, self.config.prune
        if prune.keep == 1.0 and isinstance(prune.keep, float):
            return features
        validation = self.examples["validation"]
        return tuple(
            pruned(feature, prune.keep, prune.by, self.gradients_over, validation) for feature in features
        )

    @property
    def feature(self) -> LearnedFeature:
        """The learned feature; of several axes the first."""
        return self.features[0]

    @cached_property
    def axis_reports(self) -> tuple[dict[str, Report], ...]:
        """For each axis the report of each configured evaluator."""
        by_axis: tuple[dict[str, Report], ...] = tuple({} for _ in self.features)
        for axis, reports in enumerate(by_axis):
            self.evaluate(axis, [choice.kind for choice in self.config.evaluation], reports)
        return by_axis

    def evaluate(self, axis: int, kinds: Collection[str], reports: dict[str, Report]) -> None:
        """Puts the reports of configured evaluators beside those that an axis has already, in the order of
        the run file."""
        task = self.evaluation_task(axis, reports)
        for choice in self.config.evaluation:
            if choice.kind in kinds:
                with self.stage(f"evaluation_{choice.kind}"):
                    reports[choice.kind] = self.build("evaluation", choice.kind, choice.config).evaluate(task)
                self.plugins.tell("gradiend_evaluated", report=reports[choice.kind])

    def evaluation_task(
        self,
        axis: int = 0,
        reports: Mapping[str, Report] | None = None,
        data: PairData | None = None,
        examples: Mapping[str, Examples] | None = None,
    ) -> EvaluationTask:
        """What an evaluator is given for an axis; `reports` are those made already, by default all of the
        run; `data` and its `examples` are the run's, unless others are given."""
        feature, rewrite = self.features[axis], self.config.rewrite
        seeds = tuple(run.features[axis] for run in self.seed_runs if run.features)
        policy = self.build("policy", self.config.policy.kind, self.config.policy.config)

        def edit(toward: str) -> WeightUpdate:
            return chosen_update(
                feature, self.axis_reports[axis] if reports is None else reports, toward, rewrite.part
            )

        # those that were learned from have been checked against autograd; of a finished run nothing has to be
        # selected again
        gradients = self.gradients if "gradients" in self.__dict__ else self.gradients_over(feature.scope)
        return EvaluationTask(
            feature,
            seeds,
            gradients.over(feature.scope),
            self.source,
            self.loaded.tokenizer,
            examples or self.examples,
            data or self.data,
            self.seed,
            goals_of(rewrite.toward, feature.classes),
            rewrite,
            policy,
            edit,
            lambda: self.controls,
        )

    @property
    def reports(self) -> dict[str, Report]:
        """The report of each configured evaluator; of several axes for the first."""
        return self.axis_reports[0]

    def goals(self) -> list[str]:
        """What the decoder evaluation looked for an edit for."""
        reports = [own["decoder"] for own in self.axis_reports if "decoder" in own]
        return [path[0] for report in reports for path in report.metrics if path[1:] == ("learning_rate",)]

    def axis_of(self, toward: str) -> int:
        """Which axis an edit is of; raises ConfigError for what is no goal of any."""
        known = [goal_names(feature.classes) for feature in self.features]
        check_goals([toward], [feature.classes for feature in self.features])
        return next(axis for axis, names in enumerate(known) if toward in names)

    def update(self, toward: str, learning_rate: float | None = None) -> WeightUpdate:
        """The edit toward a class ("3SG"), away from it ("less-3SG") or to both alike ("balanced"); the
        learning rate is the one that the decoder evaluation chose."""
        axis, part = self.axis_of(toward), self.config.rewrite.part
        if learning_rate is None:
            return chosen_update(self.features[axis], self.axis_reports[axis], toward, part)
        return self.features[axis].update(toward, learning_rate, part=part)

    def rewrite(self, toward: str, learning_rate: float | None = None) -> RewrittenModel:
        """A copy of the model with the edit in its weights; this session's own model stays as it is."""
        from gradiend_core.rewriting.apply import apply_update
        from gradiend_core.rewriting.model import RewrittenModel

        update = self.update(toward, learning_rate)
        with self.stage("rewriting"):
            model = self.model_run.editable()
            apply_update(model, update)
        self.plugins.tell("gradiend_model_rewritten", update=update)
        return RewrittenModel(model, self.loaded.tokenizer, update, toward)

    @contextmanager
    def rewritten(self, toward: str, learning_rate: float | None = None) -> Iterator[nn.Module]:
        """The session's own model with the edit in place while the block runs; every bit is restored after
        it."""
        from gradiend_core.rewriting.apply import applied

        with applied(self.loaded.model, self.update(toward, learning_rate)):
            yield self.loaded.model

    def figures(self) -> Iterator[tuple[str, Any]]:
        """Each configured figure that the reports allow, as (name, matplotlib Figure)."""
        for prefix, feature, reports in self.by_axis():
            for choice in self.config.figures:
                with self.stage("figures"):
                    figure = self.build("figures", choice.kind, choice.config).draw(feature, reports)
                if figure is not None:
                    yield prefix + choice.kind, figure

    def by_axis(self) -> Iterator[tuple[str, LearnedFeature, dict[str, Report]]]:
        """Each axis with the prefix of its files."""
        for feature, reports in zip(self.features, self.axis_reports, strict=True):
            yield self.prefix(feature), feature, reports

    def prefix(self, feature: LearnedFeature) -> str:
        """What the names of a feature's files begin with; nothing where there is only one feature."""
        return f"{feature.classes[0]}_" if len(self.features) > 1 else ""

    def results(self) -> dict[str, Any]:
        """All numbers, nested, with timing in seconds by stage and provenance; several axes under "axes", by
        first class."""
        from gradiend_core.results import results

        return results(self)

    @property
    def warnings(self) -> list[str]:
        """What a reader of the results should know."""
        from gradiend_core.results import warnings

        return warnings(self)
