"""A head for what stands to the right of a slot, on a causal model that cannot see it."""

from __future__ import annotations

import pytest
import torch
from gradiend_clm import SlotHeadSettings
from gradiend_clm.head import SlotHeadSource

from gradiend_core import Session
from gradiend_core.errors import ModelError
from gradiend_core.gradients.examples import subset
from gradiend_core.gradients.store import key_of
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.testing.gradients import product_errors
from tests.families.build import word_pieces

#: what decides is only on the right
NAMES = ("Anna", "Tom", "Emma", "Peter", "Ella", "Lisa", "Paul", "Max", "Ben", "Mia")
TEXTS = [
    f"{start} {name} said {pronoun} saw {own} in the {place} with {other}."
    for start in ("Today", "Then", "Later")
    for name in NAMES
    for place in ("garden", "house", "street")
    for pronoun, (own, other) in {
        "he": ("himself", "his friend"),
        "they": ("themselves", "their friend"),
    }.items()
]


def run_with(kind: str, **source: object) -> Session:
    return Session(
        "words",
        model="tiny-clm",
        texts=TEXTS,
        paradigm={"words": {"ONE": ["he"], "MANY": ["they"]}},
        source={"kind": kind, **source},
        learner={"kind": "mean-difference"},
        evaluators={"kinds": []},
    )


@pytest.fixture(scope="module")
def fitted() -> Session:
    run = run_with("clm-head")
    assert run.examples
    return run


def test_the_head_knows_what_only_the_right_tells(fitted):
    report = fitted.record.source_report
    assert report["accuracy_without_head"] < 0.65, "left contexts are the same for both"
    assert report["head_accuracy"] > 0.95
    assert report["validation_loss"] < report["validation_loss_without_head"]
    assert fitted.results()["source"]["head_accuracy"] == report["head_accuracy"]


def test_products_through_the_head_are_exact(fitted):
    some = subset(fitted.examples["train"], range(8))
    for role in (GradientRole.DIFFERENCE, GradientRole.FACTUAL):
        assert max(product_errors(fitted.gradients, some, role).values()) < 1e-4


def test_without_a_head_it_is_the_model_itself(fitted):
    plain, bare = run_with("clm"), SlotHeadSource(SlotHeadSettings())
    pairs, model, tokenizer = plain.examples["test"].pairs[:12], plain.loaded.model, plain.loaded.tokenizer
    with torch.no_grad():
        wanted = plain.source.losses(
            model, plain.source.prepare(pairs, tokenizer, model).batch(range(12), "cpu")
        )
        found = bare.losses(model, bare.prepare(pairs, tokenizer, model).batch(range(12), "cpu"))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0.0001)


def test_fitting_changes_nothing_and_repeats(fitted):
    state = torch.get_rng_state()
    again = run_with("clm-head")
    assert again.examples
    assert torch.equal(torch.get_rng_state(), state)
    assert again.source.fitted == fitted.source.fitted != ""
    assert again.loaded.fingerprint == fitted.loaded.fingerprint
    assert all(parameter.grad is None for parameter in again.loaded.model.parameters())


def test_gradients_are_kept_under_the_head_and_the_settings_that_made_them(fitted):
    examples = fitted.examples["test"]
    with_head = key_of(fitted.gradients, examples, "model", "float32")
    head, fitted.source.head = fitted.source.head, None
    without = key_of(fitted.gradients, examples, "model", "float32")
    fitted.source.head = head
    assert with_head != without
    keys = set()
    for per_token in (False, True):
        run = run_with("clm-span", per_token=per_token)
        keys.add(key_of(run.gradients, run.examples["test"], "model", "float32"))
    assert len(keys) == 2, "sums and means of losses are not the same gradients"


def test_a_head_that_learns_nothing_is_left_out_and_said():
    run = run_with("clm-head", epochs=0)
    assert run.examples
    assert run.source.head is None
    assert "the text on the right is not used" in run.warnings[-1]


def test_a_placeholder_that_is_no_token_is_refused(fitted):
    with pytest.raises(ModelError, match="placeholder ' ' is not a token"):
        SlotHeadSource(SlotHeadSettings(placeholder=" ")).prepare([], word_pieces(), fitted.loaded.model)
