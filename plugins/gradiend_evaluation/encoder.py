"""What single examples encode to: correlation with the class, spread within it, and neutral text."""

from __future__ import annotations

from collections import Counter

from torch import Tensor

from gradiend_core.api import (
    EvaluationTask,
    Examples,
    Metric,
    MinimalPair,
    Report,
    Table,
    correlation,
    encodings,
    labels_of,
    subset,
)
from gradiend_evaluation import EncoderSettings

#: an encoding beyond this tells classes apart but not how strongly
SATURATED = 0.99
COLUMNS = ("split", "class", "factual", "alternative", "encoding", "text")


class EncoderEvaluator:
    """Encodes the examples of each split and the neutral slots, in batches, each exactly as if alone."""

    def __init__(self, config: EncoderSettings) -> None:
        self.config = config

    def evaluate(self, task: EvaluationTask) -> Report:
        metrics, rows, warnings = {}, [], []
        for split in self.config.splits:
            examples = self._some(task.examples[split])
            values = encodings(task.feature, task.gradients, examples)
            labels = labels_of(examples.pairs, task.feature.classes)
            metrics |= split_metrics(split, values[labels != 0], labels[labels != 0], task.feature.classes)
            rows += [_row(split, pair, value) for pair, value in zip(examples.pairs, values.tolist(), strict=True)]
        neutral = task.examples["neutral"]
        if neutral.pairs:
            values = encodings(task.feature, task.gradients, neutral)
            metrics |= spread(("neutral",), values)
            metrics["neutral", "mean_absolute"] = Metric(float(values.abs().mean()), len(values))
            kinds = sorted({pair.factual_class for pair in neutral.pairs})
            for kind in kinds if len(kinds) > 1 else ():
                own = values[[pair.factual_class == kind for pair in neutral.pairs]]
                metrics["neutral", "mean_by_class", kind] = Metric(float(own.mean()), len(own))
            rows += [_row("neutral", pair, value) for pair, value in zip(neutral.pairs, values.tolist(), strict=True)]
        else:
            metrics |= {("neutral", name): Metric(None, 0) for name in ("mean", "std")}
            warnings.append("there is no neutral text, so neutral encodings were not measured")
        return Report("encoder", metrics, {"encodings": Table(COLUMNS, tuple(rows))}, tuple(warnings))

    def _some(self, examples: Examples) -> Examples:
        """The first of each class, up to the limit."""
        seen: Counter[str] = Counter()
        rows = []
        for row, pair in enumerate(examples.pairs):
            seen[pair.factual_class] += 1
            if seen[pair.factual_class] <= self.config.max_pairs:
                rows.append(row)
        return subset(examples, rows)


def split_metrics(split: str, values: Tensor, labels: Tensor, classes: tuple[str, str]) -> dict[tuple[str, ...], Metric]:
    """Correlation with the labels, accuracy of the sign, share beyond ±0.99, and mean and spread by class."""
    n = len(values)
    metrics = {
        (split, "correlation"): Metric(correlation(values, labels), n),
        (split, "accuracy"): Metric(float((values.sign() == labels).double().mean()), n),
        (split, "saturated"): Metric(float((values.abs() > SATURATED).double().mean()), n),
        (split, "n"): Metric(n, n),
    }
    for name, sign in zip(classes, (1.0, -1.0), strict=True):
        own = values[labels == sign]
        metrics[split, "mean_by_class", name] = Metric(float(own.mean()), len(own))
        metrics[split, "std_by_class", name] = Metric(float(own.std(correction=0)), len(own))
        metrics[split, "n_by_class", name] = Metric(len(own), len(own))
    return metrics


def spread(path: tuple[str, ...], values: Tensor) -> dict[tuple[str, ...], Metric]:
    n = len(values)
    return {
        (*path, "mean"): Metric(float(values.mean()), n),
        (*path, "std"): Metric(float(values.std(correction=0)), n),
        (*path, "n"): Metric(n, n),
    }


def _row(split: str, pair: MinimalPair, value: float) -> tuple[object, ...]:
    return (split, pair.factual_class, pair.factual, pair.alternative, value, f"{pair.left}[{pair.factual}]{pair.right}")
