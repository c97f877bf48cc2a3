"""Edits by the natural gradient: divided by the curvature, turned away from what is to stay, in steps."""

from __future__ import annotations

import pytest
import torch
from attrs import evolve

from gradiend_core import Session, load_run
from gradiend_core.errors import ConfigError, DataError, StorageError
from gradiend_core.records.feature import LEAST
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.rewriting.apply import Rewriter
from gradiend_core.rewriting.natural import keeping
from gradiend_core.rewriting.steps import stepped, target_gradient
from gradiend_core.run.folder import save_run
from tests.conftest import settings

DECODER = {"kinds": ["decoder"], "decoder": {"evaluations": 3, "max_texts": 100}}
CLOSED = {"kind": "mean-difference"}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A run that keeps other classes, on tiny-mlm, and the folder that it was saved in."""
    run = Session(
        "english-pronouns",
        learner=CLOSED,
        evaluators=DECODER,
        visualizers={"kinds": []},
        policy={"max_kl": 0.02, "max_perplexity": 1.1},
        rewrite={"keep": ["1SG", "1PL"], "steps": 4, "dampings": [0.3]},
    )
    folder = tmp_path_factory.mktemp("kept") / "run"
    save_run(run, folder)
    return run, folder


@pytest.mark.slow
def test_other_persons_stay_while_the_class_changes(kept):
    report = kept[0].reports["decoder"]
    for goal in ("3SG", "3PL"):
        assert report[goal, "rewritten_probability"] >= 0.95
        for name in ("1SG", "1PL"):
            assert report[goal, "kept", name, "base_probability"] >= 0.99
            assert report[goal, "kept", name, "rewritten_probability"] >= 0.95
    plain = Session(
        "english-pronouns",
        learner=CLOSED,
        evaluators=DECODER,
        policy={"max_kl": 0.1, "max_perplexity": 2.0},
        rewrite={"metric": "none", "toward": ["3SG"], "keep": ["1PL"], "keep_weight": 1e-9},
    ).reports["decoder"]
    assert plain["3SG", "rewritten_probability"] >= 0.95
    assert plain["3SG", "kept", "1PL", "rewritten_probability"] < 0.7, "what the plain edit does to them"


@pytest.mark.slow
def test_marked_texts_stay_while_the_class_changes():
    """Also slots of the class that an edit is to change elsewhere."""
    texts = ["The boys were hungry, so [they|she] left.", "The girls were warm because [they] slept."]

    def report(**rewrite):
        return Session(
            "english-pronouns",
            learner=CLOSED,
            evaluators=DECODER,
            policy={"max_kl": 0.02, "max_perplexity": 1.1},
            rewrite={"toward": ["3SG"], "dampings": [0.3], "keep": texts, **rewrite},
        ).reports["decoder"]

    kept, changed = report(), report(keep_weight=1e-9)
    path = "3SG", "kept", "marked texts", "rewritten_probability"
    assert changed[path] < 0.2
    assert kept[path] > 3 * changed[path]
    assert kept["3SG", "rewritten_probability"] > 0.3


def test_what_the_feature_alone_does_not_give_is_saved_with_the_report(kept):
    run, folder = kept
    loaded = load_run(folder)
    for goal in run.goals():
        assert torch.equal(loaded.update(goal).direction, run.update(goal).direction)
        assert loaded.edits()[goal] == run.edits()[goal]
    vectors = folder / "reports" / "decoder.safetensors"
    content = vectors.read_bytes()
    vectors.unlink()
    with pytest.raises(StorageError, match=r"decoder.safetensors is missing"):
        load_run(folder).update("3SG")
    vectors.write_bytes(content)


def test_a_kept_direction_solves_its_equation():
    """(metric + weight · scale · GᵀG) x = direction, with the gradients of the slots one by one."""
    run = Session("english-pronouns", **settings(learner=CLOSED, selector={"kind": "random", "share": 0.01}))
    task, generator = run.evaluation_task(0, {}), torch.Generator().manual_seed(0)
    task = evolve(task, rewrite=evolve(task.rewrite, keep=("1PL",)))
    examples = run.examples["test"]
    rows = range(len(examples.pairs))
    each = torch.eye(len(rows))
    gradients = torch.stack(
        [task.gradients.accumulate(examples, rows, row, [GradientRole.DIFFERENCE])[0] for row in each]
    ).double()
    direction = task.feature.decode(1.0)
    metric = torch.rand(len(direction), generator=generator) + 0.5
    natural = direction.double() / metric.double()
    scale = (direction.double() @ natural) / (gradients @ natural).square().sum()
    for weight in (0.1, 3.0):
        solution = keeping(direction, metric, task.gradients, examples, weight).double()
        system = torch.diag(metric.double()) + gradients.T @ gradients * (weight * scale)
        exact = torch.linalg.solve(system, direction.double())
        assert float((solution - exact).norm() / exact.norm()) < 0.02
        assert float((gradients @ solution).norm() / (gradients @ (direction / metric).double()).norm()) < 1
        backwards = keeping(
            direction,
            metric.flip(0),
            task.gradients,
            examples,
            weight,
            lambda vector, back=False: vector.flip(0),
        )
        assert float((backwards - exact).norm() / exact.norm()) < 0.02, "the metric in other bases"


def test_the_natural_gradient_is_the_direction_divided_by_the_curvature(quick):
    feature = quick.feature
    assert feature.curvature is not None
    assert feature.curvature.min() >= 0
    relative = feature.curvature.float() / feature.curvature.float().mean()
    direction = feature.decode(-1.0)
    update = feature.update("3SG", 0.1, damping=0.3)
    torch.testing.assert_close(update.direction, direction / (relative + 0.3))
    much = feature.update("3SG", 0.1, damping=1e6).direction
    assert float(torch.nn.functional.cosine_similarity(much, direction, dim=0)) > 0.9999
    with pytest.raises(ConfigError, match="curvature of the model was not measured"):
        evolve(feature, curvature=None).update("3SG", 0.1, damping=0.3)


def test_a_damping_may_be_relative_to_the_mean_of_each_parameter(quick):
    feature = quick.features[0]
    direction, curvature = torch.randn(feature.scope.size), feature.curvature.float()
    natural = feature.natural(direction, 3.0, "parameter")
    for _, columns in feature.scope.with_columns():
        share = max(float(curvature[columns].mean() / curvature.mean()), LEAST)
        expected = direction[columns] / (curvature[columns] / curvature.mean() + 3.0 * share)
        torch.testing.assert_close(natural[columns], expected, rtol=1e-4, atol=0)
    assert not torch.allclose(natural, feature.natural(direction, 3.0), rtol=0.1)


def test_a_chosen_edit_is_made_again_by_its_own_damping(tmp_path):
    """The mean that its damping is relative to is kept with it."""
    run = Session(
        "english-pronouns",
        learner=CLOSED,
        evaluators=DECODER,
        visualizers={"kinds": []},
        rewrite={"toward": ["3SG"], "dampings": [3.0], "damping_mean": "parameter"},
    )
    save_run(run, tmp_path / "run")
    edit, feature = run.reports["decoder"].edits[0], run.features[0]
    expected = feature.natural(feature.decode(edit.feature_factor), 3.0, "parameter")
    for read in (run, load_run(tmp_path / "run")):
        torch.testing.assert_close(read.update("3SG").direction, expected, rtol=1e-3, atol=0)
    assert torch.equal(run.update("3SG", 0.1, 3.0).direction, expected)


@pytest.mark.parametrize(
    ("rewrite", "message"),
    [
        ({"keep": ["4PL"]}, "rewrite.keep names '4PL', of which these texts have no slot; use some of 1PL"),
        ({"keep": ["3SG"]}, "rewrite.keep names '3SG'.*use some of"),
        ({"keep": ["So [we left."]}, "'So .we left.' has no slot with its fillers"),
        ({"keep": ["So [he|they] saw [us]."]}, "has several slots"),
        ({"keep": ["So [themselves|he] left."]}, r"model cannot take \('themselves' is \d tokens"),
    ],
)
def test_what_cannot_be_kept_is_refused(rewrite, message):
    run = Session("english-pronouns", **settings(learner=CLOSED, evaluators=DECODER, rewrite=rewrite))
    with pytest.raises((ConfigError, DataError), match=message):
        _ = run.reports


def test_steps_need_a_budget_and_no_metric_no_ordinary_text():
    rewrite = {"steps": 3, "metric": "none", "toward": ["3SG"]}
    policy = {"kind": "threshold"}
    tables = settings(learner=CLOSED, evaluators=DECODER, policy=policy, rewrite=rewrite)
    run = Session("english-pronouns", **tables)
    report = run.reports["decoder"]
    assert run.feature.curvature is None
    assert report.get("3SG.damping") is None
    assert any("rewrite.steps is left out" in warning for warning in report.warnings)


def test_the_first_of_several_steps_begins_at_the_unedited_weights(quick):
    """Whatever is in place before: one step is the natural gradient of the unedited model."""
    task = quick.evaluation_task()
    model, feature = task.gradients.model, task.feature
    with Rewriter(model, feature.scope) as rewriter:
        unedited = target_gradient(task, -1.0)
        rewriter.apply(feature.update("3SG", 0.5))
        assert not torch.allclose(target_gradient(task, -1.0), unedited, rtol=1e-3)
        update = stepped(task, rewriter, -1.0, 0.1, lambda: 0.9, 1)
    assert update is not None
    expected = feature.natural(unedited, 0.1)
    cosine = torch.nn.functional.cosine_similarity(update.direction, expected, dim=0)
    assert float(cosine) == pytest.approx(1.0, abs=1e-4)
