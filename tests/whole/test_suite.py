"""Suites: what a file stands for, runs that fail or are interrupted, several processes, and what the
comparison finds."""

from __future__ import annotations

import csv
import json
import shutil
import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gradiend_core import cli, compare_runs, evaluate_run, load_run, read_suite, run_suite, write_report
from gradiend_core.config.runfile import read_run_file
from gradiend_core.errors import ConfigError, StorageError
from gradiend_core.learning.encodings import encodings
from gradiend_core.records.run import ComparisonSettings
from gradiend_core.run.data_folder import read_pairs
from gradiend_core.storage.features import load_feature
from gradiend_core.storage.manifest import seal
from tests.conftest import ROOT

FILE = """
model = "tiny-mlm"
[learner]
kind = "mean-difference"
[data]
max_per_class = 40
max_neutral = 20
[comparison]
nulls = 1
max_pairs = 5
[[members]]
pairs = [["1SG", "1PL"], ["3SG", "3PL"]]
paradigm = {kind = "english-pronouns"}
[[members]]
name = "number"
poles = true
paradigm = {kind = "english-pronouns", classes = ["1SG+3SG", "1PL+3PL"]}
[[members]]
name = "others"
paradigm = {kind = "english-pronouns", classes = ["1SG", "2", "3SG"]}
"""


def written(folder: Path, text: str = FILE) -> Path:
    path = folder / "suite.toml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("suites")
    suite = read_suite(written(folder))
    return suite, run_suite(suite, folder / "out"), folder / "out"


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "comparison" / "tables" / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_file_stands_for_its_runs(tmp_path):
    text = FILE + '[[members]]\npairs = "all"\nmodel = ["tiny-mlm", "tiny-clm"]\nname = "all"\n'
    text += 'paradigm = {kind = "english-pronouns", classes = ["1SG", "2", "3PL"]}\n'
    suite = read_suite(written(tmp_path, text), ["learner.kind=ridge"])
    names = [member.name for member in suite.members if "shuffled" not in member.name]
    assert names == [
        "1SG-1PL",
        "3SG-3PL",
        "number",
        "others",
        "all.1SG-2@tiny-mlm",
        "all.1SG-2@tiny-clm",
        "all.1SG-3PL@tiny-mlm",
        "all.1SG-3PL@tiny-clm",
        "all.2-3PL@tiny-mlm",
        "all.2-3PL@tiny-clm",
    ]
    by_name = {member.name: member.tables for member in suite.members}
    assert by_name["all.2-3PL@tiny-clm"]["model"] == "tiny-clm"
    assert by_name["number"]["data"] == {"max_per_class": 40, "max_neutral": 20}
    assert by_name["number.shuffled"]["learner"] == {"kind": "shuffled", "of": "ridge"}
    assert not by_name["number.shuffled"]["poles"]


def test_the_example_has_45_features():
    suite = read_suite(ROOT / "docs" / "examples" / "many-features.toml")
    assert sum("shuffled" not in member.name for member in suite.members) == 45


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('model = "tiny-mlm"', "has no members; give each as a table"),
        ("[[members]]\n[[members]]", "neither a name nor classes"),
        ('[[members]]\nname = "a"\n[[members]]\nname = "a"', "two members of the suite are named 'a'"),
        ('[[members]]\npairs = "all"', "needs the classes to pair"),
        ('[[members]]\npairs = ["3SG", "3PL"]', "pairs must be"),
        ('[comparison]\ntop = []\n[[members]]\nname = "a"', "top"),
        ('[comparison]\npairs = 3\n[[members]]\nname = "a"', "pairs"),
    ],
)
def test_what_is_no_suite_is_refused(text, words, tmp_path):
    with pytest.raises(ConfigError, match=words):
        read_suite(written(tmp_path, text))


def test_runs_and_their_comparison_are_there(done):
    suite, result, folder = done
    assert result.failed == {}
    assert json.loads((folder / "suite.json").read_text())["finished"] == [
        member.name for member in suite.members
    ]
    features = {row["feature"]: row for row in table(folder, "features")}
    assert {name for name, row in features.items() if row["null"] == "False"} == {
        "1SG-1PL",
        "3SG-3PL",
        "number",
        "others.1SG",
        "others.2",
        "others.3SG",
    }
    assert features["number"]["poles"] == "True"
    assert all(float(row["correlation"]) > 0.9 for row in features.values() if row["null"] == "False")
    run = read_run_file(folder / "runs" / "number" / "run.toml")
    assert (run["evaluators"]["kinds"], run["visualizers"]["kinds"]) == (["encoder"], [])
    assert {row["n"] for row in table(folder, "crossing") if "others" not in row["texts_of"]} == {"10"}, (
        "max_pairs of each class"
    )
    crossing = {
        (row["feature"], row["texts_of"]): float(row["oriented"]) for row in table(folder, "crossing")
    }
    assert crossing["number", "3SG-3PL"] > 0.5, "number is what he and they differ in"
    assert not any("shuffled" in texts for _, texts in crossing)
    assert {path.name for path in (folder / "comparison" / "figures").glob("*.png")} == {
        "similarity.png",
        "overlap.png",
        "cross-encoding.png",
        "places.png",
        "shared-weights.png",
    }
    assert any(line.startswith("a feature and one of shuffled classes") for line in result.report.lines)


def test_a_run_of_a_suite_is_the_run_of_its_file(done, tmp_path):
    """What is shared changes no number."""
    from gradiend_core import Session

    _, _, folder = done
    alone = Session(run_file=folder / "runs" / "number" / "run.toml").feature
    assert (alone.encoder == load_feature(folder / "runs" / "number" / "feature").encoder).all()


def test_encoders_read_test_pairs(done):
    folder = done[2] / "runs" / "1SG-1PL"
    session = load_run(folder)
    test = [pair for pair in read_pairs(folder) if pair.split == "test"]
    some = [[pair for pair in test if pair.factual_class == name][:5] for name in ("1SG", "1PL")]
    examples = session.source.prepare([*some[0], *some[1]], session.loaded.tokenizer, session.loaded.model)
    values = encodings(session.feature, session.gradients_over(session.feature.scope), examples)
    (row,) = (row for row in table(done[2], "crossing") if row["feature"] == row["texts_of"] == "1SG-1PL")
    assert float(row["first"]) == pytest.approx(float(values[:5].mean()), abs=1e-4)
    assert float(row["second"]) == pytest.approx(float(values[5:].mean()), abs=1e-4)


def test_pairs_that_the_model_cannot_take_are_no_loss(done, tmp_path):
    """The limit is of those that it takes."""
    one, two = (shutil.copytree(done[2] / "runs" / name, tmp_path / name) for name in ("1SG-1PL", "number"))
    rows = [json.loads(line) for line in (one / "pairs.jsonl").read_text().splitlines()]
    first = next(row for row in rows if row["split"] == "test" and row["factual_class"] == "1SG")
    bad = [{**first, "alternative": f"un{number}heardof"} for number in range(6)]
    (one / "pairs.jsonl").write_text("\n".join(json.dumps(row) for row in [*bad, *rows]))
    seal(one)
    report = compare_runs([one, two], ComparisonSettings(max_pairs=5))
    row = next(
        row for row in report.tables["crossing"].records() if row["feature"] == row["texts_of"] == "1SG-1PL"
    )
    assert row["n"] == 10
    assert row["oriented"] > 0.8


def test_given_again_it_does_what_is_missing(done, tmp_path):
    suite, _, folder = done
    again = shutil.copytree(folder, tmp_path / "again")
    lost, kept = again / "runs" / "number" / "results.json", again / "runs" / "1SG-1PL" / "results.json"
    lost.unlink()
    before = kept.stat().st_mtime_ns
    result = run_suite(suite, again)
    assert lost.exists()
    assert kept.stat().st_mtime_ns == before
    assert result.report.tables["pairs"] == done[1].report.tables["pairs"]


def test_a_run_that_was_evaluated_further_is_not_done_again(done, tmp_path):
    suite, _, folder = done
    again = shutil.copytree(folder, tmp_path / "again")
    run = again / "runs" / "number"
    evaluate_run(run, ["where"])
    before = (run / "results.json").stat().st_mtime_ns
    run_suite(suite, again)
    assert (run / "results.json").stat().st_mtime_ns == before
    written = write_report([run], tmp_path / "report.html").read_text()
    assert 'alt="what test examples and neutral text encode to"' in written, (
        "a run of a suite draws nothing, its report does"
    )
    assert 'alt="layers and components where the gradients of the feature are large"' in written


def test_a_run_that_asks_for_something_else_is_done_again_when_told(done, tmp_path):
    again = shutil.copytree(done[2], tmp_path / "again")
    results = again / "runs" / "number" / "results.json"
    before = results.stat().st_mtime_ns
    text = few(tmp_path).read_text().replace("poles = true", "seed = 1")
    asked = read_suite(written(tmp_path, text))
    assert "another --output, or --overwrite it" in run_suite(asked, again).failed["number"]
    assert results.stat().st_mtime_ns == before
    assert run_suite(asked, again, overwrite=True).failed == {}
    assert results.stat().st_mtime_ns != before
    assert json.loads(results.read_text())["provenance"]["seed"] == 1


def test_a_run_that_fails_is_told_and_the_others_go_on(tmp_path, capsys):
    text = FILE.replace("nulls = 1", "nulls = 0") + '[[members]]\nname = "lost"\ntexts = "nowhere.txt"\n'
    status = cli.app(
        ["suite", str(written(tmp_path, text)), "--output", str(tmp_path / "out")], standalone_mode=False
    )
    said = capsys.readouterr()
    assert status == 1
    assert "4 of 5 runs have finished" in said.out
    assert "failed    lost: texts 'nowhere.txt': no such file" in said.out
    assert "5 of 5  lost: texts" in said.err
    assert (tmp_path / "out" / "comparison" / "comparison.json").exists()
    assert "lost" in json.loads((tmp_path / "out" / "suite.json").read_text())["failed"]


def few(tmp_path: Path) -> Path:
    """Three runs without nulls."""
    return written(tmp_path, FILE.replace("nulls = 1", "nulls = 0").split('[[members]]\nname = "others"')[0])


@pytest.mark.slow
def test_processes_do_what_one_does(done, tmp_path):
    cli.app(
        ["suite", str(few(tmp_path)), "--output", str(tmp_path / "out"), "--jobs", "2"], standalone_mode=False
    )
    for name in ("1SG-1PL", "number"):
        one, two = (
            load_feature(folder / "runs" / name / "feature") for folder in (done[2], tmp_path / "out")
        )
        assert ((one.encoder - two.encoder).norm() / one.encoder.norm()) < 1e-4, (
            "threads may round otherwise, and no more"
        )


def test_any_executor_will_do(tmp_path):
    suite = read_suite(few(tmp_path))
    with ThreadPoolExecutor(1) as executor:
        assert set(run_suite(suite, tmp_path / "out", executor).finished) == {"1SG-1PL", "3SG-3PL", "number"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_will_do(tmp_path):
    from distributed import Client, LocalCluster

    suite = read_suite(few(tmp_path))
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        result = run_suite(suite, tmp_path / "out", client.get_executor())
    assert result.failed == {}
    assert set(result.finished) == {"1SG-1PL", "3SG-3PL", "number"}


def test_finished_runs_are_compared(done, tmp_path, capsys):
    runs = [str(done[2] / "runs" / name) for name in ("1SG-1PL", "3SG-3PL", "number")]
    cli.app(
        ["compare", *runs, "--top", "0.01", "--top", "50", "--output", str(tmp_path / "c")],
        standalone_mode=False,
    )
    assert "3 features of tiny-mlm" in capsys.readouterr().out
    with (tmp_path / "c" / "tables" / "pairs.csv").open() as file:
        assert {row["measure"] for row in csv.DictReader(file)} == {"cosine", "overlap 0.01", "overlap 50"}
    with pytest.raises(ConfigError, match="two features at least, and here is one"):
        compare_runs(runs[:1])
    with pytest.raises(StorageError, match="holds no finished run"):
        cli.app(["compare", str(tmp_path)], standalone_mode=False)
    with pytest.raises(ConfigError, match="--top takes a share"):
        cli.app(["compare", *runs, "--top", "many"], standalone_mode=False)
    with pytest.raises(StorageError, match="is not empty and holds no run"):
        cli.app(["compare", *runs, "--output", str(done[2])], standalone_mode=False)


@pytest.mark.slow
def test_transitions_of_one_article_pair_share_most(tmp_path):
    """The finding of arXiv 2601.09313 on the embedded German model: die→der is one feature, whatever the
    case."""
    text = """
    [learner]
    kind = "mean-difference"
    [[members]]
    paradigm = {kind = "german-articles"}
    pairs = [["FemNom", "FemDat"], ["FemNom", "FemGen"], ["FemAcc", "FemDat"], ["NeutNom", "NeutDat"],
             ["NeutAcc", "NeutDat"], ["MascDat", "MascGen"], ["NeutDat", "NeutGen"]]
    """
    run_suite(read_suite(written(tmp_path, text)), tmp_path / "out")
    articles = {
        "FemNom": "die",
        "FemAcc": "die",
        "FemDat": "der",
        "FemGen": "der",
        "NeutNom": "das",
        "NeutAcc": "das",
        "NeutDat": "dem",
        "MascDat": "dem",
        "MascGen": "des",
        "NeutGen": "des",
    }

    def pair(name: str) -> frozenset[str]:
        return frozenset(articles[one] for one in name.split("-"))

    rows = [
        row
        for row in table(tmp_path / "out", "pairs")
        if row["side"] == "decoder" and row["one"] != row["two"]
    ]
    rows = [row for row in rows if row["measure"].startswith("overlap")]
    shared = {
        kind: [float(row["value"]) for row in rows if (pair(row["one"]) == pair(row["two"])) is kind]
        for kind in (True, False)
    }
    means = {kind: sum(own) / len(own) for kind, own in shared.items()}
    assert means[True] > 1.5 * means[False], means


GROUPS = """
texts = "tiny-english"
[[members]]
name = "number"
paradigm = {kind = "words", aligned = true}
[members.groups.people]
one = ["boy", "girl", "man", "woman", "king"]
many = ["boys", "girls", "men", "women", "farmers"]
[members.groups.animals]
one = ["dog", "cat", "horse", "bird", "fox"]
many = ["dogs", "cats", "horses", "birds", "foxes"]
"""


@pytest.mark.slow
def test_each_group_of_words_is_left_out_once(tmp_path):
    suite = read_suite(written(tmp_path, GROUPS))
    by_name = {member.name: member.tables["paradigm"] for member in suite.members}
    assert [*by_name] == ["number.all", "number.without-people", "number.without-animals"]
    assert by_name["number.all"]["words"]["one"] == "boy girl man woman king dog cat horse bird fox".split()
    without = by_name["number.without-people"]
    assert (without["words"]["one"], without["related"]["one"]) == (
        ["dog", "cat", "horse", "bird", "fox"],
        ["boy", "girl", "man", "woman", "king"],
    )
    result = run_suite(suite, tmp_path / "out")
    assert result.failed == {}
    for left_out in ("people", "animals"):
        rows = table(tmp_path / "out", "metrics")
        values = {row["metric"]: row["value"] for row in rows if row["run"] == f"number.without-{left_out}"}
        assert float(values["correlation"]) > 0.8 > abs(float(values["untrained_correlation"]))
        assert "The model tells one (" in result.findings[f"number.without-{left_out}"]
        data = load_run(tmp_path / "out" / "runs" / f"number.without-{left_out}").data
        assert not {pair.factual for pair in data.pairs} & {*data.related["one"], *data.related["many"]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GROUPS.replace("one =", "some =", 1), "two groups at least, each with words of all classes"),
        (GROUPS.replace('["boy", "girl", "man", "woman", "king"]', '"boy"'), "a table of words by class"),
        ('[[members]]\nname = "a"\nseed = ["x"]', "seed of a suite or a member must be a whole number"),
    ],
)
def test_wrong_groups_and_seeds_are_refused(text, words, tmp_path):
    with pytest.raises(ConfigError, match=words):
        read_suite(written(tmp_path, text))


def test_every_metric_has_its_spread_over_seeds(tmp_path):
    text = (
        '[learner]\nkind = "mean-difference"\n[data]\nmax_per_class = 40\n[[members]]\nname = "a"\n'
        'seed = [3, 4, 5]\nparadigm = {kind = "english-pronouns", classes = ["1SG", "1PL"]}\n'
    )
    suite = read_suite(written(tmp_path, text))
    assert [member.name for member in suite.members] == ["a.seed3", "a.seed4", "a.seed5"]
    result = run_suite(suite, tmp_path / "out")
    pairs = [{*read_pairs(folder)} for folder in result.finished.values()]
    assert pairs[0] != pairs[1] != pairs[2], "texts are drawn and divided anew"
    values = [load_run(folder).reports["encoder"]["test.correlation"] for folder in result.finished.values()]
    spread = {row["metric"]: row for row in table(tmp_path / "out", "spread")}
    row = spread["test.correlation"]
    assert (row["runs"], row["seeds"]) == ("a", "3")
    assert float(row["mean"]) == pytest.approx(sum(values) / 3)
    assert float(row["std"]) == pytest.approx(statistics.stdev(values))
    assert (float(row["least"]), float(row["largest"])) == (min(values), max(values))
    assert len(spread) > 10
    assert any(line.startswith("a over 3 seeds: encoder test.correlation") for line in result.report.lines)
