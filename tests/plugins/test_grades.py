"""Classes that are degrees of one feature: one axis from the highest to the lowest, with every degree
between."""

from __future__ import annotations

import re
from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from attrs import evolve, frozen
from gradiend_evaluators.degrees import beside_frequency, unseen_degrees
from gradiend_learners import Shuffled
from gradiend_learners.variants import ShuffledLearner
from gradiend_tiny import HERE

from gradiend_core import Session, load_run, save_run, write_report
from gradiend_core.api import GradientRole, LearningTask, NoSettings, class_means
from gradiend_core.data.rules import codes_of_grades
from gradiend_core.errors import ConfigError
from gradiend_core.gradients.examples import Subset, subset
from gradiend_core.learning.closed_form import agreeing_means
from gradiend_core.learning.encodings import calibrated, correlation, labels_of, on_axis
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.pair import MinimalPair, axes_of, code_of
from gradiend_core.records.scope import ParameterScope, ParameterSlice
from gradiend_core.run.data_folder import save_data
from tests.conftest import settings

WORDS = {"one": ["i"], "some": ["you"], "several": ["we"], "many": ["they"]}
GRADES = {"one": 1, "some": 2, "several": 3, "many": 6}
PARADIGM = {"kind": "words", "words": WORDS, "grades": GRADES}
CODES = {"one": -1.0, "some": -0.6, "several": -0.2, "many": 1.0}


AXIS = ("many", "one")
DIFFERENCE = GradientRole.DIFFERENCE


def grades_of(pair: MinimalPair) -> tuple[float | None, float | None]:
    return pair.factual_grade, pair.alternative_grade


@pytest.fixture(scope="module")
def graded():
    tables = settings(paradigm=PARADIGM, learner={"kind": "mean-difference"})
    return Session(texts=str(HERE / "text" / "english.txt"), **tables)


def test_grades_of_any_unit_become_codes():
    assert codes_of_grades(GRADES, list(WORDS)) == pytest.approx(CODES)
    assert axes_of(list(WORDS), CODES) == (("many", "one"),)


@pytest.mark.parametrize(
    ("grades", "message"),
    [
        ({"one": 1, "some": 2}, "class several has no grade"),
        ({**GRADES, "lots": 9}, "class of grades 'lots'"),
        (dict.fromkeys(WORDS, 3), "no class is above another"),
        ({**GRADES, "many": float("nan")}, "class many is nan, not a finite"),
        ({**GRADES, "one": float("-inf")}, "class one is -inf, not a finite"),
    ],
)
def test_grades_that_do_not_suit_are_refused(grades, message):
    with pytest.raises(ConfigError, match=message):
        codes_of_grades(grades, list(WORDS))


def test_every_pair_has_the_degree_of_its_factual_word(graded):
    assert graded.data.axes == (("many", "one"),)
    for pair in graded.data.pairs:
        assert pair.factual_grade == pytest.approx(CODES[pair.factual_class])
        assert pair.alternative_grade == pytest.approx(CODES[pair.alternative_class])
        assert pair.factual_class != pair.alternative_class
    assert all(pair.factual_grade is None for pair in graded.data.neutral_pairs)


def pair_of(factual: float, alternative: float) -> MinimalPair:
    return MinimalPair(
        "", "", "a", "b", str(factual), str(alternative), "test", "", "", "", factual, alternative
    )


@pytest.mark.parametrize(
    ("role", "code", "exchanged"),
    [(GradientRole.FACTUAL, 0.2, -0.6), (GradientRole.ALTERNATIVE, 0.6, -0.2), (DIFFERENCE, 0.4, -0.4)],
)
def test_the_expected_code_is_that_of_the_gradient_that_is_encoded(role, code, exchanged):
    assert code_of(pair_of(0.2, -0.6), AXIS, role) == pytest.approx(code)
    assert code_of(pair_of(-0.6, 0.2), AXIS, role) == pytest.approx(exchanged)
    assert code_of(pair_of(1.0, -1.0), AXIS, role) == 1, "of the two ends all gradients have one code"
    assert code_of(pair_of(-1.0, 1.0), AXIS, role) == -1


def least_squares(run, rows: list[int], role: GradientRole) -> torch.Tensor:
    """The least-squares lines through gradients that are read one by one, at the codes ±1; with an intercept,
    [2, n]."""
    train = run.examples["train"]
    out = torch.empty(len(rows), 1, run.gradients.scope.size)
    for row, gradient in zip(rows, out, strict=True):
        run.gradients.accumulate(train, [row], torch.ones(1), [role], gradient)
    codes = torch.tensor([CODES[train.pairs[row].factual_class] for row in rows])
    if role is DIFFERENCE:
        codes = (codes - torch.tensor([CODES[train.pairs[row].alternative_class] for row in rows])) / 2
    design = torch.stack([torch.ones_like(codes), codes], 1).double()
    intercept, slope = torch.linalg.lstsq(design, out[:, 0].double()).solution
    return torch.stack([intercept + slope, intercept - slope])


@pytest.mark.parametrize("role", [GradientRole.FACTUAL, DIFFERENCE])
@pytest.mark.parametrize("agreement", [None, 1.0])
def test_the_direction_is_the_slope_of_the_least_squares_line(graded, agreement, role):
    rows = list(range(0, len(graded.examples["train"].pairs), 11))
    some = subset(graded.examples["train"], rows)
    task = LearningTask(graded.gradients, some, some, None, graded.data.axes, 0, print)
    if agreement is None:
        means = class_means(graded.gradients, some, AXIS, [role], role)[0]
    else:
        means = agreeing_means(task, AXIS, [role], role, agreement)[0][0]
    right = least_squares(graded, rows, role)
    slope, expected = means[0] - means[1], (right[0] - right[1]).to(means.dtype)
    assert len({some.pairs[row].factual_class for row in range(len(rows))}) == 4
    torch.testing.assert_close(slope, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def feature_of(sign: float) -> LearnedFeature:
    scope = ParameterScope((ParameterSlice("w", (3,), None),))
    vector = sign * torch.ones(3)
    roles = (GradientRole.FACTUAL, GradientRole.FACTUAL)
    return LearnedFeature(vector, 0.0, vector, torch.zeros(3), scope, ("many", "one"), *roles)


def test_graded_codes_get_the_scale_that_is_closest_to_the_grades():
    labels = torch.tensor([-1.0, -0.5, 0.5, 1.0]).repeat(5)
    values = 0.01 * labels.atanh().clamp(-2, 2) + 0.002 * torch.randn(20, generator=torch.manual_seed(0))
    for sign in (1.0, -1.0):
        feature = calibrated(feature_of(sign), sign * values, labels)
        projected = float(feature.encoder[0]) * values
        assert float(feature.encode(projected)[labels == 1].mean()) > 0, "the highest class is positive"
        errors = [
            float(
                (evolve(feature, encoder_scale=factor * feature.encoder_scale).encode(projected) - labels)
                .square()
                .mean()
            )
            for factor in (1, 0.8, 1.25)
        ]
        assert errors[0] == min(errors)


@frozen(eq=False)
class Rows:
    """A gradient matrix whose rows are given, [examples, n]; each example is known by its document."""

    rows: torch.Tensor
    dtype = torch.float32
    device = torch.device("cpu")

    @property
    def scope(self) -> ParameterScope:
        return ParameterScope((ParameterSlice("w", (self.rows.shape[1],), None),))

    def of(self, examples) -> torch.Tensor:
        return self.rows[[int(pair.document) for pair in examples.pairs]]

    def accumulate(self, examples, rows, coefficients, roles, out):
        return out.copy_((coefficients @ self.of(examples)[rows])[None])

    def project(self, examples, directions, role):
        return self.of(examples) @ directions.T


@pytest.mark.parametrize("ordered", [True, False])
def test_degrees_that_were_not_learned_from_tell_order_from_words_known_by_heart(ordered):
    degrees = torch.linspace(-1, 1, 8).tolist()
    pairs = [pair_of(one, other) for one in degrees for other in degrees if one != other] * 4
    pairs = [evolve(pair, document=str(number)) for number, pair in enumerate(pairs)]
    noise = 0.1 * torch.randn(len(pairs), 9, generator=torch.manual_seed(2))
    for row, pair in zip(noise, pairs, strict=True):
        row[degrees.index(pair.factual_grade)] += 1
        row[degrees.index(pair.alternative_grade)] -= 1
        row[8] += ordered * code_of(pair, AXIS, DIFFERENCE)
    half = len(pairs) // 2
    examples = {"train": Subset(None, (), tuple(pairs[:half])), "test": Subset(None, (), tuple(pairs[half:]))}
    grades = {str(degree): degree for degree in degrees}
    feature = SimpleNamespace(classes=AXIS, source=DIFFERENCE)
    gradients = Rows(noise)
    task = SimpleNamespace(
        feature=feature, gradients=gradients, examples=examples, data=SimpleNamespace(grades=grades), seed=0
    )
    high, low = class_means(gradients, examples["train"], AXIS, [DIFFERENCE], DIFFERENCE)[0]
    labels = labels_of(examples["test"].pairs, AXIS, DIFFERENCE)
    seen = correlation(gradients.project(examples["test"], (high - low)[None], DIFFERENCE)[:, 0], labels)
    metrics = unseen_degrees(task)
    strength, p_value = (metrics["test", "unseen_degrees", key].value for key in ("correlation", "p_value"))
    assert seen > 0.9, "words that were learned from are read either way"
    if ordered:
        assert strength > 0.9
        assert p_value < 0.02
    else:
        assert abs(strength) < 0.5
        assert p_value > 0.05


def test_three_degrees_are_too_few_to_leave_some_out(graded):
    grades = {name: code for name, code in CODES.items() if name != "some"}
    task = SimpleNamespace(
        feature=graded.feature,
        gradients=graded.gradients,
        examples=graded.examples,
        data=SimpleNamespace(grades=grades),
        seed=0,
    )
    assert unseen_degrees(task)["test", "unseen_degrees", "correlation"].value is None


@pytest.mark.parametrize(("counts", "alike"), [((8, 4, 2, 1), -1.0), ((2, 8, 4, 1), -0.4)])
def test_degrees_are_compared_with_how_often_their_words_occur(counts, alike):
    names = sorted(CODES, key=CODES.__getitem__)
    pairs = [
        evolve(pair_of(0.0, 1.0), factual_class=name)
        for name, count in zip(names, counts, strict=True)
        for _ in range(count)
    ]
    metrics = beside_frequency(SimpleNamespace(pairs=pairs, grades=CODES))
    assert metrics["degrees", "frequency_correlation"].value == pytest.approx(alike)


def test_the_report_has_every_degree(graded):
    report = graded.reports["encoder"]
    assert graded.feature.source is DIFFERENCE
    means = [report["test", "mean_by_class", name] for name in sorted(CODES, key=CODES.__getitem__)]
    assert all(report["test", "n_by_class", name] > 5 for name in CODES)
    assert means == sorted(means), "a higher degree has a higher code"
    assert report["test.rank_correlation"] > 0.5
    assert -1 <= report["test.unseen_degrees.correlation"] <= 1
    assert 0 < report["test.unseen_degrees.p_value"] <= 1
    assert any("degrees that a direction was not learned from" in line for line in report.lines)
    (finding,) = report.findings
    assert "model orders the degrees from one (i) to many (they)" in finding
    assert not any("whether the model has the feature" in warning for warning in graded.warnings)
    for row in report.tables["encodings"].records():
        if row["split"] == "test":
            assert row["code"] == pytest.approx((CODES[row["class"]] - CODES[row["alternative_class"]]) / 2)


def test_the_figure_shows_encodings_over_expected_codes(graded):
    from gradiend_visualizers.encodings import Encodings

    figure = Encodings(NoSettings()).draw(graded.feature, graded.reports)
    points, means = figure.axes[0].collections[:2]
    codes = {round(CODES[one] - CODES[other], 6) / 2 for one in CODES for other in CODES if one != other}
    assert sorted(set(points.get_offsets()[:, 0].tolist())) == pytest.approx(sorted(codes), abs=1e-6)
    assert len(means.get_offsets()) == len(codes)
    assert "from one (−1) to many (+1)" in figure.axes[0].get_xlabel()


def test_shuffled_degrees_go_with_their_classes(graded, monkeypatch):
    tasks = []
    learner = ShuffledLearner(Shuffled(of="mean-difference"))
    monkeypatch.setattr(learner.learner, "learn", tasks.append)
    given = graded.examples["train"]
    learner.learn(LearningTask(graded.gradients, given, given, None, graded.data.axes, 0, print))
    pairs = tasks[0].train.pairs
    assert all(pair.factual_grade == pytest.approx(CODES[pair.factual_class]) for pair in pairs)
    assert all(pair.alternative_grade == pytest.approx(CODES[pair.alternative_class]) for pair in pairs)
    assert Counter(map(grades_of, pairs)) == Counter(map(grades_of, given.pairs))
    assert [*map(grades_of, pairs)] != [*map(grades_of, given.pairs)]
    assert [pair.factual for pair in pairs] == [pair.factual for pair in given.pairs]


def test_a_finished_run_and_its_pairs_keep_the_degrees(graded, tmp_path):
    finished = load_run(save_run(graded, tmp_path / "run"))
    assert {pair.factual_class for pair in finished.pairs} == set(WORDS)
    labels = labels_of(finished.pairs, ("many", "one"))
    assert bool(on_axis(finished.pairs, ("many", "one")).all())
    assert sorted(set(labels.tolist())) == pytest.approx(sorted(CODES.values()))


def test_the_page_of_a_run_puts_texts_at_their_expected_codes(graded, tmp_path):
    page = write_report([save_run(graded, tmp_path / "run")], tmp_path / "report.html").read_text()
    assert "Does the model order the degrees?" in page
    assert "its place from left to right its expected code" in page
    chart = page[page.index('class="chart"') :].split("</svg>")[0]
    columns = {round((396 - float(x)) / 236, 1) for x in re.findall(r'<circle cx="([^"]*)"', chart)}
    assert {-1.0, -0.6, -0.2, 0.2, 0.6, 1.0} <= columns, "from left (+1) to right (−1)"


def test_every_word_of_a_degree_has_one_row_with_the_mean_of_its_codes(graded):
    rows = graded.reports["encoder"].tables["words"].records()
    assert Counter(row["class"] for row in rows) == Counter(dict.fromkeys(WORDS, 1))
    assert all(abs(row["code"]) < 1 for row in rows)


def test_data_of_degrees_is_learned_from_as_it_is(graded, tmp_path):
    save_data(graded.setup.data, tmp_path / "out")
    run = Session(run_file=tmp_path / "out" / "run.toml")
    assert run.data.axes == graded.data.axes
    assert run.data.grades == pytest.approx(CODES)
    assert Counter(map(grades_of, run.data.pairs)) == Counter(map(grades_of, graded.data.pairs))


def test_grades_on_the_command_line_are_refused_by_name(gradiend):
    grades = "{one = 1, some = 2, several = 3}"
    words = '{one = ["i"], some = ["you"], several = ["we"], many = ["they"]}'
    code, _, err = gradiend(
        "plan", "words", "--set", f"paradigm.words={words}", "--set", f"paradigm.grades={grades}"
    )
    assert code == 1
    assert "class many has no grade; give one for each class, or for none" in err
