"""Encodings of single examples: how well they tell the classes apart, how certain that is, and how neutral
text encodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from attrs import evolve
from torch import Tensor

from gradiend_core.api import (
    EvaluationTask,
    Examples,
    GradientRole,
    Metric,
    Metrics,
    MinimalPair,
    Report,
    Table,
    code_of,
    correlation,
    encodings,
    labels_of,
    on_axis,
    shown,
    subset,
)
from gradiend_evaluators import EncoderSettings
from gradiend_evaluators.degrees import beside_frequency, by_degree, unseen_degrees
from gradiend_evaluators.directions import beside_random_directions
from gradiend_evaluators.encoding_rows import (
    BOUNDARY,
    EncodingRow,
    TransitionRow,
    WordRow,
    by_transition,
    by_word,
    rows_of,
)
from gradiend_evaluators.findings import of_degrees
from gradiend_evaluators.uncertainty import (
    FEW,
    area_under_curve,
    correlation_interval,
    effect_size,
    fewest_groups,
    grouped_p_value,
)

#: an encoding beyond this tells classes apart but not how strongly
SATURATED = 0.99
#: independent texts, documents or words of a class below which a warning is given
ENOUGH = 20


class EncoderEvaluator:
    """Encodes the examples of each split and the neutral slots, in batches, each exactly as if alone."""

    def __init__(self, config: EncoderSettings) -> None:
        self.config = config

    def evaluate(self, task: EvaluationTask) -> Report:
        axis, warnings = task.feature.classes, []
        metrics: Metrics = {}
        rows: list[EncodingRow] = []
        for split in self.config.splits:
            examples = self._some(task.examples[split], last=split == self.config.splits[-1])
            count = self.config.random_directions if split == "test" else 0
            projected, drawn = beside_random_directions(
                task.gradients, examples, task.feature.encoder, task.feature.source, count, task.seed
            )
            values, seen = task.feature.encode(projected), on_axis(examples.pairs, axis)
            labels = labels_of(examples.pairs, axis, task.feature.source)
            chosen = subset(examples, seen.nonzero()[:, 0].tolist())
            metrics |= split_metrics(split, values[seen], labels[seen], axis)
            if task.data.grades:
                metrics |= by_degree(split, values[seen], labels[seen], chosen.pairs)
            if split == "test":
                train = task.examples.get("train")  # other texts have none
                groups = units(chosen.pairs, train.pairs if train else ())
                metrics |= certainty(split, values[seen], labels[seen], groups, task.seed)
                metrics |= random_directions(drawn[seen], values[seen], labels[seen])
                if task.data.grades and train:
                    metrics |= unseen_degrees(task) | beside_frequency(task.data)
                if (fewest := fewest_groups(labels[seen], groups)) < ENOUGH:
                    warnings.append(
                        f"the test rests on {fewest} independent texts, documents or words of a class, fewer"
                        f" than {ENOUGH}: its numbers are not sure, and have no interval below {FEW}"
                    )
            codes = [code_of(pair, axis, task.feature.source) for pair in examples.pairs]
            rows += rows_of(split, examples, values, codes)
        neutral = task.examples["neutral"]
        if task.feature.source is GradientRole.DIFFERENCE and all(
            pair.factual == pair.alternative for pair in neutral.pairs
        ):
            # both fillers are the word itself, so that their difference is nothing, whatever was learned
            metrics |= {("neutral", name): Metric(None, len(neutral.pairs)) for name in ("mean", "std")}
        elif neutral.pairs:
            values = encodings(task.feature, task.gradients, neutral)
            metrics |= neutral_metrics(values, [pair.factual_class for pair in neutral.pairs])
            rows += rows_of("neutral", neutral, values, [0.0] * len(values))
        else:
            metrics |= {("neutral", name): Metric(None, 0) for name in ("mean", "std")}
            warnings.append("there is no neutral text, so neutral encodings were not measured")
        last = self.config.splits[-1]
        tables = {
            "encodings": Table.of(EncodingRow, rows),
            "transitions": Table.of(
                TransitionRow, by_transition([row for row in rows if row.split in (last, "neutral")])
            ),
            "words": Table.of(
                WordRow, by_word([row for row in rows if row.split == last], graded=bool(task.data.grades))
            ),
        }
        report = Report("encoder", metrics, tables, tuple(warnings))
        lines = _lines(report, axis, graded=bool(task.data.grades))
        return evolve(report, lines=tuple(lines), findings=tuple(of_degrees(task, report)))

    def _some(self, examples: Examples, *, last: bool) -> Examples:
        """The first of each class, up to the limit."""
        most = self.config.max_pairs if last else self.config.max_pairs_elsewhere
        seen: Counter[str] = Counter()
        rows = []
        for row, pair in enumerate(examples.pairs):
            seen[pair.factual_class] += 1
            if seen[pair.factual_class] <= most:
                rows.append(row)
        return subset(examples, rows)


def units(pairs: Sequence[MinimalPair], trained: Sequence[MinimalPair]) -> list[str]:
    """The unit within which pairs depend on each other: the word, where words were held out, else the
    document; empty where that is not known, so that each text is a unit."""
    known = {pair.factual.casefold() for pair in trained}
    if known and not any(pair.factual.casefold() in known for pair in pairs):
        return [pair.factual.casefold() for pair in pairs]
    return [pair.document for pair in pairs]


def split_metrics(split: str, values: Tensor, labels: Tensor, classes: tuple[str, str]) -> Metrics:
    """Correlation with the labels, accuracy of the sign and beyond ±0.5, fraction beyond ±0.99, AUC, effect
    size; mean and spread by class. Where classes are degrees, accuracies, AUC and effect size are of the
    pairs whose code is above 0 against those below."""
    n, sided = len(values), labels != 0
    right = (values * labels.sign())[sided].double()
    metrics: Metrics = {
        (split, "correlation"): Metric(correlation(values, labels), n),
        (split, "accuracy"): Metric(float((right > 0).double().mean()), len(right)),
        (split, "beyond_boundary"): Metric(float((right > BOUNDARY).double().mean()), len(right)),
        (split, "saturated"): Metric(float((values.abs() > SATURATED).double().mean()), n),
        (split, "auc"): Metric(area_under_curve(values, labels), n),
        (split, "effect_size"): Metric(effect_size(values, labels), n),
        (split, "n"): Metric(n, n),
    }
    for name, of_class in zip(classes, (labels > 0, labels < 0), strict=True):
        metrics |= metrics_of_class(split, name, values[of_class])
    return metrics


def metrics_of_class(split: str, name: str, values: Tensor) -> Metrics:
    """Mean, spread and number of the encodings of a class."""
    n = len(values)
    return {
        (split, "mean_by_class", name): Metric(float(values.mean()) if n else None, n),
        (split, "std_by_class", name): Metric(float(values.std(correction=0)) if n else None, n),
        (split, "n_by_class", name): Metric(n, n),
    }


def certainty(split: str, values: Tensor, labels: Tensor, groups: Sequence[str], seed: int) -> Metrics:
    """The confidence interval of the correlation, and how often it is reached with random signs of whole
    groups."""
    n, interval = len(values), correlation_interval(values, labels, groups)
    return {
        (split, "correlation_low"): Metric(interval and interval[0], n),
        (split, "correlation_high"): Metric(interval and interval[1], n),
        (split, "p_value"): Metric(grouped_p_value(values, labels, groups, seed), n),
    }


def random_directions(drawn: Tensor, values: Tensor, labels: Tensor) -> Metrics:
    """How strongly random directions, [examples, directions], correlate with the classes: any direction reads
    the tokens that the classes differ in. Only what goes beyond that is due to the feature."""
    count, strength = drawn.shape[1], correlation(values, labels)
    if strength is None or not count:
        return {}
    correlations = torch.tensor(
        [abs(correlation(column, labels) or 0.0) for column in drawn.T], dtype=torch.float64
    )
    reached = int((correlations >= abs(strength)).sum())
    numbers = {
        "mean": float(correlations.mean()),
        "largest": float(correlations.max()),
        "p_value": (1 + reached) / (1 + count),
    }
    return {("test", "random_directions", name): Metric(value, count) for name, value in numbers.items()}


def neutral_metrics(values: Tensor, kinds: list[str]) -> Metrics:
    """The encodings of neutral slots; where there are several kinds, by kind: other classes of the paradigm
    are controls."""
    n = len(values)
    metrics: Metrics = {
        ("neutral", "mean"): Metric(float(values.mean()), n),
        ("neutral", "std"): Metric(float(values.std(correction=0)), n),
        ("neutral", "mean_absolute"): Metric(float(values.abs().mean()), n),
        ("neutral", "within_boundary"): Metric(float((values.abs() <= BOUNDARY).double().mean()), n),
        ("neutral", "n"): Metric(n, n),
    }
    for kind in sorted(set(kinds)) if len(set(kinds)) > 1 else ():
        values_of_kind = values[[kind_of_pair == kind for kind_of_pair in kinds]]
        metrics["neutral", "mean_by_class", kind] = Metric(float(values_of_kind.mean()), len(values_of_kind))
    return metrics


def _lines(report: Report, classes: tuple[str, str], *, graded: bool) -> list[str]:
    """The test split as sentences, if it was encoded."""

    def show(*path: str, form: str = ".3f") -> str:
        return shown(report.get(path), form)

    if report.get("test.n") is None:
        return []
    means = ", means " + ", ".join(
        f"{name} {show('test', 'mean_by_class', name, form='+.3f')}" for name in classes
    )
    correlation_shown = ""
    if report.get("test.correlation") is not None:
        correlation_shown = f"correlation {show('test', 'correlation')} "
    if report.get("test.correlation_low") is not None:
        correlation_shown += f"[{show('test', 'correlation_low')}, {show('test', 'correlation_high')}] "
    neutral = ""
    if report.get("neutral.mean") is not None:
        neutral = f", neutral {show('neutral', 'mean', form='+.3f')}"
    lines = [
        f"encoder   the classes' own words in unseen texts: {correlation_shown}(n = {report['test.n']})"
        f"{'' if graded else means}{neutral}"
    ]
    if graded:
        frequencies = ""
        if report.get("degrees.frequency_correlation") is not None:
            frequencies = (
                f"; rank correlation of degrees and frequencies {show('degrees', 'frequency_correlation')}"
            )
        lines.append(
            f"          degrees that a direction was not learned from: correlation"
            f" {show('test', 'unseen_degrees', 'correlation')} (p ="
            f" {show('test', 'unseen_degrees', 'p_value')} with the degrees in random order)"
            f"{frequencies}"
        )
    if report.get("test.random_directions.largest") is not None:
        mean, largest = (show("test", "random_directions", name) for name in ("mean", "largest"))
        lines.append(f"          random directions read these words by {mean} on average, {largest} at most")
    return lines
