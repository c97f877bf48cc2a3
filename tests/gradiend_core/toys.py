"""What several tests share: a small model of every kind of layer with a source, and a feature of three
parameters."""

from __future__ import annotations

import attrs
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from transformers.pytorch_utils import Conv1D

from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.pair import MinimalPair
from gradiend_core.records.scope import ParameterScope, ParameterSlice

PAIR = MinimalPair("", "", "a", "b", "A", "B", "train")


@attrs.frozen(eq=False)
class Tokens:
    ids: torch.Tensor
    mask: torch.Tensor


@attrs.frozen(eq=False)
class Rows:
    rows: tuple[tuple[int, ...], ...]
    drops: tuple[()] = ()

    @property
    def pairs(self):
        return (PAIR,) * len(self.rows)

    @property
    def lengths(self):
        return tuple(map(len, self.rows))

    def batch(self, rows, device):
        longest = max(len(self.rows[row]) for row in rows)
        ids = torch.tensor(
            [[*self.rows[row], *[0] * (longest - len(self.rows[row]))] for row in rows], device=device
        )
        return Tokens(ids, ids.ne(0))


class MeanSource:
    """Mean of the model's outputs over the tokens, as logits; two labels as the fillers."""

    def losses(self, model, batch):
        outputs = model(batch.ids) * batch.mask.unsqueeze(2)
        logits = outputs.sum(1) / batch.mask.sum(1, keepdim=True)
        labels = [torch.full((len(logits),), label, device=logits.device) for label in (0, 1)]
        return torch.stack([cross_entropy(logits, label, reduction="none") for label in labels], 1)


class Doubled(nn.Embedding):
    def forward(self, input):
        return 2 * super().forward(input)


class Shifted(nn.Embedding):
    """Not a multiple of its rows."""

    def forward(self, ids):
        return super().forward(ids) + 1


class Plain(nn.Module):
    """Only layers that show all; the positions are shared by all examples, and one embedding has a padding
    row."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.positions = Doubled(11, 6, padding_idx=3), Shifted(9, 6)
        self.norm, self.up, self.down = nn.LayerNorm(6), Conv1D(8, 6), nn.Linear(8, 5)

    def forward(self, ids):
        positions = self.positions(torch.arange(ids.shape[1], device=ids.device).unsqueeze(0))
        return self.down(self.up(self.norm(self.words(input=ids) + positions)).tanh())


ROWS = Rows(((4, 5, 6, 7), (2, 8, 9), (1, 2, 10, 4, 5, 6, 7), (9, 10), (8, 7, 6)))


def operator(model: nn.Module, fraction: float = 1.0) -> GradientOperator:
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    scope = ParameterScope(
        tuple(ParameterSlice(name, tuple(value.shape)) for name, value in model.double().named_parameters())
    )
    if fraction < 1:
        scope = scope.narrowed(torch.randperm(scope.size)[: int(scope.size * fraction)])
    return GradientOperator(model, MeanSource(), scope)


SCOPE = ParameterScope(
    (
        ParameterSlice("layer.0.a", (20, 10)),
        ParameterSlice("layer.1.b", (300,)),
        ParameterSlice("c", (10, 50)),
    )
)


def feature(decoder: torch.Tensor, scope: ParameterScope = SCOPE, **more: object) -> LearnedFeature:
    fields = {
        "encoder": decoder.flip(0),
        "encoder_bias": 0.0,
        "decoder": decoder,
        "decoder_bias": torch.zeros_like(decoder),
    }
    roles = {"source": GradientRole.ALTERNATIVE, "target": GradientRole.DIFFERENCE}
    return LearnedFeature(**{**fields, "scope": scope, "classes": ("A", "B"), **roles, **more})


def rows_of(report, table: str, **wanted: object) -> list[dict]:
    table = report.tables[table]
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]
