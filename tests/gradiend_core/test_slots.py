"""Slots in tokens: the label is where it should be, padding does not matter, cutting never reaches the
slot."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gradiend_core.errors import ModelError
from gradiend_core.language.fillers import check_single_tokens, filler_ids
from gradiend_core.language.slots import SlotSource, prepare_slots
from gradiend_core.records.pair import MinimalPair
from tests.conftest import asset


def pair(left: str, right: str, factual: str = "he", alternative: str = "they") -> MinimalPair:
    return MinimalPair(left, right, factual, alternative, "3SG", "3PL", "train")


@pytest.fixture(scope="module")
def causal():
    folder = asset("models/stories260k")
    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def test_the_causal_loss_is_minus_log_probability_of_the_next_word(causal):
    model, tokenizer = causal
    left = "Tim was a little boy. One day, "
    examples = prepare_slots([pair(left, " went out.")], tokenizer, limit=96, see_right=False)
    found = SlotSource().losses(model, examples.batch([0], "cpu"))[0]
    ids = tokenizer(left.rstrip(), return_tensors="pt")["input_ids"]
    log_probabilities = model(ids).logits[0, -1].log_softmax(-1)
    wanted = torch.stack(
        [-log_probabilities[tokenizer.convert_tokens_to_ids(word)] for word in ("▁he", "▁they")]
    )
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-05)
    assert torch.exp(-found[0]) > 0.5, (
        "the model knows that Tim is he; half of a word or an early position would not"
    )


def test_what_a_tokenizer_cannot_hold_is_dropped_with_its_reason(causal):
    _, tokenizer = causal
    good, bad, first = (
        pair("One day, ", " ran."),
        pair("One day, ", " ran.", "he", "it was"),
        pair("", " ran.", "He", "They"),
    )
    examples = prepare_slots([good, bad, first], tokenizer, limit=96, see_right=False)
    assert examples.pairs == (good,)
    reasons = " ".join(drop.reason for drop in examples.drops)
    assert "'it was' is 2 tokens" in reasons
    assert "no text before the slot" in reasons


def test_a_target_word_of_several_tokens_is_refused(causal):
    _, tokenizer = causal
    check_single_tokens({"3SG": ("he", "she", "it")}, tokenizer)
    with pytest.raises(ModelError, match=r"'them' of class 3PL is not one token .* leave it out"):
        check_single_tokens({"3SG": ("he",), "3PL": ("they", "them")}, tokenizer)


def test_filler_forms_follow_the_slot(causal):
    _, tokenizer = causal
    pairs = [pair("One day, ", ""), pair("He ran. ", "", "He", "They"), pair('"', "", "He", "They")]
    ids = filler_ids(pairs, ("he", "it"), tokenizer)
    tokens = [tokenizer.convert_ids_to_tokens(list(each)) for each in ids]
    assert tokens == [["▁he", "▁it"], ["▁He"], []], (
        "'It', and 'He' after a quotation mark, are several tokens here"
    )


def test_words_can_be_spared_while_a_class_has_others(causal):
    _, tokenizer = causal
    assert check_single_tokens(
        {"3SG": ("he", "him"), "3PL": ("they",)}, tokenizer, drop_multi_token_words=True
    ) == ["him"]
    with pytest.raises(
        ModelError, match=r"no target word of class 3PL is one token for this tokenizer \('them' is ▁the m\)"
    ):
        check_single_tokens(
            {"3SG": ("he",), "3PL": ("them", "theirs")}, tokenizer, drop_multi_token_words=True
        )
