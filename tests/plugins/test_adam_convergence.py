"""Early stopping, diagnoses in words, several seeds, and runs that were killed."""

from __future__ import annotations

import attrs
import pytest
import torch
from gradiend_learners import Adam
from gradiend_learners.adam import AdamLearner

from gradiend_core import Session, load_feature
from gradiend_core.errors import ConfigError, LearningError
from gradiend_core.learning.seeds import learn_seeds
from gradiend_core.records.feature import TrainingRow
from gradiend_core.records.run import SeedSettings
from tests.conftest import settings


def test_learning_stops_when_it_has_converged(tmp_path):
    tables = settings(
        learner={"kind": "adam", "max_steps": 2000, "validate_every": 10},
        selector={"kind": "random", "share": 0.05},
    )
    run = Session("english-pronouns", **tables, store={"use": "always", "folder": str(tmp_path)})
    steps = len(run.feature.training)
    assert 50 <= steps < 1000
    assert run.feature.validation_correlation > 0.98
    assert run.feature.training[-1].validation_correlation is not None, "the last weights are looked at"


@pytest.mark.parametrize(("value", "words"), [(5.0, "collapsed"), (0.3, "nothing moves")])
def test_a_hopeless_run_is_given_up_with_a_diagnosis(monkeypatch, value, words):
    """Every example has the same projection, as after a step that was far too large."""
    run = Session(
        "english-pronouns", **settings(learner={"kind": "adam", "max_steps": 3000, "validate_every": 2})
    )
    matrix, steps = run.gradients, []
    monkeypatch.setattr(
        type(matrix), "project", lambda self, examples, *_: torch.full((len(examples.pairs), 1), value)
    )
    run.plugins.tell = lambda hook, **values: steps.append(hook.__name__)
    with pytest.raises(
        LearningError, match=rf"{words}: after 10 steps 3SG encodes to .*learning rate .*, seed 0"
    ):
        _ = run.feature
    assert steps.count("gradiend_step_finished") == 10


def test_a_rate_that_leaves_the_numbers_is_named():
    run = Session(
        "english-pronouns", **settings(learner={"kind": "adam", "max_steps": 60, "learning_rate": 1e5})
    )
    with pytest.raises(
        LearningError, match=r"the loss is (inf|nan) at step \d+: the learning rate 1e\+05 is too large"
    ):
        _ = run.feature


class Scripted:
    """Gives features with these validation correlations, seed by seed, or fails."""

    def __init__(self, feature, scores):
        self.feature, self.scores, self.seeds = feature, scores, []

    def learn(self, task):
        self.seeds.append(task.seed)
        score = self.scores[task.seed]
        if score is None:
            raise LearningError("collapsed: for the test")
        row = TrainingRow(1, 0.5, score, score, -score, kept=True)
        return (attrs.evolve(self.feature, training=(row,), best_step=1, seed=task.seed),)


def test_seeds_stop_after_enough_have_converged(quick):
    def run(scores, **options):
        learner = Scripted(quick.feature, scores)
        task = attrs.make_class("Task", ["seed", "checkpoint", "axes"])
        return (
            learn_seeds(learner, lambda seed: task(seed, None, (("A", "B"),)), 0, SeedSettings(**options)),
            learner.seeds,
        )

    runs, seeds = run([0.5, 0.95, 0.99, 0.97], at_most=4, convergent=2)
    assert seeds == [0, 1, 2]
    assert [each.score for each in runs] == [0.5, 0.95, 0.99]
    runs, seeds = run([None, 0.5, 0.4], at_most=3, convergent=1)
    assert seeds == [0, 1, 2]
    assert runs[0].problem == "collapsed: for the test"
    with pytest.raises(
        LearningError, match="no seed learned anything; seed 0: collapsed: for the test; seed 1"
    ):
        run([None, None], at_most=2)
    with pytest.raises(LearningError, match="^collapsed: for the test$"):
        run([None], at_most=1)


def test_several_seeds_from_the_public_interface(tmp_path):
    run = Session(
        "english-pronouns",
        **settings(selector={"kind": "random", "share": 0.02}),
        seeds={"at_most": 3, "convergent": 3},
        store={"folder": str(tmp_path)},
    )
    assert [each.seed for each in run.seed_runs] == [0, 1, 2]
    best = max(run.seed_runs, key=lambda each: each.score).features[0]
    assert torch.equal(run.feature.encoder, best.encoder)
    assert not torch.equal(run.seed_runs[0].features[0].encoder, run.seed_runs[1].features[0].encoder)
    report = run.reports["stability"]
    assert [row[0] for row in report.tables["seeds"].rows] == [0, 1, 2]
    own = next(row for row in report.tables["seeds"].rows if row[0] == run.feature.seed)
    assert own[2] == pytest.approx(run.reports["encoder"]["test.correlation"], abs=1e-4)
    assert report["test_correlation.least"] > 0.9
    assert 0.5 < report["agreement.decoder_cosine"] <= 1
    assert report["agreement.overlap"] > 10 * report["agreement.chance"]
    assert sum(report.tables["parameters"].column("share_of_top")) == pytest.approx(1.0, abs=0.02)
    assert len(run.results()["seeds"]) == 3
    strict = Session(
        "english-pronouns",
        **settings(selector={"kind": "random", "share": 0.02}),
        store={"folder": str(tmp_path)},
        seeds={"at_most": 2, "convergent": 2, "threshold": 1.0},
    )
    assert any(
        warning.startswith("only 0 of 2 seeds reached a validation correlation of 1 (")
        for warning in strict.warnings
    )


# --- interruptions
# ----------------------------------------------------------------------------------------------------
def test_a_checkpoint_is_resumed_to_the_bit_and_only_by_the_same_task(quick, tmp_path):
    config = Adam(max_steps=24, batch_size=4, validate_every=4, checkpoint_seconds=0, early_stop=False)
    run, done = quick, []

    def task(folder, seed=0, tell=lambda _: None):
        from gradiend_core.roles.learner import LearningTask

        examples = run.examples
        return LearningTask(
            run.gradients,
            examples["train"],
            examples["validation"],
            examples["neutral_trained"],
            run.data.axes,
            seed,
            tell,
            folder,
        )

    (whole,) = AdamLearner(config).learn(task(None))

    def stop(row):
        done.append(row.step)
        if row.step == 14:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        AdamLearner(config).learn(task(tmp_path / "a", tell=stop))
    steps = []
    (resumed,) = AdamLearner(config).learn(task(tmp_path / "a", tell=lambda row: steps.append(row.step)))
    assert steps == list(range(14, 25)), "the 13 steps before the last saved state were not done again"
    for name in ("encoder", "decoder", "decoder_bias"):
        assert torch.equal(getattr(whole, name), getattr(resumed, name))
    assert whole.training == resumed.training
    state = next((tmp_path / "a").glob("*/state.json"))
    state.write_text("{")
    with pytest.warns(UserWarning, match="cannot be read .* learning begins anew"):
        (again,) = AdamLearner(config).learn(task(tmp_path / "a"))
    assert torch.equal(whole.encoder, again.encoder), "a state that cannot be read is not used"


def test_finished_seeds_are_not_learned_again(tmp_path):
    run = Session("english-pronouns", **settings(selector={"kind": "random", "share": 0.02}))
    run.runner.checkpoints = tmp_path
    first = run.feature
    again = Session("english-pronouns", **settings(selector={"kind": "random", "share": 0.02}))
    again.runner.checkpoints = tmp_path
    steps = []
    again.plugins.tell = lambda hook, **values: steps.append(hook.__name__)
    assert torch.equal(again.feature.encoder, first.encoder)
    assert "gradiend_step_finished" not in steps
    kept = next(tmp_path.glob("*/seed-0/learned/0"))
    assert torch.equal(load_feature(kept).encoder, first.encoder)
    other = Session(
        "english-pronouns",
        **settings(selector={"kind": "random", "share": 0.02}, learner={"kind": "adam", "max_steps": 6}),
    )
    other.checkpoints = tmp_path
    assert len(other.feature.training) == 6, "another setting is another task"


# --- more than two classes
# --------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("latent_dim", [1, 3])
def test_three_classes_have_an_axis_each(latent_dim, tmp_path):
    learner = {"kind": "adam", "max_steps": 150, "latent_dim": latent_dim}
    run = Session(
        "english-pronouns",
        classes=("1SG", "3SG", "3PL"),
        **settings(learner=learner, selector={"kind": "random", "share": 0.2}),
        store={"folder": str(tmp_path)},
    )
    assert [feature.classes for feature in run.features] == [
        ("1SG", "others"),
        ("3SG", "others"),
        ("3PL", "others"),
    ]
    for reports in run.axis_reports:
        assert reports["encoder"]["test.correlation"] > 0.95
    encoders = torch.stack(
        [torch.nn.functional.normalize(feature.encoder, dim=0) for feature in run.features]
    )
    assert (encoders @ encoders.T - torch.eye(3)).abs().max() < 0.95, "no two axes are one"
    assert run.axis_of("3PL") == 2
    with pytest.raises(ConfigError, match="unknown class '1PL'"):
        run.axis_of("1PL")
    assert set(run.results()["axes"]) == {"1SG", "3SG", "3PL"}


def test_another_number_of_latents_is_refused():
    run = Session("english-pronouns", **settings(learner={"kind": "adam", "latent_dim": 2, "max_steps": 2}))
    with pytest.raises(ConfigError, match=r"latent_dim is 2, but must be 1 or the number of axes, 1"):
        _ = run.feature
