"""Scores: what is masked, what is read, and that nothing but the model matters."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import numpy as np
import pytest
import torch
from attrs import asdict, evolve
from gradiend_evaluators import BudgetSettings, DecoderSettings, ThresholdSettings, WhereSettings, directions
from gradiend_evaluators.decoder import DecoderEvaluator
from gradiend_evaluators.directions import beside_random_directions
from gradiend_evaluators.encoder import random_directions, units
from gradiend_evaluators.policies import Budget, Threshold
from gradiend_evaluators.where import WhereEvaluator

from gradiend_core import Session
from gradiend_core.comparison.where import largest_weights, layer_number
from gradiend_core.errors import ConfigError
from gradiend_core.language import texts as texts_module
from gradiend_core.learning.encodings import encodings, labels_of
from gradiend_core.records.candidate import Candidate, TextScores
from gradiend_core.records.goal import goal_of
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.update import WeightUpdate
from gradiend_core.rewriting.apply import applied
from gradiend_core.rewriting.search import Trials, bracket, choose, smaller, within_budget
from gradiend_core.testing.gradients import naive_gradients
from tests.conftest import settings


@pytest.fixture(scope="module", params=["tiny-mlm", "tiny-clm"])
def run(request):
    return Session("english-pronouns", model=request.param, **settings(policy={"kind": "threshold"}))


def prepared(run: Session, seed: int = 0):
    return run.source.prepare_texts(run.data.neutral_texts, run.loaded.tokenizer, run.loaded.model, seed)


def test_encodings_are_those_of_each_example_alone(run):
    report, feature = run.reports["encoder"], run.feature
    examples = run.examples["test"]
    matrix = naive_gradients(run.gradients, examples, feature.source)
    alone = feature.encode(matrix @ feature.encoder)
    found = [row["encoding"] for row in report.tables["encodings"].records() if row["split"] == "test"]
    assert found == pytest.approx(alone.tolist(), abs=1e-3)
    labels = labels_of(examples.pairs, feature.classes)
    assert report["test.correlation"] == pytest.approx(float(np.corrcoef(alone, labels)[0, 1]), abs=1e-4)
    assert report["test.accuracy"] == pytest.approx(float((alone.sign() == labels).double().mean()), abs=1e-6)
    for name, sign in (("3SG", 1.0), ("3PL", -1.0)):
        assert report["test", "mean_by_class", name] == pytest.approx(
            float(alone[labels == sign].mean()), abs=1e-3
        )
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


def test_each_classs_words_are_measured_on_each_classs_texts(run):
    report = run.reports["decoder"]
    table = report.tables["probabilities"]
    rows = {row[:3]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert set(rows) == {(t, w, x) for t in ("3SG", "3PL") for w in ("3SG", "3PL") for x in ("3SG", "3PL")}
    for toward, other in (("3SG", "3PL"), ("3PL", "3SG")):
        own = rows[toward, toward, other]
        assert own["base"] == report[toward, "base_probability"]
        assert own["rewritten"] == report[toward, "rewritten_probability"]
        assert rows[toward, other, other]["rewritten"] <= rows[toward, other, other]["base"], (
            "what one gains the other loses"
        )
        assert rows[toward, other, other]["base"] == rows[other, other, other]["base"]
        assert rows[toward, other, other]["base"] > 0.5 > own["base"]


def test_what_is_not_asked_for_is_not_measured():
    kinds = {"kinds": ["encoder", "decoder"], "encoder": {"splits": ["test"], "max_pairs": 5}}
    run = Session("english-pronouns", **settings(evaluators=kinds, rewrite={"toward": ["3PL"]}))
    encoder = run.reports["encoder"]
    assert encoder["test.n"] == 10
    assert not any(path[0] in ("train", "validation") for path in encoder.metrics)
    assert set(run.reports["decoder"].tables["candidates"].column("toward")) == {"3PL"}
    assert run.goals() == ["3PL"]
    with pytest.raises(
        ConfigError, match="no edit toward 3SG was looked for, only toward 3PL; give a learning rate"
    ):
        run.update("3SG")
    assert run.update("3SG", 0.5).learning_rate == 0.5


def candidate(probability: float, lms: float, rate: float = 0.0) -> Candidate:
    """One whose words of the first class have this probability on texts of the second."""
    values = torch.tensor([[probability, 0.5]], dtype=torch.float64)
    scores = TextScores(*torch.tensor([[100.0], [100 * lms], [200.0]]))
    return Candidate(1.0, rate, {"one": values, "two": values}, scores)


def threshold(base: Candidate, name: str = "one", floor: float = 0.99):
    """What the default policy gives candidates."""
    goal = goal_of(name, ("one", "two"))
    return lambda each: Threshold(ThresholdSettings(floor)).score(goal, each, base)


RATES = [digit * 10**power for power in range(-3, 3) for digit in (1.0, 2.0, 5.0)]


def test_a_grid_ends_where_the_model_is_broken(run):
    before = {name: value.clone() for name, value in run.loaded.model.state_dict().items()}
    task = run.evaluation_task()
    task = evolve(task, rewrite=evolve(task.rewrite, metric="none"))
    report = DecoderEvaluator(DecoderSettings(learning_rates=tuple(RATES))).evaluate(task)
    table = report.tables["candidates"]
    rates = [row["learning_rate"] for row in table.records() if row["toward"] == "3SG"]
    assert rates == [0.0, *RATES][: len(rates)]
    scores = [row["lms"] for row in table.records() if row["toward"] == "3SG"]
    assert all(score < 0.5 * scores[0] for score in scores[-2:]), (
        "the search ended where the model was broken"
    )
    assert all(max(pair) >= 0.5 * scores[0] for pair in pairwise(scores[:-1])), "and not before"
    assert sum(row[-1] for row in table.rows) == 2
    assert all(torch.equal(before[name], value) for name, value in run.loaded.model.state_dict().items())


@pytest.mark.slow
def test_a_search_by_budget_finds_as_much_as_a_grid(run):
    before = {name: value.clone() for name, value in run.loaded.model.state_dict().items()}
    rewrite = evolve(run.config.rewrite, dampings=(0.03, 3.0))
    task = evolve(run.evaluation_task(), policy=Budget(BudgetSettings()), rewrite=rewrite)
    assert task.dampings == (0.03, 3.0)
    grid = DecoderEvaluator(DecoderSettings(learning_rates=tuple(RATES))).evaluate(task)
    report = DecoderEvaluator(DecoderSettings()).evaluate(task)
    for toward, sign in (("3SG", -1.0), ("3PL", 1.0)):
        rows, of_grid = (
            [row for row in some.tables["candidates"].records() if row["toward"] == toward]
            for some in (report, grid)
        )
        assert {row["feature_factor"] for row in rows} == {sign}
        for damping in task.dampings:
            rates = [row["learning_rate"] for row in rows if row["damping"] == damping]
            assert len(rates) <= 7
            assert rates == sorted(set(rates)), "no rate twice"
        (chosen,) = (row for row in rows if row["chosen"])
        (best,) = (row for row in of_grid if row["chosen"])
        assert chosen["probability"] >= 0.95 * best["probability"], "a few rates find what sixteen find"
        assert chosen["damping"] == report[toward, "damping"]
        assert chosen["unwanted_bound"] <= 0.01
        assert report[toward, "unwanted_kl"] <= 0.01, "on text that the choice has not seen"
    assert all(torch.equal(before[name], value) for name, value in run.loaded.model.state_dict().items())


@pytest.mark.parametrize(
    ("probability", "floor_at", "expected"),
    [
        (lambda rate: rate, 0.37, 0.37),  # the more the better, up to the floor
        (lambda rate: rate if rate < 0.05 else 0.1 - rate, 0.9, 0.05),  # a peak well below the floor
        (lambda rate: -rate, 0.9, 0.0),  # every edit harms
        (lambda rate: rate, 1e-4, 1e-4),  # nearly every edit breaks the model
        (lambda rate: rate if rate > 0.3 else -rate, 0.9, 0.9),  # small edits harm, larger ones help
    ],
)
def test_a_search_finds_the_floor_or_the_peak(probability, floor_at, expected):
    class Fake:
        feature_factor = 1.0
        relative_length = 1 / 25  # the first rate is 0.004 · 25
        rate = 0.0

        def apply(self, learning_rate):
            self.rate = learning_rate

    edit = Fake()

    def measure(factor, rate):
        assert (factor, rate) == (1.0, edit.rate)
        return candidate(probability(rate), 1.0 if rate <= floor_at else 0.5, rate)

    trials = Trials(edit, candidate(probability(0.0), 1.0), measure, threshold(candidate(0.0, 1.0)))
    found = bracket(trials, 12)
    assert len(found) == 12
    best = choose(found, threshold(found[0])).learning_rate
    assert best == pytest.approx(expected, rel=0.12)
    assert best <= max(floor_at, expected)


@pytest.mark.parametrize(
    ("probability", "spent", "expected"),
    [
        (lambda rate: rate, lambda rate: (rate / 0.37) ** 2, 0.37),  # the more the better, up to the budget
        (lambda rate: rate, lambda rate: (rate / 3e-4) ** 2, 3e-4),  # far below where the search begins
        (lambda rate: rate, lambda rate: (rate / 500) ** 2, 500),  # and far above
        (lambda rate: rate, lambda rate: math.inf if rate > 0.02 else (rate / 0.9) ** 4, 0.02),  # it breaks
        (lambda rate: rate if rate < 0.05 else 0.1 - rate, lambda rate: (rate / 0.2) ** 2, 0.05),  # a peak
        (lambda rate: -rate, lambda rate: rate, 0.0),  # every edit harms
        (lambda rate: rate, lambda rate: math.nan, 0.0),  # none can be judged
        (lambda rate: rate, lambda rate: -1.0, math.inf),  # none costs anything
    ],
)
def test_a_search_by_budget_finds_the_budget_or_the_peak(probability, spent, expected):
    class Fake:
        feature_factor, relative_length = 1.0, 1 / 25

        def apply(self, learning_rate):
            pass

    def measure(factor, rate):
        return candidate(probability(rate), 1.0, rate)

    trials = Trials(
        Fake(),
        candidate(probability(0.0), 1.0),
        measure,
        lambda candidate: float(candidate.probabilities["one"][0, 0]),
    )
    within_budget(trials, spent)
    smaller(trials, 8)
    tried = trials.sorted()
    assert len(tried) <= 8
    best = choose(tried, trials.score).learning_rate
    if expected == math.inf:
        assert best > 1e6
    else:
        assert best == pytest.approx(expected, rel=0.2)
        assert spent(best) <= 1 or not best


def test_the_unedited_model_is_a_candidate():
    base = candidate(0.2, 0.5)
    harmful, weaker, better = candidate(0.9, 0.4, 1.0), candidate(0.1, 0.5, 0.1), candidate(0.3, 0.496, 0.2)
    broken, lost = candidate(math.nan, 0.6, 5.0), candidate(0.99, math.nan, 9.0)
    score = threshold(base)
    assert choose([base, harmful, weaker, broken, lost], score) is base
    assert choose([base, harmful, weaker, better], score) is better
    assert choose([base, harmful, better], threshold(base, floor=0.5)) is harmful
    assert choose([candidate(0.2, 0.5, 0.1), base], score) is base, "what changes nothing is no edit"
    small = candidate(0.3, 0.5, 0.2)
    assert choose([base, candidate(0.3, 0.5, 0.4), small], score) is small, "of equal ones the smaller edit"


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
    whole = run.source.score_texts(model, prepared(run))
    monkeypatch.setattr(texts_module, "TEXT_BUDGET", 1)
    batches = prepared(run)
    assert {len(batch.input_ids) for batch in batches} == {1}
    alone = run.source.score_texts(model, batches)
    assert torch.equal(whole.tokens, alone.tokens)
    assert whole.mean == pytest.approx(alone.mean, rel=1e-4)
    torch.testing.assert_close(whole.surprisals, alone.surprisals, rtol=0.0001, atol=1e-8)


def test_losses_are_cross_entropies(run):
    examples = run.examples["train"]
    batch = examples.batch([0, 1, 2], "cpu")
    with torch.no_grad():
        losses = run.source.losses(run.loaded.model, batch)
        right = -run.source.slot_log_probabilities(run.loaded.model, batch).gather(1, batch.fillers)
    torch.testing.assert_close(losses, right, rtol=1e-5, atol=0.0001)
    assert GradientRole.DIFFERENCE.loss_weights == (1.0, -1.0)


def test_the_encoder_says_how_sure_it_is(run):
    report = run.reports["encoder"]
    assert report["test.correlation_low"] < report["test.correlation"] < report["test.correlation_high"]
    assert report["test.p_value"] <= 0.01
    assert report["test.auc"] > 0.95
    assert (
        0
        < report["test.random_directions.mean"]
        <= report["test.random_directions.largest"]
        < report["test.correlation"]
    )
    assert report["test.random_directions.p_value"] == pytest.approx(1 / 201)
    assert 0 <= report["neutral.within_boundary"] <= 1
    table = report.tables["transitions"]
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [(row["class"], row["alternative_class"], row["code"]) for row in rows] == [
        ("3SG", "3PL", 1.0),
        ("neutral", "neutral", 0.0),
        ("3PL", "3SG", -1.0),
    ]
    assert rows[0]["mean"] == pytest.approx(report["test", "mean_by_class", "3SG"], abs=1e-6)
    words = report.tables["words"]
    assert set(words.column("word")) == {"he", "she", "it", "they"}
    assert sum(words.column("n")) == report["test.n"]


def test_random_directions_are_directions_of_the_gradients(run, monkeypatch):
    """With the feature's own direction among them, chance would be as good."""
    monkeypatch.setattr(directions, "FEW", 2)  # or they are of some weights only
    feature, examples = run.feature, run.examples["test"]
    labels = labels_of(examples.pairs, feature.classes)
    values, drawn = beside_random_directions(
        run.gradients, examples, feature.encoder, feature.source, 2, run.seed
    )
    torch.testing.assert_close(
        feature.encode(values), encodings(feature, run.gradients, examples), rtol=1e-4, atol=1e-5
    )
    found = random_directions(drawn, values, labels)
    generator = torch.Generator().manual_seed(run.seed)
    weights = torch.randn(2, run.gradients.scope.size, generator=generator)
    matrix = naive_gradients(run.gradients, examples, run.feature.source)
    by_hand = [abs(np.corrcoef(column, labels)[0, 1]) for column in (matrix @ weights.T).T]
    assert found["test", "random_directions", "largest"].value == pytest.approx(max(by_hand), abs=1e-3)
    assert found["test", "random_directions", "mean"].value == pytest.approx(np.mean(by_hand), abs=1e-3)


def test_random_directions_over_a_part_of_the_scope_share_the_pass(run, monkeypatch):
    """Over a large scope they are of some weights only; what they give is what a pass of their own gives."""
    monkeypatch.setattr(directions, "BUDGET", 4000)
    monkeypatch.setattr(directions, "FEW", 4)
    feature, examples = run.feature, run.examples["test"]
    values, drawn = beside_random_directions(
        run.gradients, examples, feature.encoder, feature.source, 3, run.seed
    )
    generator = torch.Generator().manual_seed(run.seed)
    columns = torch.randint(feature.scope.size, (1000,), generator=generator).unique()
    weights = torch.randn(3, len(columns), generator=generator)
    matrix = naive_gradients(run.gradients, examples, feature.source)
    for given, right in ((drawn, matrix[:, columns] @ weights.T), (values, matrix @ feature.encoder)):
        torch.testing.assert_close(given, right, rtol=1e-3, atol=1e-4 * float(right.abs().max()))


def test_controls_are_measured_by_kind():
    tables = settings(evaluators={"kinds": ["encoder"]})
    tables["data"] = {**tables["data"], "identity": True, "neutral_slots": 30}
    report = Session("english-pronouns", **tables).reports["encoder"]
    kinds = {path[2] for path in report.metrics if path[:2] == ("neutral", "mean_by_class")}
    assert kinds == {"1SG", "1PL", "2", "neutral", "neutral slot"}


@pytest.mark.parametrize("every", [1, 3])
def test_the_largest_weights_are_named_by_their_position(quick, every):
    feature = (
        quick.feature
        if every == 1
        else quick.feature.narrowed(torch.arange(0, quick.feature.scope.size, every))
    )
    rows = [asdict(row) for row in largest_weights(feature, 30)]
    assert [abs(row["decoder"]) for row in rows] == feature.decoder.abs().topk(30).values.tolist()
    parameters = dict(quick.loaded.model.named_parameters())
    before = {name: value.detach().clone() for name, value in parameters.items()}
    with applied(quick.loaded.model, WeightUpdate(feature.decoder, feature.scope, 1.0, 1.0)):
        for row in rows:
            position = tuple(map(int, row["position"].split(", ")))
            change = parameters[row["parameter"]][position] - before[row["parameter"]][position]
            assert change.item() == pytest.approx(row["decoder"], rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("listed", [0, 7])
def test_where_lists_as_many_weights_as_asked(quick, listed):
    table = (
        WhereEvaluator(WhereSettings(listed=listed))
        .evaluate(quick.evaluation_task(reports={}))
        .tables["weights"]
    )
    assert len(table.rows) == listed


def test_a_unit_is_compared_with_its_share_of_ordinary_text(run):
    feature, report = run.feature, WhereEvaluator(WhereSettings()).evaluate(run.evaluation_task(0))
    rows = report.tables["units"].records()
    row = next(row for row in rows if row["kind"] == "MLP neuron" and row["rank"] == 2)
    shares = []
    for vector in (feature.decoder.double().square(), feature.curvature.double()):
        total = 0.0
        for parameter, columns in feature.scope.with_columns():
            values = vector[columns].view(parameter.shape)
            if layer_number(parameter.name) != row["layer"] or "att" in parameter.name:
                continue
            if len(values.shape) == 2:
                total += float(values.select(int(values.shape[1] > values.shape[0]), row["number"]).sum())
        shares.append(total / float(vector.sum()))
    assert [row["share_of_decoder"], row["share_of_ordinary"]] == pytest.approx(shares, rel=1e-4)
    assert row["times_ordinary"] == pytest.approx(shares[0] / shares[1], rel=1e-4)


def test_the_units_are_words_only_where_words_were_held_out(run):
    test, train = (run.data.split(name) for name in ("test", "train"))
    documents = [pair.document for pair in test]
    assert units(test, train) == documents, "the same words were learned from"
    assert units(test, ()) == documents, "of other texts nothing was learned"
    others = [
        pair
        for pair in train
        if pair.factual.casefold() not in {each.factual.casefold() for each in test[:1]}
    ]
    assert units(test[:1], others) == [test[0].factual.casefold()]
