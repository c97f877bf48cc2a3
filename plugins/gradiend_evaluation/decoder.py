"""How far rewriting shifts each class, and at what cost.

For each class: learning rates at the feature factor that strengthens it, from a search or a grid. The rate is chosen on
validation pairs of the other class; base and rewritten probability are then measured on test pairs. The language modelling
score is that of all neutral texts, for choice and report alike."""

from __future__ import annotations

import math

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

        with Rewriter(model, task.feature.scope) as rewriter:
            for toward, other in zip(task.feature.classes, reversed(task.feature.classes), strict=True):
                if self.config.toward and toward not in self.config.toward:
                    continue
                validation = Probability(task, "validation", toward, other, self.config.max_texts)
                test = Probability(task, "test", toward, other, self.config.max_texts)
                trials = Trials(rewriter, task.feature.update(toward, 0.0), validation, lms)
                if self.config.learning_rates:
                    found = grid(trials, self.config.learning_rates)
                else:
                    found = bracket(trials, self.config.lms_floor, self.config.evaluations)
                best = choose(found, self.config.lms_floor)
                base_probability = test()
                if best.learning_rate:
                    rewriter.apply(task.feature.update(toward, best.learning_rate))
                else:
                    warnings.append(
                        f"no candidate toward {toward} beats the unedited model within the floor, so it stays as it is"
                    )
                metrics |= _metrics(toward, found[0], best, base_probability, test(), len(test), tokens)
                rewriter.restore()
                rows += [_row(toward, each, each is best) for each in found]
        return Report("decoder", metrics, {"candidates": Table(COLUMNS, tuple(rows))}, tuple(warnings))


class Probability:
    """Mean probability of a class's words at the slots of another class's texts; everything but the model is fixed."""

    def __init__(self, task: EvaluationTask, split: str, toward: str, other: str, most: int) -> None:
        whole = task.examples[split]
        sign = 1.0 if other == task.feature.classes[0] else -1.0
        rows = [row for row, pair in enumerate(whole.pairs) if code_of(pair, task.feature.classes) == sign][:most]
        self.examples: Examples = subset(whole, rows)
        self.task, device = task, task.gradients.device
        named = [toward] if toward in task.data.words else [name for name in task.data.words if name not in task.feature.classes]
        words = [word for name in named for word in task.data.words[name]]
        ids = task.source.filler_ids(self.examples, words, task.tokenizer)
        self.batches = []
        for places in micro_batches(self.examples.lengths):
            row = torch.tensor([i for i, place in enumerate(places) for _ in ids[place]], device=device, dtype=torch.long)
            token = torch.tensor([each for place in places for each in ids[place]], device=device, dtype=torch.long)
            self.batches.append((self.examples.batch(places, device), row, token))

    def __len__(self) -> int:
        return len(self.examples.pairs)

    def __call__(self) -> float:
        total, model = 0.0, self.task.gradients.model
        with torch.inference_mode():
            for batch, row, token in self.batches:
                log_probabilities = self.task.source.slot_log_probabilities(model, batch)
                total += float(log_probabilities[row, token].double().exp().sum())
        return total / len(self)


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
