"""Scores: what is masked, what is read, and that nothing but the model matters."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
import torch

from gradiend_core import Session
from gradiend_core.errors import ConfigError
from gradiend_core.gradients import texts as texts_module
from gradiend_core.learning.encodings import labels_of
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.testing.gradients import naive_gradients
from tests.conftest import settings


@pytest.fixture(scope="module", params=["tiny-mlm", "tiny-clm"])
def run(request):
    return Session("english-pronouns", model=request.param, **settings())


def prepared(run: Session, seed: int = 0):
    return run.source.prepare_texts(run.data.neutral_texts, run.loaded.tokenizer, run.loaded.model, seed)


def test_encodings_are_those_of_each_example_alone(run):
    report, feature = run.reports["encoder"], run.feature
    examples = run.examples["test"]
    matrix = naive_gradients(run.gradients, examples, feature.source)
    alone = (matrix @ feature.encoder + feature.encoder_bias).tanh()
    found = [row[4] for row in report.tables["encodings"].rows if row[0] == "test"]
    assert found == pytest.approx(alone.tolist(), abs=1e-3)
    labels = labels_of(examples.pairs, feature.classes)
    assert report["test.correlation"] == pytest.approx(float(np.corrcoef(alone, labels)[0, 1]), abs=1e-4)
    assert report["test.accuracy"] == pytest.approx(float((alone.sign() == labels).double().mean()), abs=1e-6)
    for name, sign in (("3SG", 1.0), ("3PL", -1.0)):
        assert report["test", "mean_by_class", name] == pytest.approx(float(alone[labels == sign].mean()), abs=1e-3)
    assert report["neutral.n"] == len(run.examples["neutral"].pairs)
    classes = {row[1] for row in report.tables["encodings"].rows}
    assert classes == {"3SG", "3PL", "neutral"}


def test_the_decoders_probabilities_are_those_of_transformers(run):
    """Base probability by hand: each text alone, with transformers' own forward pass."""
    model, tokenizer = run.loaded.model, run.loaded.tokenizer
    pairs = [pair for pair in run.examples["test"].pairs if pair.factual_class == "3PL"]
    total = 0.0
    for pair in pairs:
        words = [word.capitalize() if pair.factual == "They" else word for word in ("he", "she", "it")]
        if run.config.source.kind == "mlm":
            inputs = tokenizer(f"{pair.left}{tokenizer.mask_token}{pair.right}", return_tensors="pt")
            place = inputs["input_ids"][0].tolist().index(tokenizer.mask_token_id)
            tokens = [tokenizer.convert_tokens_to_ids(word) for word in words]
        else:
            inputs, place = tokenizer(pair.left.rstrip(), return_tensors="pt"), -1
            tokens = [tokenizer.convert_tokens_to_ids(f"Ġ{word}") for word in words]
        with torch.no_grad():
            total += float(model(**inputs).logits[0, place].softmax(-1)[tokens].sum())
    assert run.reports["decoder"]["3SG.base_probability"] == pytest.approx(total / len(pairs), rel=1e-4)


def test_what_is_not_asked_for_is_not_measured():
    kinds = {"kinds": ["encoder", "decoder"], "encoder": {"splits": ["test"], "max_pairs": 5}, "decoder": {"toward": ["3PL"]}}
    run = Session("english-pronouns", **settings(), evaluation=kinds)
    encoder = run.reports["encoder"]
    assert encoder["test.n"] == 10
    assert not any(path[0] in ("train", "validation") for path in encoder.metrics)
    assert set(run.reports["decoder"].tables["candidates"].column("toward")) == {"3PL"}
    assert run.strengthened() == ["3PL"]
    with pytest.raises(ConfigError, match="did not look for an edit toward 3SG; give a learning rate"):
        run.update("3SG")
    assert run.update("3SG", 0.5).learning_rate == 0.5


def test_the_grid_is_measured_once_and_leaves_the_model(run, monkeypatch):
    before = {name: value.clone() for name, value in run.loaded.model.state_dict().items()}
    table = run.reports["decoder"].tables["candidates"]
    rates = [row[2] for row in table.rows if row[0] == "3SG"]
    assert rates[0] == 0.0
    assert rates[1:] == sorted(rates[1:])
    assert rates[1] == 0.001
    scores = [row[4] for row in table.rows if row[0] == "3SG"]
    assert all(score < 0.5 * scores[0] for score in scores[-2:]), "the search ended where the model was broken"
    assert all(max(pair) >= 0.5 * scores[0] for pair in pairwise(scores[:-1])), "and not before"
    assert sum(row[5] for row in table.rows) == 2
    assert all(torch.equal(before[name], value) for name, value in run.loaded.model.state_dict().items())
    for toward, sign in (("3SG", -1.0), ("3PL", 1.0)):
        assert {row[1] for row in table.rows if row[0] == toward} == {sign}
        base, best = (run.reports["decoder"][toward, f"{name}_lms"] for name in ("base", "rewritten"))
        assert best >= 0.99 * base


def test_special_tokens_are_never_predicted(run):
    special = set(run.loaded.tokenizer.all_special_ids)
    seen = 0
    for batch in prepared(run):
        seen += len(batch.targets)
        assert not special & set(batch.targets.tolist())
        assert (batch.positions >= 0).all()
        if run.config.source.kind == "mlm":
            chosen = batch.input_ids[batch.rows, batch.positions]
            assert (chosen == run.loaded.tokenizer.mask_token_id).all()
            assert int((batch.input_ids == run.loaded.tokenizer.mask_token_id).sum()) == len(batch.targets)
            assert set(batch.rows.tolist()) == set(range(len(batch.input_ids))), "every text has a mask"
        else:
            predicted = batch.input_ids[batch.rows, batch.positions + 1]
            assert torch.equal(predicted, batch.targets)
    assert seen > 60


def test_masks_follow_their_seed_and_touch_no_global_state(run):
    torch.manual_seed(5)
    random.seed(5)
    states = torch.get_rng_state(), random.getstate()
    one, two, three = prepared(run), prepared(run), prepared(run, seed=1)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    equal = [torch.equal(a.input_ids, b.input_ids) for a, b in zip(one, two, strict=True)]
    assert all(equal)
    if run.config.source.kind == "mlm":
        assert not all(torch.equal(a.input_ids, b.input_ids) for a, b in zip(one, three, strict=True))


def test_scores_do_not_depend_on_the_batch(run, monkeypatch):
    model = run.loaded.model
    whole, n = run.source.language_modelling_score(model, prepared(run))
    monkeypatch.setattr(texts_module, "TEXT_BUDGET", 1)
    batches = prepared(run)
    assert {len(batch.input_ids) for batch in batches} == {1}
    alone, m = run.source.language_modelling_score(model, batches)
    assert n == m
    assert whole == pytest.approx(alone, rel=1e-4)


def test_losses_are_cross_entropies(run):
    examples = run.examples["train"]
    batch = examples.batch([0, 1, 2], "cpu")
    with torch.no_grad():
        losses = run.source.losses(run.loaded.model, batch)
        right = -run.source.slot_log_probabilities(run.loaded.model, batch).gather(1, batch.fillers)
    assert torch.allclose(losses, right, atol=1e-4)
    assert GradientRole.DIFFERENCE.loss_weights == (1.0, -1.0)
