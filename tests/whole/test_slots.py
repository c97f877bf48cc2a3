"""Slots in tokens: the label is where it should be, padding does not matter, cutting never reaches the
slot."""

from __future__ import annotations

import pytest
import torch

from gradiend_core import Session
from gradiend_core.language.slots import prepare_slots, token_limit
from gradiend_core.records.pair import MinimalPair
from tests.conftest import settings


def pair(left: str, right: str, factual: str = "he", alternative: str = "they") -> MinimalPair:
    return MinimalPair(left, right, factual, alternative, "3SG", "3PL", "train")


@pytest.mark.parametrize("model", ["tiny-mlm", "tiny-clm"])
def test_losses_do_not_depend_on_the_batch(model):
    run = Session("english-pronouns", model=model, **settings())
    examples = run.examples["test"]
    rows = list(range(20))
    assert len({examples.lengths[row] for row in rows}) > 3
    with torch.no_grad():
        together = run.source.losses(run.loaded.model, examples.batch(rows, "cpu"))
        alone = torch.cat([run.source.losses(run.loaded.model, examples.batch([row], "cpu")) for row in rows])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-05)
    assert examples.batch(rows, "cpu").input_ids.shape[1] == max(examples.lengths[row] for row in rows)


def test_cutting_keeps_slot_and_special_tokens():
    run = Session("english-pronouns", **settings())
    tokenizer = run.loaded.tokenizer
    far = pair("the dog ran and " * 30, " slept" + " near the river" * 30)
    for limit in (8, 9, 33, 128):
        (row,) = prepare_slots(
            [far], tokenizer, limit=limit, see_right=True, mask_id=tokenizer.mask_token_id
        ).rows
        assert len(row.ids) == limit
        assert row.ids[row.slot] == tokenizer.mask_token_id
        assert row.ids.count(tokenizer.mask_token_id) == 1
        assert (row.ids[0], row.ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
        assert tokenizer.convert_ids_to_tokens(row.ids[row.slot - 1]) == "and"
        assert tokenizer.convert_ids_to_tokens(row.ids[row.slot + 1]) == "slept"
    for where in (pair("", " slept." + " the dog ran" * 60, "He", "They"), pair("the dog ran " * 60, ".")):
        (row,) = prepare_slots(
            [where], tokenizer, limit=16, see_right=True, mask_id=tokenizer.mask_token_id
        ).rows
        assert len(row.ids) == 16
        assert row.ids[row.slot] == tokenizer.mask_token_id


def test_the_models_own_limit_wins():
    run = Session("english-pronouns", **settings(source={"max_tokens": 5000}))
    assert token_limit(run.loaded.tokenizer, run.loaded.model, 5000) == 128
    long = pair("the dog ran " * 200, " slept.")
    examples = run.source.prepare([long], run.loaded.tokenizer, run.loaded.model)
    assert run.source.losses(run.loaded.model, examples.batch([0], "cpu")).isfinite().all()
