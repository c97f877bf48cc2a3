"""Reports and run records come back from their files as they were."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from attrs import evolve, field, frozen
from hypothesis import given
from hypothesis import strategies as st

from gradiend_core.errors import ConfigError, StorageError
from gradiend_core.records.edit import ChosenEdit, EditScores
from gradiend_core.records.funnel import Drop, Funnel
from gradiend_core.records.metric import Metric
from gradiend_core.records.provenance import Provenance
from gradiend_core.records.report import Report, Table, chosen_edit
from gradiend_core.run.state import RunRecord, SeedResult
from gradiend_core.storage.reports import load_record, save_record, save_tables

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False)
metrics = st.builds(Metric, st.none() | numbers, st.integers(0, 10**9))
cells = st.none() | st.booleans() | numbers | texts
scores = st.builds(EditScores, *[metrics] * 7)
floats = st.floats(allow_nan=False)
edits = st.builds(ChosenEdit, texts, floats, floats, texts, scores, scores, texts)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    columns = draw(st.lists(texts, min_size=1, max_size=4, unique=True))
    rows = draw(st.lists(st.tuples(*[cells] * len(columns)), max_size=4))
    return Table(tuple(columns), tuple(rows))


reports = st.builds(
    Report,
    texts,
    st.dictionaries(st.lists(texts, min_size=1, max_size=4).map(tuple), metrics, max_size=5),
    st.dictionaries(texts, tables(), max_size=3),
    st.lists(texts, max_size=3).map(tuple),
    st.lists(texts, max_size=3).map(tuple),
    st.lists(edits, max_size=2).map(tuple),
)


def back(record: object) -> object:
    with TemporaryDirectory() as folder:
        save_record(record, Path(folder, "record.json"))  # type: ignore[type-var]
        return load_record(type(record), Path(folder, "record.json"))  # type: ignore[type-var]


@given(reports)
def test_a_report_comes_back_equal(report):
    again = back(report)
    assert again == report
    for table, other in zip(report.tables.values(), again.tables.values(), strict=True):
        kinds = [[[type(cell) for cell in row] for row in each.rows] for each in (table, other)]
        assert kinds[0] == kinds[1], "1 and 1.0 and True are different cells"


@given(reports, st.none() | reports)
def test_a_record_of_a_run_comes_back_equal(report, source_report):
    provenance = Provenance("m", "a", "b", "c", 3, ("mlm", "words"), {"torch": "2"})
    funnel = Funnel(3, 2, (("A", 1),), (Drop("tokenizer", "why", 1, ("x",)),), ("careful",))
    seeds = (SeedResult(0, 0.5), SeedResult(1, 0.0, "collapsed"))
    record = RunRecord(
        provenance, (("A", "B"),), funnel, {"train": {"A": 1}}, ("word",), source_report, seeds, {"data": 0.5}
    )
    assert back(record) == record


def test_what_is_not_a_number_is_kept_apart_from_text():
    table = Table(("value", "text"), ((math.nan, "nan"), (math.inf, "inf"), (-math.inf, '{"number": "inf"}')))
    again = back(Report("r", {("a",): Metric(math.inf, 2)}, {"t": table}))
    assert math.isnan(again.tables["t"].rows[0][0])
    assert again.tables["t"].rows[1:] == table.rows[1:]
    assert again.metrics["a",] == Metric(math.inf, 2)
    assert again.nested() == {"a": None}, "results.json has only what JSON can hold"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "holds no valid Report"),
        ("{}", "holds no valid Report: KeyError"),
        (
            '{"name": 3, "metrics": [], "tables": {}, "warnings": [], "lines": [], "edits": []}',
            "is a whole number",
        ),
        (
            (
                '{"name": "r", "metrics": [{"path": ["a"], "value": "1", "n": 2}], "tables": {}, "warnings":'
                ' [], "lines": [], "edits": []}'
            ),
            "'1' is not a number",
        ),
        (
            (
                '{"name": "r", "metrics": [], "tables": {"t": {"columns": ["a"], "rows": [[1, 2]]}},'
                ' "warnings": [], "lines": [], "edits": []}'
            ),
            "has not 1 plain values",
        ),
    ],
)
def test_a_file_that_is_no_report_is_refused(tmp_path, content, words):
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(StorageError, match=words):
        load_record(Report, tmp_path / "r.json")
    with pytest.raises(StorageError, match="cannot be read: No such file"):
        load_record(Report, tmp_path / "nowhere.json")


@frozen
class Row:
    """A row whose first column is a word that Python keeps for itself."""

    own_class: str = field(metadata={"column": "class"})
    value: float


def test_rows_have_names(tmp_path):
    rows = [Row("A", 1.5), Row("B", 2.0)]
    table = Table.of(Row, rows)
    assert table.columns == ("class", "value")
    assert table.read(Row) == rows
    assert table.records()[1] == {"class": "B", "value": 2.0}
    save_tables(Report("r", {}, {"t": table}), tmp_path, "A_")
    with (tmp_path / "tables" / "A_r_t.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [{"class": "A", "value": "1.5"}, {"class": "B", "value": "2.0"}]


def test_the_chosen_edit_is_that_of_its_goal():
    score = EditScores(Metric(0.1, 5), *[Metric(None, 0)] * 6)
    edit = ChosenEdit(
        "3SG", -1.0, 0.5, "decoder", score, evolve(score, probability=Metric(0.9, 5)), "threshold"
    )
    by_name = {"any": Report("any", {}, edits=(edit,)), "other": Report("other", {})}
    assert chosen_edit(by_name, "3SG") == edit
    with pytest.raises(ConfigError, match="no edit toward 3PL was looked for, only toward 3SG"):
        chosen_edit(by_name, "3PL")
