"""What the numbers rest on: near-duplicates, unseen words beside their nulls, and a guard that is not
fooled."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import contextmanager

import pytest
import torch
from gradiend_evaluators import BudgetSettings, ThresholdSettings, TransferSettings
from gradiend_evaluators.policies import Budget, Threshold
from gradiend_evaluators.related import in_texts
from gradiend_evaluators.transfer import TransferEvaluator

from gradiend_core import Session
from gradiend_core.api import goal_of, measure_of, word_pairs
from tests.conftest import STORIES, asset, settings

TEXT = "Yesterday the {} teacher came home late, and then {} cooked a big pot of {} soup for the {} children."


def made_up(rng: random.Random) -> str:
    return "".join(rng.choice(letters) for letters in ("bdfgklmnprstvz", "aeiou") * 6)


def variants(pronoun: str, number: int) -> list[str]:
    """A text in six ways that people write it."""
    rng = random.Random(number)
    text = TEXT.format(made_up(rng), pronoun, made_up(rng), made_up(rng))
    return [
        text,
        text.upper().replace(f" {pronoun.upper()} ", f" {pronoun} "),
        text.replace(", and", " and"),
        text.replace(" ", "  "),
        text.replace("Yesterday", "“Yesterday").replace("late", "late”"),
        text.replace("children.", "children …"),
    ]


def test_variants_of_a_text_share_a_split():
    texts = [text for number in range(40) for text in variants(("he", "they")[number % 2], number)]
    data = Session("english-pronouns", texts=texts, data={"max_neutral": 0}).data
    number_of = {made_up(random.Random(number)): number for number in range(40)}
    home: dict[int, set[str]] = {}
    for pair in data.pairs:
        word = pair.text.split()[2].casefold()
        home.setdefault(number_of[word], set()).add(pair.split)
    assert len(home) == 40
    assert len(data.pairs) > 100
    assert all(len(splits) == 1 for splits in home.values())
    assert not any("nearly the same" in warning for warning in data.funnel.warnings)


@contextmanager
def scaled_norm(model: torch.nn.Module, factor: float):
    """The model with the weights of its last normalisation multiplied: surer of everything, and wrong."""
    norms = [module for module in model.modules() if "Norm" in type(module).__name__]
    weight = norms[-1].weight
    before = weight.detach().clone()
    with torch.no_grad():
        weight.mul_(factor)
        yield
        weight.copy_(before)


@pytest.mark.parametrize("model", ["tiny-clm", "tiny-mlm", "models/stories260k", "models/stories260k-mlm"])
def test_a_model_that_is_only_surer_is_refused_by_the_budget(model):
    of_assets = model.startswith("models")
    texts = {"texts": str(STORIES)} if of_assets else {}
    run = Session(
        "english-pronouns",
        model=asset(model) if of_assets else model,
        **settings(learner={}, evaluators={"kinds": []}),
        **texts,
    )
    task = run.evaluation_task(reports={})
    measure, goal = measure_of(task, 60), goal_of("3PL", run.feature.classes)
    base = measure.candidate("test", goal.texts)
    assert Budget(BudgetSettings()).score(goal, base, base) is not None
    fooled = []
    for factor in (2.0, 8.0):
        with scaled_norm(task.gradients.model, factor):
            edited = measure.candidate("test", goal.texts, learning_rate=1.0)
        assert Budget(BudgetSettings()).score(goal, edited, base) is None
        assert edited.ordinary.unwanted_kl > 0.02
        fooled.append(Threshold(ThresholdSettings()).score(goal, edited, base) is not None)
    if model == "models/stories260k":
        assert any(fooled), "the language modelling score takes it for a better model"


@pytest.mark.slow
@pytest.mark.parametrize(("paradigm", "least"), [("english-pronouns", 0.45), ("english-gender", 0.5)])
def test_a_pretrained_model_has_the_feature_and_an_untrained_copy_has_not(paradigm, least):
    run = Session(
        paradigm,
        model=asset("models/stories260k"),
        texts=str(STORIES),
        data={"max_per_class": 500},
        evaluators={"kinds": ["transfer"]},
    )
    report = run.reports["transfer"]
    assert report["correlation"] >= least
    assert report["p_value"] <= 0.05 < report["untrained_p_value"]
    assert report["p_value"] == max(
        report[name] for name in ("random_p_value", "sign_p_value", "control_p_value")
    )
    assert report["correlation_low"] < report["correlation"] < report["correlation_high"]
    assert report["word_share"] > 0.5, "most of an encoding is the word in the slot"
    assert report.lines[0].startswith("feature   the model has the feature")
    learned = {word for words in run.data.words.values() for word in words}
    table = report.tables["words"].records()
    assert not learned & {row[side] for row in table for side in ("first", "second")}


def test_words_of_the_run_file_replace_those_of_the_paradigm():
    related = {"3SG": ["was", "his"], "3PL": ["were", "their"]}
    run = Session(
        "english-pronouns",
        **settings(learner={}, evaluators={"kinds": ["transfer"]})
        | {"data": {"max_per_class": 150, "max_neutral": 60, "related": related}},
    )
    report = run.reports["transfer"]
    rows = [row for row in report.tables["words"].records() if row["kind"] == "related"]
    assert {(row["first"], row["second"]) for row in rows} == {("was", "were"), ("his", "their")}
    assert any("too few to be sure of" in warning for warning in report.warnings)


def test_controls_and_copies_read_fewer_texts_of_the_same_words(quick):
    task = quick.evaluation_task()
    config = TransferSettings(texts=8, control_texts=3, untrained=0, random_directions=0, controls=5)
    rows = TransferEvaluator(config).evaluate(task).tables["words"].records()
    assert max(row["n"] for row in rows if row["kind"] == "control") <= 2 * 3
    assert max(row["n"] for row in rows if row["kind"] == "related") == 2 * 8
    words = word_pairs(task.data.related, task.feature.classes)
    pairs = in_texts(task, words, task.ordinary(), 8, 3)
    fewer = pairs.of_model(task, 3)
    assert (fewer.words, fewer.groups) == (pairs.words, pairs.groups)
    whole, some = ([pair for examples, _ in of.examples for pair in examples.pairs] for of in (pairs, fewer))
    assert set(Counter((pair.factual, pair.alternative) for pair in some).values()) == {3}
    assert set(some) < set(whole)


def test_without_unseen_words_it_says_that_nothing_was_measured():
    words = {"A": ["cat"], "B": ["dog"]}
    texts = [f"The {word} was in house number {n}." for n in range(60) for word in ("cat", "dog")]
    run = Session(
        run_file={"paradigm": {"kind": "words", "words": words}},
        texts=texts,
        evaluators={"kinds": ["transfer"]},
    )
    report = run.reports["transfer"]
    assert not report.metrics
    assert "data.related" in report.warnings[0]
