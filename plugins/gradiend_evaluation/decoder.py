"""How far rewriting shifts each class, and at what cost.

For each class: learning rates at the feature factor that strengthens it, from a search or a grid. The rate is chosen on
validation pairs of the other class; base and rewritten probability are then measured on test pairs. The language modelling
score is that of all neutral texts, for choice and report alike."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from gradiend_core.api import (
    Candidate,
    ConfigError,
    EvaluationTask,
    Examples,
    Metric,
    Report,
    Rewriter,
    Table,
    Trials,
    bracket,
    choose,
    code_of,
    grid,
    micro_batches,
    subset,
)
from gradiend_evaluation import DecoderSettings

COLUMNS = ("toward", "feature_factor", "learning_rate", "probability", "lms", "chosen")
EFFECTS = ("toward", "words_of", "on_texts_of", "base", "rewritten", "n")


class DecoderEvaluator:
    """Every candidate is put into the model in place; the model is restored to the bit."""

    def __init__(self, config: DecoderSettings) -> None:
        self.config = config

    def evaluate(self, task: EvaluationTask) -> Report:
        source = task.source
        if not hasattr(source, "language_modelling_score"):
            raise ConfigError(f"{type(source).__name__} has no language modelling score; leave the decoder evaluation out")
        texts = task.data.neutral_texts[: self.config.max_texts]
        warnings = []
        model, metrics, rows = task.gradients.model, {}, []
        prepared = source.prepare_texts(texts, task.tokenizer, model, task.seed) if texts else []
        if not prepared:
            warnings.append("there is no neutral text, so no language modelling score guards the edit, and none is made")

        tokens = 0

        def lms() -> float:
            nonlocal tokens
            score, tokens = source.language_modelling_score(model, prepared) if prepared else (math.nan, 0)
            return score

        classes, most = task.feature.classes, self.config.max_texts
        on_test = {name: Probability(task, "test", name, most) for name in classes}
        base = {name: probability() for name, probability in on_test.items()}
        effects = []
        with Rewriter(model, task.feature.scope) as rewriter:
            for toward, other in zip(classes, reversed(classes), strict=True):
                if self.config.toward and toward not in self.config.toward:
                    continue
                validation = Probability(task, "validation", other, most)
                trials = Trials(rewriter, task.feature.update(toward, 0.0), validation.of(toward), lms)
                if self.config.learning_rates:
                    found = grid(trials, self.config.learning_rates)
                else:
                    found = bracket(trials, self.config.lms_floor, self.config.evaluations)
                best = choose(found, self.config.lms_floor)
                if best.learning_rate:
                    rewriter.apply(task.feature.update(toward, best.learning_rate))
                else:
                    warnings.append(
                        f"no candidate toward {toward} beats the unedited model within the floor, so it stays as it is"
                    )
                after = {name: probability() for name, probability in on_test.items()}
                rewriter.restore()
                n = len(on_test[other])
                metrics |= _metrics(toward, found[0], best, base[other][toward], after[other][toward], n, tokens)
                rows += [_row(toward, each, each is best) for each in found]
                effects += [
                    (toward, words_of, texts_of, base[texts_of][words_of], after[texts_of][words_of], len(on_test[texts_of]))
                    for words_of in classes
                    for texts_of in classes
                ]
        tables = {"candidates": Table(COLUMNS, tuple(rows)), "probabilities": Table(EFFECTS, tuple(effects))}
        return Report("decoder", metrics, tables, tuple(warnings))


class Probability:
    """Mean probabilities of each class's words at the slots of one class's texts; everything but the model is fixed."""

    def __init__(self, task: EvaluationTask, split: str, texts_of: str, most: int) -> None:
        whole, classes = task.examples[split], task.feature.classes
        sign = 1.0 if texts_of == classes[0] else -1.0
        rows = [row for row, pair in enumerate(whole.pairs) if code_of(pair, classes) == sign][:most]
        self.examples: Examples = subset(whole, rows)
        self.task, device = task, task.gradients.device
        ids = {}
        for name in classes:
            named = [name] if name in task.data.words else [each for each in task.data.words if each not in classes]
            words = [word for each in named for word in task.data.words[each]]
            ids[name] = task.source.filler_ids(self.examples, words, task.tokenizer)
        self.batches = []
        for places in micro_batches(self.examples.lengths):
            entries = {}
            for name, own in ids.items():
                row = torch.tensor([i for i, place in enumerate(places) for _ in own[place]], device=device, dtype=torch.long)
                token = torch.tensor([each for place in places for each in own[place]], device=device, dtype=torch.long)
                entries[name] = row, token
            self.batches.append((self.examples.batch(places, device), entries))

    def __len__(self) -> int:
        return len(self.examples.pairs)

    def of(self, name: str) -> Callable[[], float]:
        """The probability of one class's words."""
        return lambda: self()[name]

    def __call__(self) -> dict[str, float]:
        totals, model = dict.fromkeys(self.task.feature.classes, 0.0), self.task.gradients.model
        with torch.inference_mode():
            for batch, entries in self.batches:
                log_probabilities = self.task.source.slot_log_probabilities(model, batch)
                for name, (row, token) in entries.items():
                    totals[name] += float(log_probabilities[row, token].double().exp().sum())
        return {name: total / len(self) for name, total in totals.items()}


def _metrics(
    toward: str, base: Candidate, best: Candidate, base_probability: float, probability: float, n: int, tokens: int
) -> dict[tuple[str, ...], Metric]:
    def number(value: float) -> float | None:
        return value if value == value else None

    return {
        (toward, "base_probability"): Metric(base_probability, n),
        (toward, "rewritten_probability"): Metric(probability, n),
        (toward, "base_lms"): Metric(number(base.lms), tokens),
        (toward, "rewritten_lms"): Metric(number(best.lms), tokens),
        (toward, "learning_rate"): Metric(best.learning_rate, n),
        (toward, "feature_factor"): Metric(best.feature_factor, n),
        (toward, "n"): Metric(n, n),
        (toward, "lms_tokens"): Metric(tokens, tokens),
    }


def _row(toward: str, each: Candidate, chosen: bool) -> tuple[object, ...]:
    return (toward, each.feature_factor, each.learning_rate, each.probability, each.lms, chosen)
