"""What an encoder reads in texts that its run has not seen: marked by hand, or found by the run's
paradigm."""

from __future__ import annotations

import csv
import json

import pytest

import gradiend_core as gd
from gradiend_core.errors import DataError
from gradiend_core.learning.encodings import encodings
from tests.conftest import settings

SLOT = "The cat was warm because [it|they] slept."


def test_texts_encode_as_they_did_in_the_run(quick):
    """To float32's rounding, which depends on the batch: pairs given as such, and written by hand."""
    examples = quick.examples["test"]
    right = pytest.approx(encodings(quick.feature, quick.gradients, examples).tolist(), abs=1e-5)
    assert gd.encode(quick, examples.pairs).column("encoding") == right
    written = [f"{pair.left}[{pair.factual}|{pair.alternative}]{pair.right}" for pair in examples.pairs]
    table = gd.encode(quick, written)
    assert table.column("encoding") == right
    assert table.column("text") == written
    assert set(table.column("feature")) == {"3SG against 3PL"}


def test_what_the_model_cannot_take_is_refused_by_name(quick):
    with pytest.raises(DataError, match="'Then him left.': 'him' is 3 tokens"):
        gd.encode(quick, [SLOT, "Then [him|they] left."])
    with pytest.raises(DataError, match="encode takes a list of texts"):
        gd.encode(quick, SLOT)


def test_other_texts_are_read_by_the_run_s_own_rules(quick, tmp_path):
    """All pairs are test pairs, and a class may be missing."""
    pairs = (*quick.data.pairs[:20], *quick.data.pairs[-20:])  # of either class
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(pair.text for pair in pairs) + "\nThe bridge was old.\n")
    (report,) = gd.encode_texts(quick, str(file))
    assert report["test.n"] == 40
    assert report["neutral.n"] == 1
    assert report["test.correlation"] > 0.9
    kept = {pair.text: (pair.factual_class, pair.factual) for pair in pairs}
    rows = report.tables["encodings"].records()
    assert {row["split"] for row in rows} == {"test", "neutral"}
    for row in rows[:40]:
        assert kept[row["text"].replace("[", "").replace("]", "")] == (row["class"], row["factual"])

    (report,) = gd.encode_texts(
        quick, ["The dog ran because it was tired.", "The man was happy because he won."]
    )
    assert report["test.n"] == 2
    assert report["test.mean_by_class.3SG"] > 0.5
    assert report["test.correlation"] is report["test.mean_by_class.3PL"] is None
    json.dumps(report.nested(), allow_nan=False)
    assert report.lines[0].startswith(
        "encoder   the classes' own words in unseen texts: (n = 2), means 3SG +"
    )


def test_texts_without_a_pair_are_refused(quick):
    with pytest.raises(DataError, match="no pair of 3SG and 3PL is in 1 texts"):
        gd.encode_texts(quick, ["The bridge was old."])
    with pytest.raises(DataError, match=r"there is no text: 1 texts were read; dropped 1: empty"):
        gd.encode_texts(quick, [""])


def test_every_axis_reads_the_same_text():
    fast = {"kinds": ["encoder"], "encoder": {"random_directions": 0}}
    run = gd.Session(
        "english-pronouns",
        classes=("1SG", "3SG", "3PL"),
        **settings(evaluators=fast, selector={"kind": "random", "share": 0.1}),
    )
    table = gd.encode(run, [SLOT, "The cat was [warm]."])
    assert table.column("feature") == [
        f"{name} against others" for name in ("1SG", "3SG", "3PL") for _ in range(2)
    ]
    reports = gd.encode_texts(run, [pair.text for pair in run.data.split("test")])
    assert len(reports) == 3
    assert all(report["test.correlation"] > 0.8 for report in reports)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    tables = settings(
        selector={"kind": "top-gradient", "share": 0.1},
        evaluators={"kinds": ["encoder"]},
        visualizers={"kinds": []},
    )
    return gd.save_run(gd.Session("english-pronouns", **tables), tmp_path_factory.mktemp("encoding") / "run")


def test_a_finished_run_reads_without_its_own_texts(folder, monkeypatch):
    """Neither its pairs nor its selection are made again."""
    run = gd.load_run(folder)
    monkeypatch.setattr(type(run), "data", property(lambda self: pytest.fail("the run's texts were read")))
    assert gd.encode(run, [SLOT]).column("encoding")[0] > 0.5
    assert gd.encode_texts(run, "tiny-english")[0]["test.correlation"] > 0.9


def test_the_command(folder, gradiend, tmp_path):
    code, out, _ = gradiend("encode", folder, SLOT, "The cat was [warm].", "--output", tmp_path / "one.csv")
    assert code == 0
    first, second, last = out.splitlines()
    assert first.startswith("+0.")
    assert first.endswith(SLOT)
    assert second.endswith("The cat was [warm].")
    rows = list(csv.DictReader((tmp_path / "one.csv").read_text().splitlines()))
    assert [f"{float(row['encoding']):+.3f}" for row in rows] == [first.split()[0], second.split()[0]]
    assert last == f"written to {tmp_path / 'one.csv'}"

    code, out, _ = gradiend(
        "encode",
        folder,
        "--texts",
        "tiny-english",
        "--output",
        tmp_path / "all.csv",
        "--set",
        "data.max_texts=500",
    )
    assert code == 0
    assert out.startswith("encoder   the classes' own words in unseen texts: correlation 0.9")
    rows = list(csv.DictReader((tmp_path / "all.csv").read_text().splitlines()))
    assert {row["class"] for row in rows} == {"3SG", "3PL", "neutral"}
    assert {row["feature"] for row in rows} == {"3SG against 3PL"}

    for arguments, problem in [
        ((folder,), "give either texts with a marked slot, or --texts"),
        ((folder, SLOT, "--texts", "tiny-english"), "give either texts with a marked slot, or --texts"),
        ((folder, SLOT, "--output", tmp_path / "one.csv"), "one.csv exists; give a new file"),
        ((folder, "The cat slept."), "'The cat slept.' has no slot with its fillers"),
        ((folder, "--texts", "no.txt"), "texts 'no.txt': no such file, folder or named text"),
        ((tmp_path, SLOT), "holds no finished run"),
    ]:
        code, out, err = gradiend("encode", *arguments)
        assert (code, out) == (1, "")
        assert err.startswith("error: ")
        assert problem in err
        assert len(err.splitlines()) == 1
