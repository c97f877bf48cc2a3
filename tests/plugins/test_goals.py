"""Edits for a goal: more of a class, less of it, or both alike; by policies; beside simpler edits."""

from __future__ import annotations

import math

import pytest
import torch
from attrs import evolve
from gradiend_evaluators import BaselineSettings, DecoderSettings, ThresholdSettings, activations
from gradiend_evaluators.baselines import BaselineEvaluator
from gradiend_evaluators.decoder import DecoderEvaluator
from gradiend_evaluators.policies import PredictionIndex, Product, Threshold, gain

from gradiend_core import Session
from gradiend_core.api import NoSettings
from gradiend_core.errors import ConfigError
from gradiend_core.records.candidate import Candidate, TextScores
from gradiend_core.records.goal import check_goals, goal_of, goals_of
from gradiend_core.records.pair import OTHERS
from gradiend_core.rewriting.measuring import SlotProbabilities
from tests.conftest import settings

AXIS = ("one", "two")
#: P(one), P(two) at the slots of two texts of each class
ONE, TWO = torch.tensor([[0.6, 0.1], [0.4, 0.3]]), torch.tensor([[0.2, 0.7], [0.1, 0.5]])


def candidate(lms: float = 0.5, rate: float = 1.0) -> Candidate:
    return Candidate(
        1.0,
        rate,
        {"one": ONE, "two": TWO},
        TextScores(*torch.tensor([[10.0, 30], [lms * 10, lms * 30], [5.0, 7]])),
    )


@pytest.fixture(scope="module", params=["tiny-mlm", "tiny-clm"])
def run(request):
    goals = {"toward": ["less-3SG", "less-3PL", "balanced"]}
    return Session(
        "english-pronouns",
        model=request.param,
        **settings(rewrite=goals, evaluators={"kinds": ["decoder"]}, policy={"kind": "threshold"}),
    )


def middle(model: torch.nn.Module) -> torch.nn.Module:
    return activations.chosen_layers(model, ())[1]


def bits(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_goals_are_named():
    more, less, alike = (goal_of(name, AXIS) for name in ("two", "less-two", "balanced"))
    assert (more.of, more.sign, more.texts_of) == ("two", 1, "one")
    assert (less.of, less.sign, less.texts_of) == ("two", -1, "two")
    assert alike.sign == 0
    assert [goal.name for goal in goals_of((), AXIS)] == ["one", "two"]
    assert [goal.name for goal in goals_of((), ("one", OTHERS))] == ["one"]
    assert [goal.name for goal in goals_of(("less-one", "three"), ("one", OTHERS))] == ["less-one"]
    with pytest.raises(ConfigError, match=r"unknown class 'less-three'.*less-two"):
        check_goals(["less-three"], [AXIS])
    with pytest.raises(ConfigError, match="unknown class 'balanced'"):
        goal_of("balanced", ("one", OTHERS))


def test_policies_by_hand():
    base, own = candidate(0.5, 0.0), candidate(0.4)
    more, less, alike = (goal_of(name, AXIS) for name in ("one", "less-one", "balanced"))
    assert gain(more, own) == pytest.approx(0.15), "P(one) on texts of two"
    assert gain(less, own) == pytest.approx(1 - 0.5), "on its own texts"
    balance = (0.5 * 0.7 + 0.9 * 0.7 + 0.5 * 0.9 + 0.6 * 0.6) / 4
    assert gain(alike, own) == pytest.approx(balance)
    floor = Threshold(ThresholdSettings(0.9))
    assert floor.score(more, own, base) is None
    assert floor.score(more, candidate(0.46), base) == pytest.approx(0.15)
    assert Product(NoSettings()).score(less, own, base) == pytest.approx(0.5 * 0.4)
    index = PredictionIndex(NoSettings())
    first = (0.6 * 0.9 + 0.4 * 0.7 + 0.2 * 0.3 + 0.1 * 0.5) / 4
    second = (0.1 * 0.4 + 0.3 * 0.6 + 0.7 * 0.8 + 0.5 * 0.9) / 4
    for name, value in (
        ("one", first),
        ("less-two", first),
        ("two", second),
        ("less-one", second),
        ("balanced", balance),
    ):
        goal = goal_of(name, AXIS)
        assert index.score(goal, own, base) == pytest.approx(value * 0.4), name
        assert set(index.texts_of(goal)) == set(AXIS)
    assert floor.texts_of(more) == ("two",)
    assert floor.texts_of(less) == ("one",)


def test_scores_are_those_of_all_tokens():
    scores = TextScores(torch.tensor([10.0, 30.0]), torch.tensor([5.0, 9.0]), torch.tensor([20.0, 40.0]))
    assert (scores.n, scores.mean) == (40, pytest.approx(0.35))
    assert scores.perplexity == pytest.approx(math.exp(1.5))


def test_perplexity_is_that_of_transformers(run):
    """By hand: each text alone, with transformers' own loss."""
    source, model, tokenizer = run.source, run.loaded.model, run.loaded.tokenizer
    texts = run.data.neutral_texts[:5]
    scores = source.score_texts(model, source.prepare_texts(texts, tokenizer, model, 0, every_token=True))
    for place, text in enumerate(texts):
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            if run.config.source.kind == "clm":
                total = float(model(input_ids=ids, labels=ids).loss) * (ids.shape[1] - 1)
                expected = ids.shape[1] - 1
            else:
                ordinary = [
                    i for i, token in enumerate(ids[0].tolist()) if token not in tokenizer.all_special_ids
                ]
                total, expected = 0.0, len(ordinary)
                for i in ordinary:
                    masked = ids.clone()
                    masked[0, i] = tokenizer.mask_token_id
                    total -= float(model(input_ids=masked).logits[0, i].log_softmax(-1)[ids[0, i]])
        assert int(scores.tokens[place]) == expected
        assert float(scores.surprisals[place]) == pytest.approx(total, rel=1e-4)


@pytest.mark.slow
def test_a_class_is_weakened_and_both_are_made_alike(run):
    before, report = bits(run.loaded.model), run.reports["decoder"]
    for name in ("3SG", "3PL"):
        assert report[f"less-{name}.base_probability"] > 0.9
        assert report[f"less-{name}.rewritten_probability"] < 0.25
    assert report["balanced.rewritten_probability"] > 9 * report["balanced.base_probability"]
    table = report.tables["candidates"]
    tried = {row[1] for row in table.rows if row[0] == "balanced"}
    assert tried == {0.0, 1.0, -1.0}
    for goal in run.goals():
        assert report[goal, "rewritten_lms"] >= 0.99 * report[goal, "base_lms"]
        assert report[goal, "lms_change_low"] <= report[goal, "rewritten_lms"] - report[goal, "base_lms"]
        assert report[goal, "rewritten_perplexity"] < 2.5 * report[goal, "base_perplexity"]
        with run.rewritten(goal) as model:
            found = {
                name: SlotProbabilities(run.evaluation_task(), "test", name, 500)(model).mean(0)
                for name in ("3SG", "3PL")
            }
        rows = {row[1:3]: row[4] for row in report.tables["probabilities"].rows if row[0] == goal}
        for column, words_of in enumerate(("3SG", "3PL")):
            for texts_of in ("3SG", "3PL"):
                assert rows[words_of, texts_of] == pytest.approx(float(found[texts_of][column]), abs=1e-6)
    after = bits(run.loaded.model)
    assert all(torch.equal(value, after[name]) for name, value in before.items())


@pytest.mark.parametrize("direction", ["decoder-weight", "decoder-bias", "encoder"])
def test_terms_of_the_encoder_decoder_are_edits_too(quick, direction):
    feature, task = quick.feature, quick.evaluation_task()
    task = evolve(task, rewrite=evolve(task.rewrite, direction=direction), goals=task.goals[:1])
    report = DecoderEvaluator(DecoderSettings(evaluations=6)).evaluate(task)
    assert report["3SG.rewritten_probability"] > 10 * report["3SG.base_probability"]
    (edit,) = report.edits
    factor = edit.feature_factor
    expected = {
        "decoder-weight": factor * feature.decoder,
        "decoder-bias": feature.decoder_bias,
        "encoder": factor * feature.encoder,
    }[direction]
    expected = feature.natural(expected, edit.damping)
    torch.testing.assert_close(edit.update(feature).direction, expected, rtol=0, atol=0)


def test_a_policy_and_feature_factors_of_the_run_file():
    tables = settings(
        policy={"kind": "product"}, evaluators={"kinds": ["decoder"], "decoder": {"evaluations": 3}}
    )
    tables["rewrite"] = {"toward": ["3PL"], "feature_factors": [1.0, 2.0], "metric": "none"}
    run = Session("english-pronouns", **tables)
    rows = run.reports["decoder"].tables["candidates"].records()
    assert {row["feature_factor"] for row in rows} == {1.0, 2.0}
    assert len(rows) == 5, "the unedited model is measured once"
    (chosen,) = (row for row in rows if row["chosen"])
    assert chosen["score"] == pytest.approx(chosen["probability"] * chosen["lms"])
    assert chosen["score"] == max(row["score"] for row in rows)
    assert run.update("3PL").feature_factor == chosen["feature_factor"]
    with pytest.raises(ConfigError, match="name it in rewrite.toward"):
        run.update("balanced")


def test_classes_that_share_a_form_have_each_rows_own_fillers():
    """der (feminine dative) against all others, of which der (masculine nominative) is one."""
    run = Session(
        "german-articles",
        classes=["FemDat", "MascNom", "NeutNom"],
        data={"max_per_class": 60, "max_neutral": 20},
        learner={"kind": "adam", "max_steps": 5, "validate_every": 0, "latent_dim": 1},
        evaluators={"kinds": []},
    )
    task = run.evaluation_task()
    found = SlotProbabilities(task, "test", "FemDat", 50)
    assert found.by_words is None
    examples, model = found.examples, run.loaded.model
    with torch.no_grad():
        batch = examples.batch(range(len(found)), "cpu")
        right = run.source.slot_log_probabilities(model, batch).gather(1, batch.fillers).exp()
    torch.testing.assert_close(found(model).float(), right, rtol=1e-5, atol=1e-05)
    other = SlotProbabilities(task, "test", OTHERS, 50)
    assert {pair.alternative_class for pair in other.examples.pairs} == {"FemDat"}
    with torch.no_grad():
        batch = other.examples.batch(range(len(other)), "cpu")
        right = run.source.slot_log_probabilities(model, batch).gather(1, batch.fillers).exp().flip(1)
    torch.testing.assert_close(other(model).float(), right, rtol=1e-5, atol=1e-05)


@pytest.mark.slow
def test_simpler_edits_are_searched_for_like_the_features(run):
    before, task = bits(run.loaded.model), run.evaluation_task()
    goals = goals_of(("3PL", "balanced"), run.feature.classes)
    report = BaselineEvaluator(
        BaselineSettings(steps=12, evaluations=6, pairs=64, strengths=(0.5,), max_texts=200)
    ).evaluate(evolve(task, goals=goals))
    after = bits(run.loaded.model)
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    rows = [
        dict(zip(report.tables["edits"].columns, row, strict=True)) for row in report.tables["edits"].rows
    ]
    assert not any(layer._forward_hooks for layer in run.loaded.model.modules())
    assert [row["method"] for row in rows] == [
        "feature",
        "plain",
        "mean-difference",
        "random",
        "fine-tuning",
        "logit-bias",
        "logit-contrast",
        "output-rows",
        "activation 1",
        "leace 1",
        "feature",
        "plain",
        "leace 1",
    ]
    for row in rows:
        assert row["lms"] >= 0.99 * row["base_lms"]
        parts = row["inside_kl"] + row["split_kl"] + row["outside_kl"]
        assert row["kl"] == pytest.approx(parts, abs=1e-6)
    curves = report.tables["curves"].records()
    strengths = [row["strength"] for row in curves if (row["toward"], row["method"]) == ("3PL", "plain")]
    assert strengths == [0.5, 1.0]
    costs = [row["unwanted_kl"] for row in curves if (row["toward"], row["method"]) == ("3PL", "plain")]
    assert costs == sorted(costs), "a stronger edit costs more"
    by_method = {row["method"]: row["probability"] for row in rows if row["toward"] == "3PL"}
    assert min(by_method[name] for name in ("feature", "mean-difference", "fine-tuning")) > 0.5
    assert by_method["random"] < 0.1


def test_activations_are_those_at_the_fillers(run):
    task, model, tokenizer = run.evaluation_task(), run.loaded.model, run.loaded.tokenizer
    layer, pairs = middle(model), task.examples["train"].pairs
    found = [activations.outputs(task, layer, [3, 0, 5], filler) for filler in (0, 1)]
    for place, row in enumerate([3, 0, 5]):
        for filler, word in enumerate((pairs[row].factual, pairs[row].alternative)):
            text = pairs[row].left + word + (pairs[row].right if run.config.source.kind == "mlm" else "")
            encoded = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
            start = len(pairs[row].left)
            (slot,) = (
                i
                for i, (a, b) in enumerate(encoded["offset_mapping"][0].tolist())
                if a <= start + 1 <= b and b - a >= len(word)
            )
            seen: list[torch.Tensor] = []
            handle = layer.register_forward_hook(lambda _, __, output, seen=seen: seen.append(output))
            with torch.no_grad():
                model(input_ids=encoded["input_ids"])
            handle.remove()
            hidden = seen[0][0] if isinstance(seen[0], tuple) else seen[0]
            torch.testing.assert_close(found[filler][place], hidden[0, slot], rtol=1e-5, atol=0.0001)


def test_an_activation_edit_adds_its_vector_and_leaves(run):
    task, model = run.evaluation_task(), run.loaded.model
    layer = middle(model)
    edit = activations.added_difference(task, layer, range(40), goal_of("3PL", ("3SG", "3PL")))
    plain = activations.outputs(task, layer, [0, 1], None)
    for rate in (0.5, 2.0):
        edit.apply(rate)
        torch.testing.assert_close(
            activations.outputs(task, layer, [0, 1], None) - plain,
            rate * edit.change(plain).expand(2, -1),
            rtol=1e-5,
            atol=0.0001,
        )
    edit.restore()
    assert torch.equal(activations.outputs(task, layer, [0, 1], None), plain)
    factual, alternative = (activations.outputs(task, layer, range(40), filler) for filler in (0, 1))
    three_pl = torch.tensor([pair.factual_class == "3PL" for pair in task.examples["train"].pairs[:40]])
    by_hand = torch.where(three_pl[:, None], factual - alternative, alternative - factual).mean(0)
    torch.testing.assert_close(edit.change(plain), by_hand, rtol=1e-5, atol=0.0001)


def test_erased_classes_cannot_be_told_apart(run):
    """After LEACE the class means at the slot are equal; without it they are not."""
    task = run.evaluation_task()
    layer, rows = middle(run.loaded.model), range(120)
    first = torch.tensor([pair.factual_class == "3SG" for pair in task.examples["train"].pairs[:120]])

    def gap() -> float:
        hidden = activations.outputs(task, layer, rows, None)
        return float((hidden[first].mean(0) - hidden[~first].mean(0)).norm())

    plain = gap()
    edit = activations.erased(task, layer, rows)
    edit.apply(1.0)
    try:
        assert gap() < 1e-3 * plain
    finally:
        edit.restore()
    assert gap() == plain


def test_layers_are_named_by_number(quick):
    settings = BaselineSettings(methods=("activation",), evaluations=2, layers=(0, 2), pairs=20)
    rows = BaselineEvaluator(settings).evaluate(quick.evaluation_task()).tables["edits"].rows
    assert {row[1] for row in rows} == {"feature", "activation 0", "activation 2"}
    with pytest.raises(ConfigError, match=r"layers has 7, but the model's layers are 0 to 2"):
        activations.chosen_layers(quick.loaded.model, (0, 7))


def test_without_the_library_leace_is_left_out_and_said(quick, monkeypatch):
    from gradiend_evaluators import baselines

    monkeypatch.setattr(baselines, "_installed", lambda: False)
    report = BaselineEvaluator(BaselineSettings(methods=("leace",), evaluations=2)).evaluate(
        quick.evaluation_task()
    )
    assert report.warnings == ("leace is left out, as concept-erasure is not installed",)
    assert {row[1] for row in report.tables["edits"].rows} == {"feature"}
