"""Classes that are degrees of one feature: how well they are read in order, above all those that the
direction was not learned from."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from itertools import permutations

import torch
from attrs import frozen
from torch import Tensor

from gradiend_core.api import (
    EvaluationTask,
    Examples,
    Metric,
    Metrics,
    MinimalPair,
    PairData,
    class_means,
    labels_of,
    subset,
)
from gradiend_evaluators.uncertainty import DRAWS, rank_correlation

#: pairs that the direction of half of the degrees is learned from, and that it reads
MOST = 512


def by_degree(split: str, values: Tensor, labels: Tensor, pairs: Sequence[MinimalPair]) -> Metrics:
    """Spearman's correlation with the expected codes, and the mean encoding and number of the pairs of each
    factual class."""
    metrics: Metrics = {(split, "rank_correlation"): Metric(rank_correlation(values, labels), len(values))}
    names = [pair.factual_class for pair in pairs]
    for name in dict.fromkeys(names):
        of_class = values[torch.tensor([other == name for other in names])]
        metrics[split, "mean_by_class", name] = Metric(float(of_class.mean()), len(of_class))
        metrics[split, "n_by_class", name] = Metric(len(of_class), len(of_class))
    return metrics


@frozen(eq=False)
class Half:
    """Test pairs of every second degree, and their gradients along the direction that was learned from pairs
    of the other degrees, [pairs]. `weights` has, for each pair, those of all degrees in its code, [pairs,
    degrees]."""

    values: Tensor
    weights: Tensor

    def correlations(self, grades: Tensor) -> Tensor:
        """The correlations with the codes that pairs have with some grades, [draws], from [draws,
        degrees]."""
        codes = self.weights @ grades.T
        codes, values = (
            torch.nn.functional.normalize(numbers - numbers.mean(0), dim=0)
            for numbers in (codes, self.values.double())
        )
        return codes.T @ values


def unseen_degrees(task: EvaluationTask) -> Metrics:
    """How well degrees are read that the direction was not learned from.

    Each word has a gradient of its own, so any order of words can be learned, and read again in other texts
    with the same words. Therefore a direction is learned from pairs of every second degree and read in test
    pairs of the others, and the other way round. The mean of both correlations is reported. The p-value is
    the fraction of random orders of the degrees that are read at least as well. Nothing is reported for fewer
    than four degrees, or for degrees without pairs."""
    names = sorted(task.data.grades, key=task.data.grades.__getitem__)
    every_second = [list(range(start, len(names), 2)) for start in (0, 1)]
    halves = [_half(task, names, learned, read) for learned, read in permutations(every_second)]
    grades = torch.tensor([task.data.grades[name] for name in names], dtype=torch.float64).repeat(DRAWS, 1)
    rng = torch.Generator().manual_seed(task.seed)
    for row in grades[1:]:  # the first is as given
        for numbers in every_second:
            row[numbers] = row[numbers][torch.randperm(len(numbers), generator=rng)]
    known = [half for half in halves if half is not None]
    n = sum(len(half.values) for half in known)
    if len(known) < 2:
        return {("test", "unseen_degrees", name): Metric(None, n) for name in ("correlation", "p_value")}
    strengths = torch.stack([half.correlations(grades) for half in known]).mean(0)
    reached = (strengths >= strengths[0] - 1e-9).double().mean()
    return {
        ("test", "unseen_degrees", "correlation"): Metric(float(strengths[0]), n),
        ("test", "unseen_degrees", "p_value"): Metric(float(reached), n),
    }


def _half(task: EvaluationTask, names: Sequence[str], learned: list[int], read: list[int]) -> Half | None:
    """Test pairs of some degrees along the direction of others; None where either has no two codes."""

    def of_degrees(split: str, numbers: list[int]) -> Examples:
        chosen, examples = {names[number] for number in numbers}, task.examples[split]
        rows = [
            row
            for row, pair in enumerate(examples.pairs)
            if {pair.factual_class, pair.alternative_class} <= chosen
        ]
        return subset(examples, random.Random(f"{task.seed}:degrees").sample(rows, min(MOST, len(rows))))

    axis, source = task.feature.classes, task.feature.source
    train, test = of_degrees("train", learned), of_degrees("test", read)
    if any(len(labels_of(some.pairs, axis, source).unique()) < 2 for some in (train, test)):
        return None
    high, low = class_means(task.gradients, train, axis, [source], source)[0]
    values = task.gradients.project(test, (high - low)[None], source)[:, 0].cpu()
    weights = torch.zeros(len(values), len(names), dtype=torch.float64)
    for row, pair in enumerate(test.pairs):
        classes = pair.factual_class, pair.alternative_class
        for name, weight in zip(classes, source.degree_weights, strict=True):
            weights[row, names.index(name)] += weight
    return Half(values, weights)


def beside_frequency(data: PairData) -> Metrics:
    """Spearman's correlation of the degrees with how often their words occur in the pairs. Where it is high,
    what the encoder reads may be how frequent a word is."""
    counts, names = Counter(pair.factual_class for pair in data.pairs), list(data.grades)
    alike = rank_correlation(
        torch.tensor([float(counts[name]) for name in names]),
        torch.tensor([data.grades[name] for name in names]),
    )
    return {("degrees", "frequency_correlation"): Metric(alike, len(names))}
