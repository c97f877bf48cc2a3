"""One run as an object: its stages, each done once when first asked for, and the observers told."""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import asdict, evolve, frozen

from gradiend_core.config.runfile import general_settings, override, read_run_file, resolve
from gradiend_core.data.texts import read_texts
from gradiend_core.errors import ConfigError, DataError, unknown
from gradiend_core.plugins.manager import Plugins
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.funnel import Drop, Funnel, merge
from gradiend_core.records.pair import NEUTRAL, SPLITS, PairData
from gradiend_core.records.provenance import Provenance
from gradiend_core.records.report import Report
from gradiend_core.records.run import RunConfig
from gradiend_core.records.update import WeightUpdate
from gradiend_core.roles.evaluator import EvaluationTask
from gradiend_core.roles.learner import LearningTask
from gradiend_core.roles.source import Examples, GradientSource

if TYPE_CHECKING:
    from torch import nn

    from gradiend_core.gradients.operator import GradientOperator
    from gradiend_core.rewriting.model import RewrittenModel

IN_MEMORY = "in memory"


@frozen(eq=False)
class LoadedModel:
    """A model in evaluation mode, its tokenizer, and a hash of its weights."""

    model: Any
    tokenizer: Any
    fingerprint: str


class Session:
    """The stages of a run: data, loaded, gradients, feature, reports, rewrite. Each is computed once.

    Made from a paradigm's kind and values, or from a run file, which they override. `texts` is the name of a text, a list of
    strings or anything that `read_texts` takes. Further keywords are the tables of a run file, `learner={"steps": 100}`;
    `settings` are strings like "learner.steps=100". Raises GradiendError for whatever is wrong with them, before anything is
    computed.
    """

    def __init__(
        self, kind: str | None = None, /, *, model: str | None = None, texts: Any = None, classes: Sequence[str] | None = None,
        seed: int | None = None, run_file: str | Path | None = None, settings: Sequence[str] = (),
        disable_plugins: Sequence[str] = (), plugins: Plugins | None = None, **tables: Mapping[str, Any],
    ) -> None:  # fmt: skip
        table: dict[str, Any] = read_run_file(Path(run_file)) if run_file else {}
        if kind is not None:
            tables["paradigm"] = {**tables.get("paradigm", {}), "kind": kind}
        if classes is not None:
            tables["paradigm"] = {**tables.get("paradigm", {}), "classes": list(classes)}
        table |= {role: {**table.get(role, {}), **values} for role, values in tables.items()}
        self._texts = None if texts is None or isinstance(texts, (str, Path)) else texts
        given = {
            "model": model,
            "seed": seed,
            "texts": texts if texts is None else str(texts) if self._texts is None else IN_MEMORY,
        }
        table |= {key: value for key, value in given.items() if value is not None}
        if disable_plugins:
            table["disable_plugins"] = [*table.get("disable_plugins", []), *disable_plugins]
        general = general_settings(override(table, settings))
        self.plugins = plugins or Plugins.discover(general.disable_plugins)
        self.registry = self.plugins.registry
        self.timing: dict[str, float] = {}
        named = self.registry.has("model", general.model)
        self.model_folder = str(self._build("model", general.model)) if named else general.model
        self.config: RunConfig = resolve(table, self.registry, self.model_folder)
        self.seed = general.seed
        self.paradigm = self._build("paradigm", self.config.paradigm.kind, self.config.paradigm.config)
        self.source: GradientSource = self._build("source", self.config.source.kind, self.config.source.config)
        for name in self.config.rewrite.toward:
            if name not in self.config.paradigm.config.classes:
                raise ConfigError(unknown("class", name, self.config.paradigm.config.classes) + " at rewrite.toward")

    def _build(self, role: str, name: str, config: object | None = None) -> Any:
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
            name = self.config.general.texts
            if self._texts is None and name == IN_MEMORY:
                raise DataError("this run was made from texts in memory; give them again, or a file, as texts")
            texts = self._texts if self._texts is not None else name
            if isinstance(texts, str) and self.registry.has("text", texts):
                texts = self._build("text", texts)
            return self.paradigm.pairs(read_texts(texts, self.config.general.text_column), self.seed)

    @cached_property
    def loaded(self) -> LoadedModel:
        """The model and its tokenizer."""
        with self.stage("model"):
            model, tokenizer = self.source.load(self.model_folder)
            return LoadedModel(model, tokenizer, model_fingerprint(model))

    @cached_property
    def gradients(self) -> GradientOperator:
        """The gradient matrix of this model, source and scope."""
        from gradiend_core.gradients.operator import GradientOperator

        model = self.loaded.model
        scope = self._build("scope", self.config.scope.kind, self.config.scope.config).select(model, self.seed)
        return GradientOperator(model, self.source, scope)

    @cached_property
    def examples(self) -> dict[str, Examples]:
        """Pairs made ready for the model, by split, and the neutral ones."""
        data, model, tokenizer = self.data, self.loaded.model, self.loaded.tokenizer
        with self.stage("prepare"):
            if hasattr(self.source, "check_words"):
                self.source.check_words(data.words, tokenizer)
            parts = {split: data.split(split) for split in SPLITS} | {NEUTRAL: data.neutral_pairs}
            ready = {name: self.source.prepare(pairs, tokenizer, model) for name, pairs in parts.items()}
            for split in SPLITS:
                for name in data.classes:
                    if not any(pair.factual_class == name for pair in ready[split].pairs):
                        reasons = [f"{drop.count} dropped: {drop.reason}" for drop in ready[split].drops]
                        why = "; ".join(reasons) or "none was there"
                        raise DataError(f"no {split} pair of class {name} can be used with this model ({why})")
        return ready

    @property
    def funnel(self) -> Funnel:
        """What became of every text, down to the examples that the model takes."""
        drops = [
            Drop(f"tokenizer, {'neutral slots' if name == NEUTRAL else 'pairs'}", drop.reason, drop.count, drop.examples)
            for name, examples in self.examples.items()
            for drop in examples.drops
        ]
        kept = [
            (name, sum(pair.factual_class == name for split in SPLITS for pair in self.examples[split].pairs))
            for name in self.data.classes
        ]
        kept += [("neutral texts", len(self.data.neutral_texts)), ("neutral slots", len(self.examples[NEUTRAL].pairs))]
        return evolve(self.data.funnel, kept=tuple(kept), drops=merge((*self.data.funnel.drops, *drops)))

    @cached_property
    def provenance(self) -> Provenance:
        """Where the results come from."""
        chosen = [("paradigm", self.config.paradigm), ("source", self.config.source), ("scope", self.config.scope)]
        chosen += [("learner", self.config.learner)] + [("evaluation", each) for each in self.config.evaluation]
        used = sorted({self.registry.entry(role, choice.kind).plugin for role, choice in chosen})
        return Provenance(
            self.config.general.model, self.loaded.fingerprint, self.data.fingerprint(), self.gradients.scope.fingerprint(),
            self.seed, tuple(used),
        )  # fmt: skip

    @cached_property
    def feature(self) -> LearnedFeature:
        """The learned feature."""
        examples, gradients = self.examples, self.gradients
        self.plugins.tell("gradiend_run_started", provenance=self.provenance)
        learner = self._build("learner", self.config.learner.kind, self.config.learner.config)
        with self.stage("learning"):
            feature = learner.learn(
                LearningTask(
                    gradients, examples["train"], examples["validation"], self.data.classes, self.seed,
                    lambda row: self.plugins.tell("gradiend_step_finished", row=row),
                )
            )  # fmt: skip
        self.plugins.tell("gradiend_feature_learned", feature=feature)
        return feature

    @cached_property
    def reports(self) -> dict[str, Report]:
        """The report of each configured evaluator."""
        task = EvaluationTask(
            self.feature, self.gradients, self.source, self.loaded.tokenizer, self.examples, self.data, self.seed
        )  # fmt: skip
        reports = {}
        for choice in self.config.evaluation:
            with self.stage(f"evaluation_{choice.kind}"):
                reports[choice.kind] = self._build("evaluation", choice.kind, choice.config).evaluate(task)
            self.plugins.tell("gradiend_evaluated", report=reports[choice.kind])
        return reports

    def update(self, toward: str, learning_rate: float | None = None) -> WeightUpdate:
        """The edit that strengthens a class; the learning rate is the one that the decoder evaluation chose."""
        if learning_rate is None:
            if toward not in self.feature.classes:
                raise ConfigError(unknown("class", toward, self.feature.classes))
            if "decoder" not in self.reports:
                raise ConfigError("no decoder evaluation has chosen a learning rate; give one")
            learning_rate = float(self.reports["decoder"][toward, "learning_rate"] or 0.0)
        return self.feature.update(toward, learning_rate)

    def rewrite(self, toward: str, learning_rate: float | None = None) -> RewrittenModel:
        """A copy of the model with the edit in its weights; this session's own model stays as it is."""
        from gradiend_core.rewriting.apply import apply_update
        from gradiend_core.rewriting.model import RewrittenModel

        update = self.update(toward, learning_rate)
        with self.stage("rewriting"):
            model = copy.deepcopy(self.loaded.model)
            apply_update(model, update)
        self.plugins.tell("gradiend_model_rewritten", update=update)
        return RewrittenModel(model, self.loaded.tokenizer, update, toward)

    @contextmanager
    def rewritten(self, toward: str, learning_rate: float | None = None) -> Iterator[nn.Module]:
        """The session's own model with the edit in place while the block runs; every bit is restored after it."""
        from gradiend_core.rewriting.apply import Rewriter

        update = self.update(toward, learning_rate)
        with Rewriter(self.loaded.model, update.scope) as rewriter:
            rewriter.apply(update)
            yield self.loaded.model

    def figures(self) -> Iterator[tuple[str, Any]]:
        """Each configured figure that the reports allow, as (name, matplotlib Figure)."""
        for choice in self.config.figures:
            with self.stage("figures"):
                figure = self._build("figures", choice.kind, choice.config).draw(self.feature, self.reports)
            if figure is not None:
                yield choice.kind, figure

    def results(self) -> dict[str, Any]:
        """All numbers, nested, with timing in seconds by stage and provenance."""
        return {
            **{name: report.nested() for name, report in self.reports.items()},
            "data": {"funnel": asdict(self.funnel), "counts": self._counts()},
            "training": {"best_step": self.feature.best_step, "steps": len(self.feature.training)},
            "warnings": [warning for report in self.reports.values() for warning in report.warnings],
            "timing": {**self.timing, "total": sum(self.timing.values())},
            "provenance": asdict(self.provenance),
        }

    def _counts(self) -> dict[str, dict[str, int]]:
        counts: dict[str, dict[str, int]] = {split: {} for split in SPLITS}
        for (split, name), number in sorted(self.data.counts().items()):
            counts[split][name] = number
        return counts


def model_fingerprint(model: nn.Module) -> str:
    """A hash of names, shapes and sums of the weights: quick, and different after any training or rewriting."""
    digest = hashlib.sha256()
    for name, parameter in model.named_parameters():
        values = parameter.detach().double()
        digest.update(f"{name}{tuple(parameter.shape)}{float(values.sum())!r}{float(values.abs().sum())!r}".encode())
    return digest.hexdigest()[:16]
