"""Every learner gives the same kind of feature: signs by hand, quality on real gradients, and what a null
gives."""

from __future__ import annotations

import random

import pytest
import torch
from gradiend_learners import Adam, ClosedForm, Ridge
from gradiend_learners.training import Supervised, Training

from gradiend_core import Session
from gradiend_core.gradients.examples import subset
from gradiend_core.learning.closed_form import agreeing_means
from gradiend_core.learning.encodings import correlation, encodings, labels_of
from gradiend_core.plugins.manager import Plugins
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.rewriting.apply import Rewriter
from gradiend_core.roles.kinds import LEARNER
from gradiend_core.roles.learner import LearningTask
from gradiend_core.testing.gradients import naive_gradients
from tests.conftest import settings
from tests.plugins.test_adam_steps import PAIRS, SCOPE, TwoWeights, TwoWordSource, WordExamples

LEARNERS = ["adam", "mean-difference", "ridge", "supervised-encoder", "supervised-decoder"]
SMALL = {"kind": "random", "share": 0.05}


def build(name: str, **options):
    contribution = Plugins.discover().registry.get(LEARNER, name)
    if "max_steps" in {field.name for field in contribution.config.__attrs_attrs__}:
        options = {"learning_rate": 0.01, "max_steps": 400, "batch_size": 4, "early_stop": False, **options}
    return contribution.build(contribution.config(**options))


@pytest.mark.parametrize("target", list(GradientRole))
@pytest.mark.parametrize("source", list(GradientRole))
@pytest.mark.parametrize("name", LEARNERS)
def test_signs_by_hand(name, source, target):
    """As for `adam` in test_learning: the first class encodes to +1, and decodes to the gradient of its own
    pairs."""
    from gradiend_core.gradients.operator import GradientOperator

    gradients = GradientOperator(TwoWeights(), TwoWordSource(), SCOPE)
    train, validation = (
        WordExamples(tuple(p for p in PAIRS if p.split == split)) for split in ("train", "validation")
    )
    task = LearningTask(gradients, train, validation, None, (("A", "B"),), 0, lambda _: None)
    (feature,) = build(name, source=source, target=target).learn(task)
    labels = labels_of(validation.pairs, ("A", "B"))
    assert torch.equal(encodings(feature, gradients, validation).sign(), labels)
    of_a = {"factual": (-0.5, 0.5), "alternative": (0.5, -0.5), "difference": (-1.0, 1.0)}[target.value]
    assert feature.decode(1.0).tolist() == pytest.approx(of_a, abs=0.3)
    assert feature.decode(-1.0).tolist() == pytest.approx([-value for value in of_a], abs=0.3)
    assert feature.validation_correlation > 0.9
    for toward, word in (("A", 0), ("B", 1)):
        with Rewriter(gradients.model, SCOPE) as rewriter:
            rewriter.apply(feature.update(toward, 1.0))
            assert gradients.model.w.softmax(0)[word] > 0.6


@pytest.mark.parametrize("name", LEARNERS)
def test_each_learner_reads_and_rewrites_a_real_model(name, tmp_path):
    learner = {"kind": name} | ({} if name in ("mean-difference", "ridge") else {"max_steps": 80})
    store = {"use": "always", "folder": str(tmp_path)}
    run = Session("english-pronouns", **settings(selector=SMALL) | {"learner": learner}, store=store)
    report = run.reports["encoder"]
    assert report["test.correlation"] > 0.9
    assert report["test", "mean_by_class", "3SG"] > 0.5 > -0.5 > report["test", "mean_by_class", "3PL"]
    assert run.feature.training
    found = run.reports["decoder"]
    assert found["3PL", "rewritten_probability"] > 3 * found["3PL", "base_probability"]


def test_a_shuffled_feature_is_no_feature(tmp_path):
    tables = settings(selector=SMALL, store={"use": "always", "folder": str(tmp_path)})
    scores = {}
    for kind in ("adam", "shuffled"):
        learner = {"kind": kind, "max_steps": 60, "early_stop": False}
        run = Session("english-pronouns", **tables | {"learner": learner})
        scores[kind] = abs(run.reports["encoder"]["test.correlation"])
    assert scores["adam"] > 0.95
    assert scores["shuffled"] < scores["adam"] - 0.05
    shares = [pair.factual_class for pair in run.examples["train"].pairs]
    assert shares.count("3SG") == shares.count("3PL"), "the examples themselves are not relabelled"


def test_the_rate_falls_only_once_something_is_known(quick, monkeypatch):
    """As long as no validation tells the classes apart, each begins the fall anew; nulls, which are not given
    up, just fall."""
    for lost_until, config, begins in [(0, {}, 0), (8, {}, 8), (8, {"give_up": False}, 0), (20, {}, 16)]:
        monkeypatch.setattr(
            "gradiend_learners.training.knows_nothing", lambda row, until=lost_until: row.step <= until
        )
        settings = Adam(max_steps=20, validate_every=4, batch_size=2, early_stop=False, **config)
        training = Training.begin(settings, task_of(quick), (("3SG", "3PL"),), Supervised.NOTHING)
        scales = []
        while training.done < training.schedule.last:
            training.step()
            scales.append(training.schedule.lr_scale(training.done))
        assert training.schedule.decay_start == begins
        right = [1 - (step - begins) / (20 - begins) for step in range(begins, 20)]
        assert scales[begins:] == pytest.approx(right)


def task_of(run: Session, rows: int = 40) -> LearningTask:
    train = run.examples["train"]
    some = [row for row, pair in enumerate(train.pairs) if pair.factual_class == "3SG"][: rows // 2]
    some += [row for row, pair in enumerate(train.pairs) if pair.factual_class == "3PL"][: rows // 2]
    return LearningTask(
        run.gradients, subset(train, some), run.examples["validation"], None, run.data.axes, 0, lambda _: None
    )


def test_the_mean_difference_is_that(quick):
    task = task_of(quick)
    (feature,) = build("mean-difference").learn(task)
    rows = naive_gradients(quick.gradients, task.train, ClosedForm().source)
    right = rows[:20].mean(0) - rows[20:].mean(0)
    assert torch.nn.functional.cosine_similarity(feature.encoder, right, dim=0) == pytest.approx(
        1.0, abs=1e-4
    )
    targets = naive_gradients(quick.gradients, task.train, ClosedForm().target)
    for code, mean in ((1.0, targets[:20].mean(0)), (-1.0, targets[20:].mean(0))):
        torch.testing.assert_close(
            feature.decode(code), mean, rtol=1e-5, atol=0.0001 * float(mean.abs().max())
        )
    assert feature.encoder_bias == 0


def test_no_more_pairs_are_read_than_it_takes(quick):
    """Pairs double until the new half points where the old one does; the means are those of what was read."""
    task, axis = task_of(quick, 180), quick.data.axes[0]
    role = ClosedForm().target
    every = naive_gradients(quick.gradients, task.train, role).double()
    labels = labels_of(task.train.pairs, axis)
    assert [int((labels == sign).sum()) for sign in (1, -1)] == [90, 90]
    means, rows = agreeing_means(task, axis, [role], role, 0.5)
    assert [row.pairs for row in rows] == [128], "32 of each class, and as many again"
    drawn = []
    for sign in (1.0, -1.0):
        of_class = labels.eq(sign).nonzero()[:, 0].tolist()
        random.Random(f"{task.seed}:pairs").shuffle(of_class)
        drawn.append(of_class)
    halves = [
        every[drawn[0][some]].mean(0) - every[drawn[1][some]].mean(0) for some in (slice(32), slice(32, 64))
    ]
    agreement = torch.nn.functional.cosine_similarity(*halves, dim=0)
    assert 1 - rows[0].loss == pytest.approx(float(agreement), abs=1e-4)
    for mean, of_class in zip(means[0], drawn, strict=True):
        torch.testing.assert_close(
            mean.double(), every[of_class[:64]].mean(0), rtol=1e-4, atol=1e-5 * float(every.abs().max())
        )
    means, rows = agreeing_means(task, axis, [role], role, 1.0)
    assert [row.pairs for row in rows] == [128, 180], "all, where no agreement is enough"
    for mean, sign in zip(means[0], (1.0, -1.0), strict=True):
        torch.testing.assert_close(
            mean.double(), every[labels == sign].mean(0), rtol=1e-4, atol=1e-5 * float(every.abs().max())
        )


def test_ridge_solves_the_dual_equation(quick):
    """With iterations to spare, α solves (GGᵀ + λ)α = y and the encoder is Gᵀα; the matrix is formed here
    only."""
    task = task_of(quick)
    config = Ridge(penalty=0.1, iterations=60)
    record = []
    import attrs

    (feature,) = build("ridge", penalty=0.1, iterations=60, patience=60).learn(
        attrs.evolve(task, tell=record.append)
    )
    rows = naive_gradients(quick.gradients, task.train, config.source).double()
    labels = labels_of(task.train.pairs, ("3SG", "3PL")).double() / 20
    gram = rows @ rows.T
    penalty = config.penalty * float(labels @ gram @ labels / (labels @ labels))
    solution = torch.linalg.solve(gram + penalty * torch.eye(len(gram), dtype=torch.float64), labels)
    assert record[-1].loss < 1e-6, "the residual vanishes"
    kept = next(row for row in reversed(record) if row.kept)
    if kept is record[-1]:
        right = solution @ rows
        assert torch.nn.functional.cosine_similarity(feature.encoder.double(), right, dim=0) > 0.999
    best = max(abs(row.validation_correlation) for row in record)
    assert abs(kept.validation_correlation) == best
    labels = labels_of(task.validation.pairs, ("3SG", "3PL"))
    assert correlation(encodings(feature, task.gradients, task.validation), labels) > 0.9
