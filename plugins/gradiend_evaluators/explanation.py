"""Where in test texts, and where in the model, the encoder reads the feature: a few texts token by token, and
for more texts how much is read at the slot and how much around it."""

from __future__ import annotations

from attrs import frozen

from gradiend_core.api import (
    EvaluationTask,
    Explanation,
    Metric,
    Metrics,
    Report,
    Table,
    code_of,
    explanations,
    shown,
    subset,
)
from gradiend_evaluators import ExplanationSettings


@frozen
class TokenRow:
    """The share of a token in the encoding, before tanh; `token` is empty where weights cannot be told apart
    by token."""

    text: int
    encoding: float
    position: int
    token: str
    slot: bool
    share: float


@frozen
class LayerRow:
    """The share of a token through one layer."""

    text: int
    layer: int | None
    position: int
    share: float


class ExplanationEvaluator:
    """Reads test pairs of both classes."""

    def __init__(self, config: ExplanationSettings) -> None:
        self.config = config

    def evaluate(self, task: EvaluationTask) -> Report:
        feature, test = task.feature, task.examples["test"]
        of_classes = [
            [row for row, pair in enumerate(test.pairs) if code_of(pair, feature.classes) == code]
            for code in (1.0, -1.0)
        ]
        rows = [row for pair in zip(*of_classes, strict=False) for row in pair][: self.config.texts]
        if not rows:
            return Report("explanation", {}, warnings=("no test text has a slot to explain",))
        read = explanations(feature, task.gradients, subset(test, rows), task.tokenizer)
        components: dict[str, float] = {}
        for one in read:
            for name, value in one.of_components.items():
                components[name] = components.get(name, 0.0) + value * _sign(one) / len(read)
        whole = sum(components.values()) or 1.0
        metrics: Metrics = {
            ("share", name): Metric(value / whole, len(read)) for name, value in components.items()
        }
        at_slots = [one.at_slot for one in read if one.at_slot is not None]
        if at_slots:
            metrics["share", "slot"] = Metric(sum(at_slots) / len(at_slots), len(at_slots))
        listed = read[: self.config.listed]
        tables = {
            "by_token": Table.of(
                TokenRow, [row for number, one in enumerate(listed) for row in _tokens(number, one)]
            ),
            "by_layer": Table.of(
                LayerRow, [row for number, one in enumerate(listed) for row in _layers(number, one)]
            ),
        }
        of_components = ", ".join(
            f"{name} {shown(value / whole, '.0%')}" for name, value in components.items()
        )
        at = (
            shown(metrics["share", "slot"].value, ".0%") + " of it at the slot, the rest around; "
            if at_slots
            else ""
        )
        line = f"read      in {len(read)} test texts: {at}through {of_components}"
        return Report("explanation", metrics, tables, lines=(line,))


def _sign(one: Explanation) -> float:
    return 1.0 if float(one.shares.sum()) >= 0 else -1.0


def _tokens(number: int, one: Explanation) -> list[TokenRow]:
    return [
        TokenRow(number, one.encoding, position, token, position in one.slots, value)
        for position, (token, value) in enumerate(zip(one.tokens, one.of_tokens, strict=True))
    ]


def _layers(number: int, one: Explanation) -> list[LayerRow]:
    return [
        LayerRow(number, layer, position, value)
        for layer, values in one.of_layers.items()
        for position, value in enumerate(values)
    ]
