"""Whether the model has the feature: does an encoder that was learned from some words read others that it has
never seen?

A classifier of he and they tells *these words*; a model with random weights lets it do that perfectly. If the
model knows number, the gradients of was/were, his/their and dog/dogs lie along the same direction. So the
correlation of encodings with codes is taken for each pair of unseen words, with its sign, and averaged over
groups of pairs that are told apart by the same tokens. It is held against

    random directions    the same number of directions that nothing was learned for
    signs                each group with its sign flipped: is it more than a few lucky words?
    control words        pairs of frequent words that have nothing to do with the classes
    an untrained copy    the model's config with random weights, and the feature learned anew

The p-value is the largest of the first three; the fourth has its own, which is to be large
(arXiv 1810.03292 for random weights, 1909.03368 for control tasks).
"""

from __future__ import annotations

import numpy as np
import torch
from attrs import evolve, frozen
from torch import Tensor

from gradiend_core.api import (
    EvaluationTask,
    GradiendError,
    KnowsWords,
    Metric,
    Metrics,
    MinimalPair,
    Report,
    Table,
    TakesSpans,
    shown,
    word_pairs,
)
from gradiend_evaluators import TransferSettings
from gradiend_evaluators.findings import P, of_transfer
from gradiend_evaluators.related import ENOUGH, WordPairs, control_words, in_texts
from gradiend_evaluators.uncertainty import mean_interval, sign_flip_p_value

#: random directions that an untrained copy is compared with
FEW_DIRECTIONS = 50
#: draws of control words
DRAWS = 999
#: texts and words whose crossing says how much of an encoding is the word and how much the text
CROSSED_TEXTS, CROSSED_WORDS = 20, 3
P_VALUES = ("random_p_value", "sign_p_value", "control_p_value")


@frozen
class WordPairRow:
    """What the encoder reads at two words that it was not trained on: the correlation of the encodings with
    the codes, and the mean encoding of each word. Pairs of one group differ in the same tokens."""

    first: str
    second: str
    kind: str
    group: int
    correlation: float
    mean_first: float
    mean_second: float
    n: int


@frozen(eq=False)
class Transfer:
    """The correlation of each group of word pairs with the codes: for the feature, [groups], and for random
    directions, [groups, directions]."""

    pairs: WordPairs
    encodings: Tensor
    by_pair: Tensor
    by_group: Tensor
    random: Tensor

    @property
    def value(self) -> float:
        return float(self.by_group.mean())

    def p_values(self, seed: int) -> Metrics:
        """How often random directions, with either sign, do as well (if there are any); and how often the
        groups do with random signs."""
        p_values: Metrics = {
            ("sign_p_value",): Metric(sign_flip_p_value(self.by_group.numpy(), seed), len(self.by_group))
        }
        if count := self.random.shape[1]:
            reached = int((self.random.mean(0).abs() >= self.value).sum()) if self.value > 0 else count
            p_values["random_p_value",] = Metric((1 + reached) / (1 + count), count)
        return p_values


class TransferEvaluator:
    """Reads the `related` words of the data: those of the paradigm, or of `data.related`."""

    def __init__(self, config: TransferSettings) -> None:
        self.config = config

    def evaluate(self, task: EvaluationTask) -> Report:
        if not isinstance(task.source, (TakesSpans, KnowsWords)):
            return _nothing(f"{type(task.source).__name__} reads no words, so none could be unseen")
        words = word_pairs(task.data.related, task.feature.classes)
        if not words and task.data.grades:
            return Report("transfer", {})  # unseen degrees show whether the model has the feature
        if not words:
            return _nothing(
                "no words are known that tell these classes apart and were not learned from; name some, the"
                " n-th of a class beside the n-th of the other, in data.related"
            )
        texts = task.ordinary()
        pairs = in_texts(task, words, texts, self.config.texts, self.config.least_texts)
        if pairs is None:
            return _nothing(
                f"none of the {len(words)} pairs of unseen words stands often enough in the {len(texts):,}"
                " texts that were not learned from; give more texts, or other words in"
                " data.related"
            )
        measured = self._measured(task, pairs)
        metrics = self._metrics(task, measured)
        rows = _rows(measured, "related")
        warnings = []
        controls = control_words(task, words, texts, self.config.controls)
        most = self.config.control_texts
        least = min(most, self.config.least_texts)
        control = in_texts(task, controls, texts, most, least) if controls else None
        if control:
            chance = self._measured(task, control, 0)
            metrics |= _control_metrics(measured, chance, task.seed)
            rows += _rows(chance, "control")
        metrics["p_value",] = _largest(metrics)
        if problem := self._untrained(task, pairs, metrics):
            warnings.append(problem)
        metrics |= _crossed(task)
        if len(measured.by_group) < ENOUGH:
            warnings.append(
                f"transfer rests on {len(measured.by_group)} groups of unseen words, too few to be sure of;"
                " more texts or more words (data.related) may help"
            )
        report = Report("transfer", metrics, {"words": Table.of(WordPairRow, rows)}, tuple(warnings))
        has = _shown_to_have(report)
        finding = of_transfer(task, report, has=has)
        return evolve(report, lines=tuple(_lines(report, has=has)), findings=(finding,))

    def _measured(self, task: EvaluationTask, pairs: WordPairs, most: int | None = None) -> Transfer:
        """The feature and at most `most` random directions, on some pairs."""
        feature, count = task.feature, self.config.random_directions
        count = count if most is None else min(count, most)
        values, drawn = pairs.project(feature.encoder, feature.source, count, task.seed)
        encodings = feature.encode(values)
        by_pair = torch.stack(
            [
                _correlations(torch.cat([encodings[:, None], drawn], 1)[rows], pairs.codes[rows])
                for rows in (pairs.pair_of == number for number in range(len(pairs)))
            ]
        )
        groups = torch.tensor(pairs.groups)
        by_group = torch.stack([by_pair[groups == group].mean(0) for group in groups.unique()])
        return Transfer(pairs, encodings, by_pair[:, 0], by_group[:, 0], by_group[:, 1:])

    def _metrics(self, task: EvaluationTask, measured: Transfer) -> Metrics:
        n, value = len(measured.encodings), measured.value
        low, high = mean_interval(measured.by_group.numpy(), task.seed) or (None, None)
        metrics: Metrics = {
            ("correlation",): Metric(value, n),
            ("correlation_low",): Metric(low, n),
            ("correlation_high",): Metric(high, n),
            ("p_value",): Metric(None, n),
            **measured.p_values(task.seed),
            ("pairs",): Metric(len(measured.pairs), n),
            ("groups",): Metric(len(measured.by_group), n),
            ("positive",): Metric(int((measured.by_pair > 0).sum()), len(measured.pairs)),
            ("texts",): Metric(n, n),
        }
        if count := measured.random.shape[1]:
            strengths = measured.random.mean(0).abs()
            metrics |= {
                ("random_mean",): Metric(float(strengths.mean()), count),
                ("random_largest",): Metric(float(strengths.max()), count),
            }
        return metrics

    def _untrained(self, task: EvaluationTask, pairs: WordPairs, metrics: Metrics) -> str:
        """Adds the results of untrained copies of the model, or the reason why there are none. More than one
        copy is measured only if the first reads the words, to tell luck from what any model does."""
        measured: list[Transfer] = []
        p_values: list[float] = []
        for number in range(self.config.untrained):
            try:
                copied = task.untrained(task.seed + 1 + number)
                fewer = pairs.of_model(copied, self.config.control_texts)
            except GradiendError as error:
                return f"no untrained copy of the model was compared: {error}"
            measured.append(self._measured(copied, fewer, FEW_DIRECTIONS))
            p_values.append(_largest(measured[-1].p_values(task.seed)).value or 0.0)
            if p_values[0] > P:
                break
        if measured:
            values = [transfer.value for transfer in measured]
            metrics["untrained_correlation",] = Metric(float(np.mean(values)), len(values))
            metrics["untrained_p_value",] = Metric(float(np.median(p_values)), len(values))
        return ""


def _correlations(columns: Tensor, codes: Tensor) -> Tensor:
    """Pearson's correlation of each column with the codes, [columns]; 0 for a constant column."""
    centred, code = columns.double() - columns.double().mean(0), codes.double() - codes.double().mean()
    length = (centred.square().sum(0) * code.square().sum()).sqrt()
    return torch.where(length > 0, code @ centred / length, 0)


def _control_metrics(measured: Transfer, chance: Transfer, seed: int) -> Metrics:
    """The correlations of unrelated words: as many groups, drawn with random signs, as there are groups of
    related words."""
    generator = np.random.default_rng(seed)
    values, groups = chance.by_group.numpy(), len(measured.by_group)
    drawn = generator.choice(values, (DRAWS, groups)) * generator.choice([-1.0, 1.0], (DRAWS, groups))
    reached = (np.abs(drawn.mean(1)) >= measured.value).sum() if measured.value > 0 else DRAWS
    n = len(chance.encodings)
    return {
        ("control_strength",): Metric(float(np.abs(values).mean()), n),
        ("control_pairs",): Metric(len(chance.pairs), n),
        ("control_p_value",): Metric((1 + float(reached)) / (1 + DRAWS), DRAWS),
        ("control_encoding",): Metric(float(chance.encodings.abs().mean()), n),
    }


def _crossed(task: EvaluationTask) -> Metrics:
    """How much of the variance of encodings is due to the word, to the text, and to neither alone: each test
    text with each of some words (a two-way analysis of variance)."""
    words, classes = task.data.words, task.feature.classes
    if any(name not in words for name in classes):
        return {}
    both = [
        (one, other, classes if sign else classes[::-1])
        for sign, (a, b) in enumerate(((classes[1], classes[0]), (classes[0], classes[1])))
        for one, other in zip(
            words[a][:CROSSED_WORDS], (words[b] * CROSSED_WORDS)[:CROSSED_WORDS], strict=False
        )
    ]
    texts = [pair for pair in task.examples["test"].pairs if pair.factual.islower()][:CROSSED_TEXTS]
    pairs = [
        MinimalPair(text.left, text.right, one, other, *of, "test")
        for text in texts
        for one, other, of in both
    ]
    examples, gradients = task.spans(pairs)
    if len(examples.pairs) < len(pairs) or len(texts) < 2:
        return {}
    feature = task.feature
    values = feature.encode(gradients.project(examples, feature.encoder[None], feature.source)[:, 0].cpu())
    table = values.double().view(len(texts), len(both))
    whole = float((table - table.mean()).square().sum())
    if not whole:
        return {}
    by_word = float((table.mean(0) - table.mean()).square().sum()) * len(texts) / whole
    by_text = float((table.mean(1) - table.mean()).square().sum()) * len(both) / whole
    shares = {"word_share": by_word, "text_share": by_text, "rest_share": max(0.0, 1 - by_word - by_text)}
    return {(name,): Metric(value, table.numel()) for name, value in shares.items()}


def _largest(metrics: Metrics) -> Metric:
    """The largest of the computed p-values against random directions, signs and control words."""
    taken = [metrics[name,] for name in P_VALUES if (name,) in metrics]
    return max(taken, key=lambda metric: metric.value or 0.0)


def _rows(measured: Transfer, kind: str) -> list[WordPairRow]:
    pairs, rows = measured.pairs, []
    for number, (first, second) in enumerate(pairs.words):
        here = pairs.pair_of == number
        one, other = (float(measured.encodings[here & (pairs.codes == code)].mean()) for code in (1.0, -1.0))
        value, n = float(measured.by_pair[number]), int(here.sum())
        rows.append(WordPairRow(first, second, kind, pairs.groups[number], value, one, other, n))
    return sorted(rows, key=lambda row: -row.correlation)


def _nothing(why: str) -> Report:
    return Report("transfer", {}, warnings=(f"whether the model has the feature was not measured: {why}",))


def _shown_to_have(report: Report) -> bool:
    """Whether the feature does better than chance and than a model with random weights."""
    p, untrained = report["p_value"], report.get("untrained_p_value")
    return p is not None and p <= P and (untrained is None or untrained > P)


def _lines(report: Report, *, has: bool) -> list[str]:
    p = report["p_value"]
    if has:
        verdict = "the model has the feature"
    elif p is not None and p <= P:
        verdict = "not shown: a model with random weights does it too"
    else:
        verdict = "not shown to be in the model"

    def show(name: str, form: str = ".2f") -> str:
        return shown(report.get(name), form)

    interval = ""
    if report.get("correlation_low") is not None:
        interval = f" [{show('correlation_low')}, {show('correlation_high')}]"
    lines = [
        (
            f"feature   {verdict}: {report['pairs']} pairs of unseen words are read by"
            f" {show('correlation')}{interval}, p = {show('p_value', '.3f')}"
        ),
        (
            f"chance    random directions {show('random_mean')} ({show('random_largest')} at most), unrelated"
            f" words {show('control_strength')}, untrained copy {show('untrained_correlation')} (p ="
            f" {show('untrained_p_value', '.2f')})"
        ),
    ]
    if report.get("word_share") is not None:
        lines.append(
            f"encodings vary by {show('word_share', '.0%')} with the word in the slot, by"
            f" {show('text_share', '.0%')} with the text, by {show('rest_share', '.0%')} with both together"
        )
    return lines
