"""What else an edit changes: the same probes of the unedited and of the rewritten model, item by item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from attrs import frozen
from torch import Tensor, nn

from gradiend_core.api import (
    EvaluationTask,
    Examples,
    Goal,
    Measure,
    Metric,
    Report,
    Rewriter,
    Table,
    measure_of,
    micro_batches,
    subset,
)
from gradiend_evaluation import SideEffectSettings
from gradiend_evaluation.harness import documents
from gradiend_evaluation.samples import continuations, likeliest
from gradiend_evaluation.sentence_files import SentencePair, crows_pairs, winogender
from gradiend_evaluation.uncertainty import difference_interval

COLUMNS = ("toward", "what", "measure", "base", "rewritten", "change", "low", "high", "n")
SAMPLES = ("toward", "text", "base", "rewritten")
SCORE, GAP = "language modelling score", "|log P − log P'|"


@frozen(eq=False)
class Sample:
    """One value for each item, the tokens that it is a sum over (None: it is no sum), and the group of each
    item."""

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
    """The edits are those that an evaluator before this one has chosen; each is put into the model in place
    and undone."""

    def __init__(self, config: SideEffectSettings) -> None:
        self.config = config

    def evaluate(self, task: EvaluationTask) -> Report:
        model, warnings, metrics = task.gradients.model, [], {}
        edits = {goal: task.edit(goal.name) for goal in task.goals}
        for goal in [goal for goal, update in edits.items() if not update.learning_rate]:
            warnings.append(f"no edit toward {goal.name} was chosen, so it has no side effects")
            del edits[goal]
        probes = list(self._probes(task)) if edits else []
        shown = partial(self._shown, task)
        base, base_shown = _all(probes, model), shown() if edits else {}
        rows, samples, lines = [], [], []
        with Rewriter(model, task.feature.scope) as rewriter:
            for goal, update in edits.items():
                rewriter.apply(update)
                after, after_shown = _all(probes, model), shown()
                own = [_row(goal, key, base[key], after[key], task.seed) for key in base]
                rows += own
                samples += [
                    (goal.name, text, before, after_shown[text]) for text, before in base_shown.items()
                ]
                lines.append(verdict(goal, own))
                for _, what, measure, before, now, change, low, high, n in own:
                    values = {"base": before, "rewritten": now, "change": change, "low": low, "high": high}
                    metrics |= {
                        (goal.name, what, measure, name): Metric(value, n) for name, value in values.items()
                    }
        tables = {"effects": Table(COLUMNS, tuple(rows)), "samples": Table(SAMPLES, tuple(samples))}
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
        """Text by what is made of it: what comes after prompts, and the likeliest words at slots of the test
        texts."""
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
    found, classes = {}, task.feature.classes
    for texts_of in classes:
        slots = measure.slots("test", texts_of)
        documents = [pair.document for pair in slots.examples.pairs]
        for words_of, values in zip(classes, slots(model).unbind(1), strict=True):
            found[f"texts of {texts_of}", f"P({words_of})"] = Sample(values, None, documents)
    return found


def other_slots(task: EvaluationTask, name: str, examples: Examples, model: nn.Module) -> Samples:
    """The words that stand in slots of a class which the edit is not about."""
    values = torch.zeros(len(examples.pairs), dtype=torch.float64)
    with torch.inference_mode():
        for places in micro_batches(examples.lengths):
            losses = task.source.losses(model, examples.batch(places, task.gradients.device))
            values[places] = (-losses[:, 0]).exp().double().cpu()
    documents = [pair.document for pair in examples.pairs]
    return {(f"texts of {name}", "P(its own word)"): Sample(values, None, documents)}


def sentence_pairs(task: EvaluationTask, what: str, measure: str, pairs: Sequence[SentencePair]) -> Probe:
    """How often a model finds the first sentence of a pair more probable, by log P of all its tokens (of a
    masked model pseudo-log-likelihood, arXiv 1910.14659), and by how much the two differ."""
    sentences = [sentence for pair in pairs for sentence in (pair.one, pair.two)]
    model, source = task.gradients.model, task.source
    prepared = source.prepare_texts(sentences, task.tokenizer, model, task.seed, every_token=True)  # type: ignore[attr-defined]
    kinds = [pair.kind for pair in pairs]

    def probe(model: nn.Module) -> Samples:
        log_likelihood = -source.score_texts(model, prepared).surprisals.view(-1, 2)  # type: ignore[attr-defined]
        gap = log_likelihood[:, 0] - log_likelihood[:, 1]
        preferred = (gap > 0).double() + 0.5 * (gap == 0)
        found = {(what, measure): Sample(preferred), (what, GAP): Sample(gap.abs())}
        for kind in sorted(set(kinds)) if len(set(kinds)) > 1 else ():
            found[f"{what}, {kind}", measure] = Sample(preferred[[each == kind for each in kinds]])
        return found

    return probe


def _row(goal: Goal, key: tuple[str, str], base: Sample, after: Sample, seed: int) -> tuple[object, ...]:
    interval = difference_interval(base.values, after.values, seed, counts=base.counts, groups=base.groups)
    low, high = interval or (None, None)
    return (goal.name, *key, base.mean, after.mean, after.mean - base.mean, low, high, len(base.values))


def verdict(goal: Goal, rows: Sequence[tuple[object, ...]]) -> str:
    """The effects of an edit in a sentence: what it is for, the language modelling, and what else changed
    beyond chance."""
    by_key = {row[1:3]: row for row in rows}
    ends = {
        (f"texts of {texts_of}", f"P({words_of})") for texts_of in goal.classes for words_of in goal.classes
    }
    wanted = "both classes alike"
    if goal.sign:
        _, what, measure, base, after, *_ = by_key[f"texts of {goal.texts_of}", f"P({goal.of})"]
        wanted = f"{measure} on {what} {base:.3f} → {after:.3f}"
    parts = [f"toward {goal.name}: {wanted}"]
    if score := by_key.get(("neutral text", SCORE)):
        parts.append(f"{SCORE} {score[3]:.3f} → {score[4]:.3f} ({_interval(score)})")
    others = [
        row for key, row in by_key.items() if key not in ends and key[0] != "neutral text" and key[1] != GAP
    ]
    changed = [row for row in others if _beyond_chance(row)]
    if others:
        strongest = sorted(changed, key=lambda row: -abs(row[5]))[:3]  # type: ignore[arg-type]
        named = "".join(
            f"; {row[2]} on {row[1]} {row[3]:.3f} → {row[4]:.3f} ({_interval(row)})" for row in strongest
        )
        parts.append(
            f"{len(changed)} of {len(others)} other probabilities and shares changed beyond chance (95"
            f" %){named}"
        )
    return "; ".join(parts)


def _beyond_chance(row: tuple[object, ...]) -> bool:
    """Whether the interval leaves 0 out; where every item changed alike there is none, and none is needed."""
    return bool(row[5]) if row[6] is None else row[6] > 0 or row[7] < 0  # type: ignore[operator]


def _interval(row: tuple[object, ...]) -> str:
    return "no interval" if row[6] is None else f"change {row[6]:+.3f} to {row[7]:+.3f}"
