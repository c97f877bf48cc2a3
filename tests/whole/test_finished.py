"""A finished run has everything that the run had: every number with its n, every warning, every seed."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise

import pytest
import torch

import gradiend_core as gd
from gradiend_core import FinishedRun, Session, compare_runs, evaluate_run, load_run, save_run
from gradiend_core.errors import ConfigError
from gradiend_core.roles.kinds import EVALUATOR
from gradiend_core.run.runner import Clock, Listener
from gradiend_core.storage.manifest import damage
from tests.conftest import settings


@pytest.fixture(scope="module")
def run() -> Session:
    """Two seeds, which are asked for more than they can reach, so that there are warnings."""
    return Session(
        "english-pronouns",
        **settings(
            data={"max_per_class": 60, "max_neutral": 30},
            seeds={"at_most": 2, "convergent": 2, "threshold": 1.0},
            evaluators={"kinds": ["encoder", "decoder", "where"], "decoder": {"evaluations": 3}},
            visualizers={"kinds": []},
            selector={"kind": "random", "share": 0.05},
        ),
    )


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    return save_run(run, tmp_path_factory.mktemp("finished") / "run")


def test_every_report_comes_back_whole(run, folder):
    again = load_run(folder)
    assert isinstance(again, FinishedRun)
    assert again.axis_reports == run.axis_reports
    assert again.reports["encoder"].metrics["test", "correlation"].n == run.reports["encoder"]["test.n"] > 0
    assert again.reports["encoder"].warnings == run.reports["encoder"].warnings
    assert again.warnings == run.warnings != []
    assert again.edits() == run.edits()
    assert again.record == run.record
    assert again.funnel == run.funnel
    results = json.loads((folder / "results.json").read_text())
    assert json.loads(json.dumps(again.results())) == results == json.loads(json.dumps(run.results()))
    assert again.runner.state.data is None, "no text was read for that"
    assert again.runner.state.loaded is None, "and no model"


def test_every_seed_comes_back(run, folder):
    again = load_run(folder)
    assert [seed.seed for seed in again.seed_runs] == [seed.seed for seed in run.seed_runs] == [0, 1]
    for mine, theirs in zip(again.seed_runs, run.seed_runs, strict=True):
        assert mine.score == theirs.score
        torch.testing.assert_close(mine.features[0].decoder, theirs.features[0].decoder, rtol=0, atol=0)
    best, other = again.all_seeds(0)
    assert best.seed == again.feature.seed != other.seed


def test_stability_of_a_finished_run_of_two_seeds_is_measured(run, folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "run")
    before = json.loads((copy / "results.json").read_text())
    report = evaluate_run(copy, ["stability"]).reports["stability"]
    wanted = run.registry.build(EVALUATOR, "stability").evaluate(run.evaluation_task())
    assert report == wanted
    assert report.metrics["agreement", "decoder_cosine"].value is not None
    assert damage(copy) == []
    again = load_run(copy)
    assert again.reports["stability"] == report
    assert {**again.reports, "stability": None} == {**load_run(folder).reports, "stability": None}
    after = json.loads((copy / "results.json").read_text())
    assert after["stability"]["agreement"]["decoder_cosine"] == report["agreement.decoder_cosine"]
    assert {key: after[key] for key in ("encoder", "decoder", "seeds", "data")} == {
        key: before[key] for key in ("encoder", "decoder", "seeds", "data")
    }
    evaluate_run(copy, ["stability"])
    assert load_run(copy).reports["stability"] == report, "a second time changes nothing"


def test_stages_are_done_once_and_in_the_order_that_they_need(tmp_path):
    class Heard(Listener):
        stages: list[str] = []  # noqa: RUF012

        def stage_finished(self, stage, runner):
            assert getattr(runner.state, stage) is not None
            self.stages.append(stage)

    session = Session(
        "english-pronouns",
        **settings(learner={"kind": "mean-difference"}, evaluators={"kinds": ["where"]}),
        visualizers={"kinds": []},
    )
    before = session.runner.state
    session.runner.listeners.append(Heard())
    assert session.reports is session.reports
    assert session.feature is session.features[0]
    expected = ["data", "loaded", "prepared", "gradients", "matrix", "seeds", "features", "reports"]
    assert sorted(Heard.stages) == sorted(expected)
    for first, second in pairwise(expected[2:]):
        assert Heard.stages.index(first) < Heard.stages.index(second)
    assert before.data is None, "a state is never changed, only followed by another"


def test_inner_time_is_not_counted_twice(monkeypatch):
    now = iter(range(100))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(now)))
    clock = Clock()
    with clock.timed("outer"):  # 0
        with clock.timed("inner"):  # 1 to 2
            pass
        with clock.timed("inner"), clock.timed("innermost"):  # 3 to 6, 4 to 5
            pass
    assert clock.seconds == {"inner": 1 + 2, "innermost": 1, "outer": 7 - 4}  # 0 to 7


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"scope": {"kind": "layers"}}, "the table 'scope' is called 'selector' now"),
        ({"evaluation": {"kinds": []}}, "the table 'evaluation' is called 'evaluators' now"),
        (
            {"figures": {"kinds": []}},
            "unknown key 'kinds' .known: dpi, formats, labels, style, width. at figures",
        ),
        ({"learner": {"kind": "adam", "steps": 3}}, "'steps' is called 'max_steps' now at learner"),
        ({"learner": {"kind": "adam", "cooldown": 0.5}}, "'cooldown' is called 'decay_start' now at learner"),
        ({"rewrite": {"part": "bias"}}, "'part' is called 'direction' now at rewrite"),
        ({"lerner": {}}, "unknown key 'lerner'; did you mean 'learner'"),
        ({"learner": 3}, r"learner must be a table, such as \{\"kind\": …\}, not 3"),
        ({"lerner": "adam"}, "unknown keyword 'lerner'; did you mean 'learner'"),
        ({"evaluators": 3}, r"evaluators must be a table, such as \{\"kinds\": \[…\]\}, not 3"),
        ({"seeds": 3}, r"seeds must be a table, such as \{\"at_most\": 1\}, not 3"),
        (
            {"learner": {"kind": "adam", "max_steps": 0}},
            r"'max_steps' must be >= 1: 0 at learner \(maximum number of steps; learning stops earlier",
        ),
        (
            {"data": {"max_per_class": "ten"}},
            (
                r"'ten' is a text, but a whole number is needed at data.max_per_class \(maximum number of"
                r" pairs of each class\)"
            ),
        ),
    ],
)
def test_wrong_keywords_say_what_is_right(tables, words):
    with pytest.raises(ConfigError, match=words):
        Session("english-pronouns", **tables)


def test_a_report_of_nothing_to_compare_says_what_is_needed(run):
    with pytest.raises(ConfigError, match="runs to compare are the folders of finished runs"):
        compare_runs([run])
    with pytest.raises(ConfigError, match="evaluators are a list of names"):
        evaluate_run("anywhere", "stability")


def test_names_stand_for_tables():
    run = gd.Session(
        "english-pronouns", classes="3SG,3PL", learner="ridge", evaluators=["encoder"], visualizers="transfer"
    )
    assert run.config.learner.kind == "ridge"
    assert [choice.kind for choice in run.config.evaluators] == ["encoder"]
    assert [choice.kind for choice in run.config.visualizers] == ["transfer"]
    assert run.config.paradigm.config.classes == ("3SG", "3PL")
    assert gd.Session("english-pronouns", settings="seeds.at_most=2").config.seeds.at_most == 2


def test_a_notebook_shows_what_there_is(quick):
    new = gd.Session("english-pronouns")
    assert repr(new) == "<Session english-pronouns in tiny-mlm, not learned yet>"
    assert "run.reports evaluates it" in new._repr_html_()
    report = quick.reports["encoder"]
    shown = quick._repr_html_()
    assert repr(quick) == "<Session english-pronouns in tiny-mlm, evaluated>"
    assert "The model tells 3SG (he, she, it) from 3PL (they)" in shown
    assert report.lines[0][:9] in shown
    assert repr(report).startswith("<Report encoder with")
    assert "train.correlation" in report._repr_html_()
    table = report.tables["encodings"]
    assert list(table.to_frame().columns) == list(table.columns)
    assert len(table.to_frame()) == len(table.rows)
    assert f"and {len(table.rows) - 20:,} more rows" in table._repr_html_()
    assert repr(quick.feature).startswith("<LearnedFeature 3SG against 3PL, ")
    assert "3SG (+1) against 3PL (−1)" in quick.feature._repr_html_()
    assert "3SG (he, she, it)" in quick.data._repr_html_()
    assert "feature factor -1" in repr(quick.update("3SG", 0.01))
    with pytest.raises(ConfigError, match="did you mean 'test.correlation'"):
        report["test.corelation"]
