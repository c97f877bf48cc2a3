"""Encoder-decoders: the encoder sees the text with a hidden slot, and the loss is −log P(filler) of the
decoder there. There are two ways to fill a slot. With sentinels (T5), the slot is <extra_id_0>, and the
decoder writes "<extra_id_0> filler"; with a mask (BART), the decoder writes the whole text again, and has the
text before the slot when it reaches it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from attrs import evolve, frozen

from gradiend_core.api import (
    Drop,
    Examples,
    GradientSettings,
    HiddenText,
    MinimalPair,
    ModelError,
    SlotSource,
    TextBatch,
    TextRow,
    TextScores,
    TokenBatch,
    accuracy_scores,
    architecture,
    config_of,
    hidden_text_batches,
    load_model,
    pad_id,
    padded,
    prepare_slots,
    token_limit,
)
from gradiend_seq2seq import Seq2SeqSettings

if TYPE_CHECKING:
    from torch import nn

SENTINEL = "<extra_id_{}>"


@frozen(eq=False)
class DecodedExamples:
    """Slots in the encoder's text, with the decoder's input before each filler."""

    encoded: Any  # SlotExamples
    decoder: tuple[tuple[int, ...], ...]

    @property
    def pairs(self) -> tuple[MinimalPair, ...]:
        return self.encoded.pairs  # type: ignore[no-any-return]

    @property
    def drops(self) -> tuple[Drop, ...]:
        return self.encoded.drops  # type: ignore[no-any-return]

    @property
    def lengths(self) -> tuple[int, ...]:
        return self.encoded.lengths  # type: ignore[no-any-return]

    def batch(self, rows: Sequence[int], device: Any) -> TokenBatch:
        tokens: TokenBatch = self.encoded.batch(rows, device)
        ids, _ = padded(
            [self.decoder[row] for row in rows], self.encoded.pad, device
        )  # a decoder does not look ahead
        slot = torch.tensor([len(self.decoder[row]) - 1 for row in rows], device=device)
        return evolve(tokens, decoder_input_ids=ids, slot=slot)


class Seq2SeqSource(SlotSource):
    """A `LanguageSource` with the text on both sides of the slot."""

    def __init__(self, config: Seq2SeqSettings) -> None:
        self.config = config

    @staticmethod
    def accepts(model: str) -> bool:
        config = config_of(model)
        return (
            architecture(model).endswith("ForConditionalGeneration")
            and config.get("is_encoder_decoder") is True
        )

    def load(self, model: str, settings: GradientSettings) -> tuple[Any, Any]:
        from transformers import AutoModelForSeq2SeqLM

        loaded, tokenizer = load_model(model, AutoModelForSeq2SeqLM, settings)
        _hidden(tokenizer, 1)
        return loaded, tokenizer

    def prepare(self, pairs: Sequence[MinimalPair], tokenizer: Any, model: nn.Module) -> Examples:
        limit = token_limit(tokenizer, model, self.config.max_tokens)
        (hidden,) = _hidden(tokenizer, 1)
        encoded = prepare_slots(
            pairs, tokenizer, limit=limit, see_right=True, mask_id=hidden, pad=pad_id(tokenizer, model)
        )
        start = _start(model)
        before = [
            (hidden,) if tokenizer.mask_token_id is None else row.ids[: row.slot] for row in encoded.rows
        ]
        return DecodedExamples(encoded, tuple((start, *tokens) for tokens in before))

    def prepare_texts(
        self, texts: Sequence[str], tokenizer: Any, model: nn.Module, seed: int, *, every_token: bool = False
    ) -> list[TextBatch]:
        """Texts with hidden tokens."""
        sentinels = _hidden(tokenizer, token_limit(tokenizer, model, self.config.max_tokens))
        start = _start(model)

        def row_of(hidden: HiddenText) -> TextRow:
            positions, targets = hidden.positions, hidden.targets
            decoder: tuple[int, ...]
            if tokenizer.mask_token_id is None:  # the decoder says sentinel, token, sentinel, token, …
                answer = [token for pair in zip(sentinels, targets, strict=False) for token in pair]
                decoder, positions = (start, *answer[:-1]), tuple(range(1, 2 * len(targets), 2))
            else:  # it writes the text again
                decoder = (start, *hidden.ids[: positions[-1]])
            return TextRow(hidden.hidden_by(sentinels), positions, targets, hidden.text, decoder)

        most = len(sentinels)
        return hidden_text_batches(
            texts, tokenizer, model, self.config, seed, row_of, most=most, every_token=every_token
        )

    def score_texts(self, model: nn.Module, prepared: list[TextBatch]) -> TextScores:
        """The score is the accuracy at hidden tokens."""
        return accuracy_scores(model, prepared)


def _hidden(tokenizer: Any, most: int) -> list[int]:
    """What can replace hidden tokens in one text, in order: the mask any number of times, or as many
    sentinels as there are."""
    if tokenizer.mask_token_id is not None:
        return [tokenizer.mask_token_id] * most
    vocabulary = tokenizer.get_vocab()
    hidden: list[int] = []
    while len(hidden) < most and (name := SENTINEL.format(len(hidden))) in vocabulary:
        hidden.append(vocabulary[name])
    if not hidden:
        raise ModelError(
            "the tokenizer has neither a mask token nor <extra_id_0>, so nothing can stand for a slot"
        )
    return hidden


def _start(model: nn.Module) -> int:
    start = model.config.decoder_start_token_id  # type: ignore[union-attr]
    if start is None:
        raise ModelError("the model's config has no decoder_start_token_id, so its decoder cannot begin")
    return int(start)  # type: ignore[arg-type]
