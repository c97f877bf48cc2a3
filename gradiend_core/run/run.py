"""A run, in progress or finished: the results of its stages, and what can be done with them."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradiend_core import hookspecs
from gradiend_core.errors import ConfigError
from gradiend_core.plugins.manager import Plugins
from gradiend_core.plugins.registry import Registry
from gradiend_core.records.card import card
from gradiend_core.records.contribution import Trait
from gradiend_core.records.edit import ChosenEdit
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.funnel import Funnel
from gradiend_core.records.goal import check_goals, goal_names
from gradiend_core.records.pair import MinimalPair, PairData
from gradiend_core.records.provenance import Provenance
from gradiend_core.records.report import Report, Reports, chosen_edit, chosen_edits
from gradiend_core.records.run import Choice, RunConfig
from gradiend_core.records.scope import ParameterScope
from gradiend_core.records.update import WeightUpdate
from gradiend_core.roles.evaluator import EvaluationTask
from gradiend_core.roles.gradients import GradientMatrix
from gradiend_core.roles.kinds import EVALUATOR, VISUALIZER
from gradiend_core.roles.source import Examples, GradientSource
from gradiend_core.run.results import results, warnings

if TYPE_CHECKING:
    from torch import nn

    from gradiend_core.gradients.operator import GradientOperator
    from gradiend_core.language.rewritten import RewrittenModel
    from gradiend_core.learning.seeds import SeedRun
    from gradiend_core.run.model import LoadedModel
    from gradiend_core.run.runner import Runner
    from gradiend_core.run.setup import Setup
    from gradiend_core.run.state import RunRecord


class Run:
    """The common base of `Session` and `FinishedRun`. Each property runs the stages that it needs, once."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    # --- what the run is made with ---
    @property
    def setup(self) -> Setup:
        return self.runner.setup

    @property
    def config(self) -> RunConfig:
        """The resolved run file."""
        return self.setup.config

    @property
    def model_folder(self) -> str:
        """The folder or hub id of the model."""
        return self.setup.model.folder

    @property
    def model_name(self) -> str:
        """The model's name as people know it: a hub id, or the name of its folder."""
        model = self.config.general.model
        return Path(model).name if Path(model).exists() else model

    @property
    def plugins(self) -> Plugins:
        return self.setup.plugins

    @property
    def registry(self) -> Registry:
        return self.setup.registry

    @property
    def source(self) -> GradientSource:
        return self.setup.source

    @property
    def seed(self) -> int:
        return self.setup.seed

    # --- what the stages gave ---
    @property
    def data(self) -> PairData:
        """Pairs and neutral text, with the funnel."""
        return self.runner.data()

    @property
    def pairs(self) -> Sequence[MinimalPair]:
        """The pairs of all splits; for a finished run the saved ones."""
        return self.data.pairs

    @property
    def loaded(self) -> LoadedModel:
        """The model and its tokenizer."""
        return self.runner.loaded()

    @property
    def examples(self) -> Mapping[str, Examples]:
        """Pairs prepared for the model, by split, and the neutral ones."""
        return self.runner.prepared().examples

    @property
    def gradients(self) -> GradientOperator:
        """The gradient matrix of this model, source and scope."""
        return self.runner.gradients()

    def gradients_over(self, scope: ParameterScope) -> GradientOperator:
        """The gradient matrix of this model and source over any scope."""
        return self.runner.gradients_over(scope)

    @property
    def matrix(self) -> GradientMatrix:
        """The gradients for learning: from the store, where it is used, or from the model itself."""
        return self.runner.matrix()

    @property
    def controls(self) -> Examples:
        """Slots of the paradigm's classes that are not compared, from the same texts."""
        return self.runner.controls()

    @property
    def seed_runs(self) -> tuple[SeedRun, ...]:
        """The result of each seed."""
        return self.runner.seeds()

    @property
    def converged(self) -> bool:
        """Whether the requested number of seeds (`seeds.convergent`) reached `seeds.threshold`."""
        settings = self.config.seeds
        reached = [run for run in self.seed_runs if not run.problem and run.score >= settings.threshold]
        return len(reached) >= settings.convergent

    @property
    def features(self) -> tuple[LearnedFeature, ...]:
        """The learned feature of each axis, from the seed with the best validation score."""
        return self.runner.features()

    @property
    def feature(self) -> LearnedFeature:
        """The learned feature; the first one where there are several axes."""
        return self.features[0]

    @property
    def axis_reports(self) -> tuple[Reports, ...]:
        """For each axis the reports of all configured evaluators."""
        return self.runner.reports()

    @property
    def reports(self) -> Reports:
        """The reports of all configured evaluators; for the first axis where there are several."""
        return self.axis_reports[0]

    @property
    def record(self) -> RunRecord:
        """What the run was made from and how it went."""
        return self.runner.record()

    @property
    def provenance(self) -> Provenance:
        """Where the results come from."""
        return self.runner.provenance()

    @property
    def model_fingerprint(self) -> str:
        """A hash of the model's weights."""
        return self.loaded.fingerprint

    @property
    def funnel(self) -> Funnel:
        """What happened to every text, down to the examples that the model takes."""
        return self.record.funnel

    @property
    def source_report(self) -> Report | None:
        """The report on the training of a source that is trained first."""
        return self.record.source_report

    @property
    def timing(self) -> dict[str, float]:
        """Seconds by stage."""
        return self.record.timing

    @property
    def warnings(self) -> list[str]:
        """What a reader of the results should know."""
        return warnings(self.config, self.record, self.axis_reports)

    @property
    def findings(self) -> dict[str, list[str]]:
        """The findings about each axis as sentences: first whether the model has the feature."""
        by_axis: dict[str, list[str]] = {}
        for _, feature, reports in self.by_axis():
            sentences = [sentence for report in self.in_order(reports) for sentence in report.findings]
            by_axis[f"{feature.name} in {self.model_name}"] = sentences
        return by_axis

    def in_order(self, reports: Reports) -> list[Report]:
        """Reports in reading order: first whether the model has the feature, then what the encoder reads,
        then the rest."""
        order = (Trait.SHOWS_FEATURE, Trait.READS_ENCODINGS)

        def position(name: str) -> int:
            traits = self.registry.get(EVALUATOR, name).traits
            return next((number for number, trait in enumerate(order) if trait in traits), len(order))

        return [reports[name] for name in sorted(reports, key=position)]

    def __repr__(self) -> str:
        general, state = self.config.general, self.runner.state
        if state.reports is not None:
            done = "evaluated"
        else:
            done = "learned" if state.features is not None else "not learned yet"
        return f"<{type(self).__name__} {self.config.paradigm.kind} in {general.model}, {done}>"

    def _repr_html_(self) -> str:
        if self.runner.state.reports is None:
            return card(repr(self).strip("<>"), ["run.reports evaluates it, and learns it first"])
        cards = []
        for (title, sentences), reports in zip(self.findings.items(), self.axis_reports, strict=True):
            numbers = [line for report in reports.values() for line in report.lines]
            cards.append(card(title, [*sentences, *numbers, *(f"warning: {one}" for one in self.warnings)]))
        return "".join(cards)

    def results(self) -> dict[str, Any]:
        """All numbers, nested, with seconds by stage and provenance; several axes under "axes", by first
        class."""
        return results(self.config, self.record, self.features, self.axis_reports)

    def by_axis(self) -> Iterator[tuple[str, LearnedFeature, Reports]]:
        """Each axis with the prefix of its file names."""
        for feature, reports in zip(self.features, self.axis_reports, strict=True):
            yield self.runner.prefix(feature), feature, reports

    def figures(self, choices: Collection[Choice] = ()) -> Iterator[tuple[str, Any]]:
        """Each figure that the reports have data for, as (name, matplotlib Figure): those of `choices`, or of
        the run."""
        return self.runner.figures(choices)

    def draw(self, kind: str, *, axis: int = 0, into: Any = None) -> Any:
        """One figure, such as "encodings", as a matplotlib Figure. With `into`, a SubFigure, it becomes part
        of your own figure, as in `left, right = Figure(layout="constrained").subfigures(1, 2)`. Raises
        ConfigError where the run has no data for it, and PluginError for an unknown kind."""
        contribution = self.registry.get(VISUALIZER, kind)
        configured = {choice.kind: choice for choice in self.config.visualizers}
        choice = configured.get(kind) or Choice(kind, contribution.config())
        figure = self.runner.draw(axis, choice, into)
        if figure is None:
            drawable = ", ".join(dict.fromkeys(name for name, _ in self.figures())) or "none"
            raise ConfigError(f"the run has no data for the figure {kind!r}; it has {drawable}")
        if into is not None and figure is not into:
            raise ConfigError(
                f"the figure {kind!r} cannot be a part of another, as its plugin does not use"
                " gradiend_core.api.empty_figure; leave `into` out"
            )
        return figure

    # --- evaluating ---
    def evaluate(self, kinds: Sequence[str]) -> tuple[Reports, ...]:
        """The reports of each axis, together with those of further evaluators in the run file."""
        return tuple(
            self.runner.evaluate(axis, kinds, reports) for axis, reports in enumerate(self.axis_reports)
        )

    def evaluation_task(
        self,
        axis: int = 0,
        reports: Reports | None = None,
        data: PairData | None = None,
        examples: dict[str, Examples] | None = None,
    ) -> EvaluationTask:
        """The task that an evaluator gets for an axis; `reports` are earlier reports, by default all of the
        run. `data` and its `examples` are the run's, unless others are given."""
        from gradiend_core.run.evaluating import evaluation_task

        reports = self.axis_reports[axis] if reports is None else reports
        evaluable = self.runner.evaluable(data, examples)
        return evaluation_task(self.setup, self.features[axis], axis, evaluable, reports)

    def report_with(self, trait: Trait, axis: int = 0) -> Report | None:
        """The report of the run's evaluator with a trait, None where there is none."""
        names = [contribution.name for contribution in self.registry.with_trait(EVALUATOR, trait)]
        return next(
            (self.axis_reports[axis][name] for name in names if name in self.axis_reports[axis]), None
        )

    # --- rewriting ---
    def edits(self) -> dict[str, ChosenEdit]:
        """The chosen edit of each goal that was searched for, of all axes."""
        return {goal: edit for reports in self.axis_reports for goal, edit in chosen_edits(reports).items()}

    def goals(self) -> list[str]:
        """The goals that edits were searched for."""
        return list(self.edits())

    def axis_of(self, toward: str) -> int:
        """The axis that an edit belongs to. Raises ConfigError for a name that is not a goal of any axis."""
        check_goals([toward], [feature.classes for feature in self.features])
        return next(
            axis for axis, feature in enumerate(self.features) if toward in goal_names(feature.classes)
        )

    def update(
        self, toward: str, learning_rate: float | None = None, damping: float | None = None
    ) -> WeightUpdate:
        """The edit toward a class ("3SG"), away from it ("less-3SG") or toward both equally ("balanced"): the
        chosen one or, with a learning rate, the decoder's direction at that rate, divided by the metric if a
        damping is given. `0.5 * run.update("3SG")` is the chosen edit at half its strength."""
        axis = self.axis_of(toward)
        if learning_rate is None:
            return chosen_edit(self.axis_reports[axis], toward).update(self.features[axis])
        if not isinstance(learning_rate, (int, float)):
            raise ConfigError(f"learning_rate must be a number, not {learning_rate!r}")
        rewrite = self.config.rewrite
        return self.features[axis].update(
            toward,
            learning_rate,
            direction=rewrite.direction,
            damping=damping,
            damping_mean=rewrite.damping_mean,
        )

    def rewrite(
        self, toward: str, learning_rate: float | None = None, damping: float | None = None
    ) -> RewrittenModel:
        """A copy of the model with the edit in its weights; the run's model stays as it is."""
        from gradiend_core.language.rewritten import RewrittenModel
        from gradiend_core.rewriting.apply import apply_update

        update = self.update(toward, learning_rate, damping)
        with self.runner.clock.timed("rewriting"):
            model = self.setup.model.editable()
            apply_update(model, update)
        self.plugins.tell(hookspecs.gradiend_model_rewritten, update=update)
        return RewrittenModel(model, self.loaded.tokenizer, update, toward)

    @contextmanager
    def rewritten(
        self, toward: str, learning_rate: float | None = None, damping: float | None = None
    ) -> Iterator[nn.Module]:
        """The run's own model with the edit in place while the block runs; afterwards every bit is
        restored."""
        from gradiend_core.rewriting.apply import applied

        with applied(self.loaded.model, self.update(toward, learning_rate, damping)):
            yield self.loaded.model

    def with_model(self, loaded: LoadedModel) -> Run:
        """The same run on a model that is already in memory."""
        other = copy.copy(self)
        other.runner = self.runner.with_model(loaded)
        return other
