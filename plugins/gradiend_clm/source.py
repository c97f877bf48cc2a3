"""Causal language models: the loss is −log P(filler | the text to its left)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from attrs import evolve, fields_dict

from gradiend_clm import CausalSettings, CausalSpanSettings
from gradiend_core.api import (
    Examples,
    GradientSettings,
    GradientSource,
    MinimalPair,
    ModelError,
    SlotSource,
    TextBatch,
    TextRow,
    TextScores,
    TokenBatch,
    architecture,
    load_model,
    located,
    logits_of,
    model_errors,
    pad_id,
    prepare_slots,
    text_batches,
    text_scores,
    token_limit,
)

if TYPE_CHECKING:
    from torch import Tensor, nn


class CausalSource(SlotSource):
    """A `LanguageSource` with the text before the slot.

    Rows are padded on the right, where a causal model cannot see, so no attention mask is needed.
    """

    sees_right = False

    def __init__(self, config: CausalSettings) -> None:
        self.config = config

    @staticmethod
    def accepts(model: str) -> bool:
        return architecture(model).endswith(("ForCausalLM", "LMHeadModel"))

    def load(self, model: str, settings: GradientSettings) -> tuple[Any, Any]:
        from transformers import AutoModelForCausalLM

        kind = architecture(model)
        if kind and not CausalSource.accepts(
            model
        ):  # transformers would load a BERT as one, and it would see the right
            raise ModelError(
                f"model {model!r} is a {kind}, and this source needs a causal language model; leave"
                " source.kind out"
            )
        loaded, tokenizer = load_model(model, AutoModelForCausalLM, settings)
        if settings.device != "meta" and _looks_ahead(loaded):
            raise ModelError(
                f"model {model!r} ({type(loaded).__name__}) sees the text after a token, so it is no causal"
                " language model; take another, or one with is_decoder in its config"
            )
        return loaded, tokenizer

    def opening(self, tokenizer: Any, model: nn.Module) -> tuple[str, int]:
        """The text before each example, and the number of tokens that a row may then have."""
        if not self.config.chat:
            return "", token_limit(tokenizer, model, self.config.max_tokens)
        if tokenizer.chat_template is None:
            raise ModelError(
                "source.chat is given, but the tokenizer has no chat template; leave it out, or take a chat"
                " model"
            )
        said = [{"role": "user", "content": self.config.chat}]
        try:
            opening = str(tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True))
        except (
            Exception
        ) as error:  # a template is code of the tokenizer's maker, and may raise whatever it likes
            raise ModelError(
                f"the chat template of the tokenizer does not take source.chat: {str(error).splitlines()[0]};"
                " leave source.chat out, or mend the template"
            ) from error
        opening_tokens = len(tokenizer(opening, add_special_tokens=False)["input_ids"])
        limit = token_limit(tokenizer, model, self.config.max_tokens + opening_tokens)
        if limit <= opening_tokens:
            raise ModelError(
                f"the chat before each text has {opening_tokens} tokens, and the model takes {limit}; shorten"
                " source.chat"
            )
        return opening, limit

    def prepare(self, pairs: Sequence[MinimalPair], tokenizer: Any, model: nn.Module) -> Examples:
        opening, limit = self.opening(tokenizer, model)
        return prepare_slots(
            pairs, tokenizer, limit=limit, see_right=False, opening=opening, pad=pad_id(tokenizer, model)
        )

    def filled(self, batch: TokenBatch, filler: int) -> tuple[TokenBatch, Tensor]:
        room = torch.cat(
            [batch.input_ids, batch.input_ids[:, -1:]], 1
        )  # one more token; what it is, no earlier one can see
        ids = room.scatter(1, batch.slot[:, None] + 1, batch.fillers[:, filler : filler + 1])
        return evolve(batch, input_ids=ids), batch.slot + 1

    def prepare_texts(
        self, texts: Sequence[str], tokenizer: Any, model: nn.Module, seed: int, *, every_token: bool = False
    ) -> list[TextBatch]:
        """Texts with every token to predict, except for the first one and special tokens. Nothing is drawn at
        random."""
        opening, limit = self.opening(tokenizer, model)
        rows = []
        for text, tokens in enumerate(located(tokenizer, [("", text, "") for text in texts], opening)):
            positions = [
                position for position in range(1, min(limit, len(tokens.ids))) if not tokens.special[position]
            ]
            targets = tuple(tokens.ids[position] for position in positions)
            rows.append(
                TextRow(tokens.ids[:limit], tuple(position - 1 for position in positions), targets, text)
            )
        return text_batches(rows, pad_id(tokenizer, model), model, needs_mask=False)

    def score_texts(self, model: nn.Module, prepared: list[TextBatch]) -> TextScores:
        """The score is the likelihood of a token given the text to its left."""
        return text_scores(model, prepared)

    def spans(self) -> GradientSource:
        from gradiend_clm.span import CausalSpanSource

        same = {name: getattr(self.config, name) for name in fields_dict(CausalSettings)}
        return CausalSpanSource(CausalSpanSettings(**same))


def _looks_ahead(model: Any) -> bool:
    """Whether the logits of a token change with what comes after it."""
    ids = torch.tensor([[1, 2, 3, 4], [1, 2, 3, 5]], device=model.device)
    batch = TokenBatch(ids, None, ids[:, 0], ids[:, :2])
    with torch.no_grad(), model_errors(model, "reading a text"):
        one, other = (
            logits_of(model, batch, lambda states: states[:, :3].flatten(0, 1)).double().unflatten(0, (2, 3))
        )
    return not torch.allclose(one, other, rtol=1e-2, atol=1e-2 * float(one.abs().max()))
