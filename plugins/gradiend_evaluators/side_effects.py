"""What else an edit changes: the same probes for the unedited and the rewritten model, item by item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from attrs import frozen
from torch import Tensor, nn

from gradiend_core.api import (
    ConfigError,
    EvaluationTask,
    Examples,
    Goal,
    Measure,
    Metric,
    Metrics,
    Report,
    Rewriter,
    ScoresTexts,
    Table,
    example_batches,
    measure_of,
    subset,
)
from gradiend_evaluators import SideEffectSettings
from gradiend_evaluators.harness import documents
from gradiend_evaluators.samples import continuations, likeliest
from gradiend_evaluators.sentence_files import SentencePair, crows_pairs, winogender
from gradiend_evaluators.uncertainty import difference_interval

SCORE, GAP = "language modelling score", "|log P − log P'|"


@frozen
class EffectRow:
    """The values of one probe for both models; the interval is that of the change."""

    toward: str
    what: str
    measure: str
    base: float
    rewritten: float
    change: float
    low: float | None
    high: float | None
    n: int

    @property
    def beyond_chance(self) -> bool:
        """Whether the interval excludes 0. Where all items changed equally there is no interval, and none is
        needed."""
        if self.low is None or self.high is None:
            return bool(self.change)
        return self.low > 0 or self.high < 0

    @property
    def shown(self) -> str:
        """The values with the interval of the change."""
        if self.low is None or self.high is None:
            interval = "no interval"
        else:
            interval = f"change {self.low:+.3f} to {self.high:+.3f}"
        return f"{self.base:.3f} → {self.rewritten:.3f} ({interval})"


@frozen
class SampleRow:
    """What both models generate for a text."""

    toward: str
    text: str
    base: str
    rewritten: str


@frozen(eq=False)
class Sample:
    """One value for each item, the number of tokens that it is a sum over (None if it is not a sum), and the
    group of each item."""

    values: Tensor
    counts: Tensor | None = None
    groups: Sequence[str] = ()

    @property
    def mean(self) -> float:
        return float(self.values.sum() / (len(self.values) if self.counts is None else self.counts.sum()))


#: (what, measure): its sample, by the model as it is now
Samples = dict[tuple[str, str], Sample]
Probe = Callable[[nn.Module], Samples]


class SideEffectEvaluator:
    """Evaluates the edits that an earlier evaluator chose; each is applied to the model in place and
    undone."""

    def __init__(self, config: SideEffectSettings) -> None:
        self.config = config

    def evaluate(self, task: EvaluationTask) -> Report:
        model, warnings = task.gradients.model, []
        edits = {goal: task.edit(goal.name) for goal in task.goals}
        for goal in [goal for goal, update in edits.items() if not update.learning_rate]:
            warnings.append(f"no edit toward {goal.name} was chosen, so it has no side effects")
            del edits[goal]
        probes = list(self._probes(task)) if edits else []
        base, base_shown = _all(probes, model), self._shown(task) if edits else {}
        rows: list[EffectRow] = []
        samples: list[SampleRow] = []
        lines: list[str] = []
        with Rewriter(model, task.feature.scope) as rewriter:
            for goal, update in edits.items():
                rewriter.apply(update)
                after, after_shown = _all(probes, model), self._shown(task)
                effects = [_row(goal, key, base[key], after[key], task.seed) for key in base]
                rows += effects
                samples += [
                    SampleRow(goal.name, text, before, after_shown[text])
                    for text, before in base_shown.items()
                ]
                lines.append(verdict(goal, effects))
        metrics: Metrics = {
            (row.toward, row.what, row.measure, name): Metric(getattr(row, name), row.n)
            for row in rows
            for name in ("base", "rewritten", "change", "low", "high")
        }
        tables = {"effects": Table.of(EffectRow, rows), "samples": Table.of(SampleRow, samples)}
        return Report("side-effects", metrics, tables, tuple(warnings), tuple(lines))

    def _probes(self, task: EvaluationTask) -> Iterator[Probe]:
        measure = measure_of(task, self.config.max_texts)
        if measure.prepared:
            yield lambda _: neutral_text(measure)
        yield partial(feature_slots, task, measure)
        controls = task.controls()
        for name in sorted({pair.factual_class for pair in controls.pairs}):
            rows = [row for row, pair in enumerate(controls.pairs) if pair.factual_class == name][
                : self.config.max_texts
            ]
            yield partial(other_slots, task, name, subset(controls, rows))
        if self.config.winogender:
            yield sentence_pairs(
                task, "Winogender", "prefers female to male", winogender(self.config.winogender)
            )
        if self.config.crows_pairs:
            yield sentence_pairs(
                task, "CrowS-Pairs", "prefers the stereotype", crows_pairs(self.config.crows_pairs)
            )

        if self.config.lm_eval:
            yield lambda model: {
                key: Sample(values)
                for key, values in documents(
                    task, self.config.lm_eval, self.config.lm_eval_tasks, model
                ).items()
            }

    def _shown(self, task: EvaluationTask) -> dict[str, str]:
        """The generated text of each text: the continuation of prompts, and the most likely words at slots of
        the test texts."""
        return {
            **continuations(task, self.config.prompts, self.config.new_tokens),
            **likeliest(task, self.config.samples),
        }


def _all(probes: Sequence[Probe], model: nn.Module) -> Samples:
    return {key: sample for probe in probes for key, sample in probe(model).items()}


def neutral_text(measure: Measure) -> Samples:
    scores = measure.language()
    assert scores is not None
    return {
        ("neutral text", SCORE): Sample(scores.scores, scores.tokens),
        ("neutral text", "−log P of a token"): Sample(scores.surprisals, scores.tokens),
    }


def feature_slots(task: EvaluationTask, measure: Measure, model: nn.Module) -> Samples:
    """The words of both classes at the slots of both classes' test texts."""
    samples, classes = {}, task.feature.classes
    for texts_of in classes:
        slots = measure.slots("test", texts_of)
        documents = [pair.document for pair in slots.examples.pairs]
        for words_of, values in zip(classes, slots(model).unbind(1), strict=True):
            samples[f"texts of {texts_of}", f"P({words_of})"] = Sample(values, None, documents)
    return samples


def other_slots(task: EvaluationTask, name: str, examples: Examples, model: nn.Module) -> Samples:
    """The original words in slots of classes that the edit is not about."""
    values = torch.zeros(len(examples.pairs), dtype=torch.float64)
    with torch.inference_mode():
        for rows in example_batches(model, examples, task.gradients.device):
            losses = task.source.losses(model, examples.batch(rows, task.gradients.device))
            values[rows] = (-losses[:, 0]).exp().double().cpu()
    documents = [pair.document for pair in examples.pairs]
    return {(f"texts of {name}", "P(its own word)"): Sample(values, None, documents)}


def sentence_pairs(task: EvaluationTask, what: str, measure: str, pairs: Sequence[SentencePair]) -> Probe:
    """How often a model finds the first sentence of a pair more probable, and by how much, by log P of all
    its tokens (for a masked model pseudo-log-likelihood, arXiv 1910.14659)."""
    sentences = [sentence for pair in pairs for sentence in (pair.one, pair.two)]
    model, source = task.gradients.model, task.source
    if not isinstance(source, ScoresTexts):
        raise ConfigError(f"{type(source).__name__} does not score texts, so it cannot compare sentences")
    prepared = source.prepare_texts(sentences, task.tokenizer, model, task.seed, every_token=True)
    kinds = [pair.kind for pair in pairs]

    def probe(model: nn.Module) -> Samples:
        log_likelihood = -source.score_texts(model, prepared).surprisals.view(-1, 2)
        gap = log_likelihood[:, 0] - log_likelihood[:, 1]
        preferred = (gap > 0).double() + 0.5 * (gap == 0)
        samples = {(what, measure): Sample(preferred), (what, GAP): Sample(gap.abs())}
        for kind in sorted(set(kinds)) if len(set(kinds)) > 1 else ():
            samples[f"{what}, {kind}", measure] = Sample(
                preferred[[kind_of_pair == kind for kind_of_pair in kinds]]
            )
        return samples

    return probe


def _row(goal: Goal, key: tuple[str, str], base: Sample, after: Sample, seed: int) -> EffectRow:
    interval = difference_interval(base.values, after.values, seed, counts=base.counts, groups=base.groups)
    low, high = interval or (None, None)
    change = after.mean - base.mean
    return EffectRow(goal.name, *key, base.mean, after.mean, change, low, high, len(base.values))


def verdict(goal: Goal, rows: Sequence[EffectRow]) -> str:
    """The effects of an edit in a sentence: its goal, language modelling, and what else changed beyond
    chance."""
    by_key = {(row.what, row.measure): row for row in rows}
    feature_keys = {
        (f"texts of {texts_of}", f"P({words_of})") for texts_of in goal.classes for words_of in goal.classes
    }
    wanted = "both classes alike"
    if goal.sign:
        row = by_key[f"texts of {goal.texts_of}", f"P({goal.of})"]
        wanted = f"{row.measure} on {row.what} {row.base:.3f} → {row.rewritten:.3f}"
    clauses = [f"toward {goal.name}: {wanted}"]
    if score := by_key.get(("neutral text", SCORE)):
        clauses.append(f"{SCORE} {score.shown}")
    others = [
        row
        for key, row in by_key.items()
        if key not in feature_keys and row.what != "neutral text" and row.measure != GAP
    ]
    if others:
        changed = sorted((row for row in others if row.beyond_chance), key=lambda row: -abs(row.change))
        clauses.append(
            f"{len(changed)} of {len(others)} other probabilities and shares changed beyond chance (95 %)"
        )
        clauses += [f"{row.measure} on {row.what} {row.shown}" for row in changed[:3]]
    return "; ".join(clauses)
