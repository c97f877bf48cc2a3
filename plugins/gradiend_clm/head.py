"""A causal language model that also sees the text to the right of a slot, through a small head on top of its
frozen weights.

Before the output layer, the state that predicts the filler is l + A·r + b: l is the usual state before the
slot, and r the mean state of the slot, which holds a placeholder, and of some tokens after it. With A and b
zero this is the plain model; training adds what the right context tells. As the output layer stays, the head
covers the model's whole vocabulary, including words that it was not trained on."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import skip_init

from gradiend_clm import SlotHeadSettings
from gradiend_clm.source import CausalSource
from gradiend_core.api import (
    Examples,
    Metric,
    Metrics,
    MinimalPair,
    ModelError,
    Report,
    TextSlotSource,
    TokenBatch,
    example_batches,
    logits_of,
    pad_id,
    prepare_slots,
)

if TYPE_CHECKING:
    from torch.optim import Optimizer


class SlotHeadSource(CausalSource):
    """A `FittedSource` and a `LanguageSource`; texts are scored by the causal model without the head."""

    #: a head is of one token
    spans = None  # type: ignore[assignment]

    def __init__(self, config: SlotHeadSettings) -> None:
        super().__init__(config)
        self.config: SlotHeadSettings = config
        self.head: nn.Linear | None = None

    @staticmethod
    def accepts(model: str) -> bool:
        """Must be named to be used."""
        return False

    def prepare(self, pairs: Sequence[MinimalPair], tokenizer: Any, model: nn.Module) -> Examples:
        opening, limit = self.opening(tokenizer, model)
        placeholder = tokenizer(self.config.placeholder, add_special_tokens=False)["input_ids"]
        if not placeholder:
            raise ModelError(
                f"source.placeholder {self.config.placeholder!r} is not a token of this tokenizer"
            )
        return prepare_slots(
            pairs,
            tokenizer,
            limit=limit,
            see_right=True,
            mask_id=placeholder[-1],
            opening=opening,
            pad=pad_id(tokenizer, model),
        )

    sees_right = True
    filled = TextSlotSource.filled  # the placeholder is a token of the text

    def states(self, batch: TokenBatch, every: Tensor) -> tuple[Tensor, Tensor]:
        """l and r of each example, [examples, width], from the states of all tokens, [examples, tokens,
        width]."""
        slot, rows = batch.slot.to(every.device), torch.arange(len(every), device=every.device)
        after = torch.arange(every.shape[1], device=every.device) - slot[:, None]
        seen = (after >= 0) & (after <= self.config.window)
        if batch.attention_mask is not None:
            seen = seen & batch.attention_mask.to(every.device).bool()
        share = (seen / seen.sum(1, keepdim=True)).to(every.dtype)
        return every[rows, (slot - 1).clamp(min=0)], (share.unsqueeze(1) @ every)[:, 0]

    def logits(self, model: nn.Module, batch: TokenBatch) -> Tensor:
        def given(every: Tensor) -> Tensor:
            left, right = self.states(batch, every)
            return (
                left
                if self.head is None
                else left + self.head(right.to(self.head.weight.dtype)).to(left.dtype)
            )

        return logits_of(model, batch, given)

    @property
    def fitted(self) -> str:
        """A hash of the head."""
        if self.head is None:
            return ""
        values = torch.cat([parameter.detach().flatten().cpu() for parameter in self.head.parameters()])
        return hashlib.sha256(values.numpy().tobytes()).hexdigest()[:16]

    def fit(self, model: nn.Module, examples: Mapping[str, Examples], seed: int) -> Report:
        """Trains by cross-entropy over the vocabulary, on states that are computed once."""
        self.head = None
        output = model.get_output_embeddings()  # type: ignore[operator]  # of transformers' models, not of any module
        if output is None:
            raise ModelError(
                f"{type(model).__name__} does not say which its output layer is; a slot head cannot stand"
                " before it"
            )
        plain = self._right(model, examples["test"])
        train, validation = (
            [
                torch.cat(columns)
                for columns in zip(*(self._collected(model, examples[name]) for name in names), strict=True)
            ]
            for names in (("train", "neutral_trained"), ("validation",))
        )
        best, losses = self._trained(output, train, validation, seed)
        self.head = best
        with_head = self._right(model, examples["test"])
        count = len(examples["test"].pairs)
        metrics: Metrics = {
            ("head_accuracy",): Metric(with_head, count),
            ("accuracy_without_head",): Metric(plain, count),
            ("validation_loss",): Metric(min(losses), len(validation[2])),
            ("validation_loss_without_head",): Metric(losses[0], len(validation[2])),
            ("epochs",): Metric(len(losses) - 1, len(train[2])),
        }
        line = (
            f"head      says the right filler of two on {with_head:.3f} of test pairs, without the head"
            f" {plain:.3f} (n {count})"
        )
        idle = (
            (
                "the slot head told nothing that the model did not know without it; the text on the right is"
                " not used"
            ),
        )
        return Report("source", metrics, warnings=() if best else idle, lines=(line,))

    def _batches(self, model: nn.Module, examples: Examples) -> Iterator[TokenBatch]:
        device = next(model.parameters()).device
        for rows in example_batches(model, examples, device):
            yield examples.batch(rows, device)

    def _right(self, model: nn.Module, examples: Examples) -> float:
        """The fraction of examples whose factual filler is the more probable one."""
        with torch.inference_mode():
            right = [
                (losses[:, 0] < losses[:, 1])
                for losses in (self.losses(model, b) for b in self._batches(model, examples))
            ]
        return float(torch.cat(right).double().mean())

    def _collected(self, model: nn.Module, examples: Examples) -> tuple[Tensor, Tensor, Tensor]:
        """l, r and the factual filler of each example, in float32."""
        width = model.get_input_embeddings().weight.shape[1]  # type: ignore[operator]
        device = next(model.parameters()).device
        lefts, rights, fillers = (
            [torch.empty(0, width, device=device)],
            [torch.empty(0, width, device=device)],
            [],
        )
        for batch in self._batches(model, examples):

            def keep(every: Tensor, batch: TokenBatch = batch) -> Tensor:
                for kept, state in zip((lefts, rights), self.states(batch, every), strict=True):
                    kept.append(state.float().to(device))
                return every[:, 0]

            with torch.no_grad():
                logits_of(model, batch, keep)
            fillers.append(batch.fillers[:, 0])
        return (
            torch.cat(lefts),
            torch.cat(rights),
            torch.cat([torch.empty(0, dtype=torch.long, device=device), *fillers]),
        )

    def _trained(
        self, output: nn.Module, train: Sequence[Tensor], validation: Sequence[Tensor], seed: int
    ) -> tuple[nn.Linear | None, list[float]]:
        """The head of the epoch with the smallest validation loss (None for the one before training), and the
        losses."""
        (left, right, fillers), config = train, self.config
        head: nn.Linear = skip_init(
            nn.Linear, right.shape[1], left.shape[1], device=left.device
        )  # draws nothing
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        optimizer: Optimizer = torch.optim.AdamW(head.parameters(), config.learning_rate, weight_decay=0.01)
        generator = torch.Generator().manual_seed(seed)
        dtype = next(output.parameters()).dtype

        def loss_of(left: Tensor, right: Tensor, fillers: Tensor) -> Tensor:
            return cross_entropy(output((left + head(right)).to(dtype)).float(), fillers)

        def validated() -> float:
            with torch.no_grad():
                pieces = zip(*(tensor.split(256) for tensor in validation), strict=True)
                return sum(float(loss_of(*piece)) * len(piece[2]) for piece in pieces) / len(validation[2])

        best, losses = None, [validated()]
        for _ in range(config.epochs):
            for rows in torch.randperm(len(fillers), generator=generator).split(config.batch_size):
                optimizer.zero_grad(set_to_none=True)
                grads = torch.autograd.grad(
                    loss_of(left[rows], right[rows], fillers[rows]), list(head.parameters())
                )
                for parameter, grad in zip(head.parameters(), grads, strict=True):
                    parameter.grad = grad
                optimizer.step()
            losses.append(validated())
            if losses[-1] <= min(losses[:-1]):
                best = copy.deepcopy(head)
        if best is not None:
            best.requires_grad_(False)
        return best, losses
