"""Pairs as a folder.

data.toml       how they were made; `gradiend data data.toml` makes them again
pairs.jsonl     the pairs, with [MASK] as slot          neutral.jsonl   neutral text
pairs.csv       the same as a table, or pairs.parquet, where asked for
run.toml        a run on them as they are: `gradiend run run.toml --model MODEL`
audit/          tables: funnel, classes, words, lengths, overlap, tokens
audit.md        the audit in short
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from gradiend_core.config.runfile import written_data
from gradiend_core.data.audit import audit
from gradiend_core.data.collecting import MASK
from gradiend_core.errors import ConfigError, StorageError, unknown
from gradiend_core.records.pair import MinimalPair, PairData
from gradiend_core.records.report import Table
from gradiend_core.run.data import DataMaker
from gradiend_core.storage.files import MALFORMED, write_csv, write_text
from gradiend_core.storage.folders import claimed, clear, expect_free
from gradiend_core.storage.manifest import is_sealed, sealed

MARKER = "data.toml"


#: the columns that only classes made of several have, and that only graded ones have
OPTIONAL = ("factual_subclass", "alternative_subclass", "factual_grade", "alternative_grade")
#: the columns of a pair's row that probabilities add
ANNOTATIONS = ("factual_probability", "alternative_probability")
#: the forms that pairs are written in beside pairs.jsonl
TABLES = ("csv", "parquet")
#: P(factual) and P(alternative) at the slot of a pair, None where the model does not take it
Probabilities = Mapping[MinimalPair, tuple[float, float] | None]


def pair_row(pair: MinimalPair) -> dict[str, Any]:
    """A pair as a row of a masked data set, as the paradigm "masked" reads it."""
    return {
        "text": f"{pair.left}{MASK}{pair.right}",
        "factual": pair.factual,
        "alternative": pair.alternative,
        "factual_class": pair.factual_class,
        "alternative_class": pair.alternative_class,
        "split": pair.split,
        "document": pair.document,
        "factual_subclass": pair.factual_subclass,
        "alternative_subclass": pair.alternative_subclass,
        "factual_grade": pair.factual_grade,
        "alternative_grade": pair.alternative_grade,
    }


def write_pairs(
    data: PairData, output: Path, probabilities: Probabilities | None = None, table: str = ""
) -> None:
    """Writes pairs.jsonl and neutral.jsonl, and the pairs as a table where one is asked for."""
    rows = [pair_row(pair) for pair in data.pairs + data.neutral_pairs]
    for name in OPTIONAL:
        if not any(row[name] for row in rows):
            rows = [{column: value for column, value in row.items() if column != name} for row in rows]
    if probabilities is not None:
        for row, pair in zip(rows, data.pairs + data.neutral_pairs, strict=True):
            row |= zip(ANNOTATIONS, probabilities.get(pair) or (None, None), strict=True)
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    write_text(output / "pairs.jsonl", "\n".join(lines) + "\n")
    if table == "csv":
        write_csv(output / "pairs.csv", tuple(rows[0]), [tuple(row.values()) for row in rows])
    elif table:
        from datasets import Dataset

        Dataset.from_list(rows).to_parquet(str(output / "pairs.parquet"))
    neutral = [json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in data.neutral_texts]
    write_text(output / "neutral.jsonl", "".join(neutral))


def read_pairs(folder: Path) -> list[MinimalPair]:
    """The pairs in the folder of a run or data set, neutral ones included. Raises StorageError where there
    are none."""
    try:
        rows = [
            json.loads(line) for line in (folder / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
        ]
        pairs = []
        for row in rows:
            left, right = row.pop("text").split(MASK)
            row = {name: value for name, value in row.items() if name not in ANNOTATIONS}
            pairs.append(MinimalPair(left=left, right=right, **row))
    except (OSError, *MALFORMED) as error:
        raise StorageError(f"{folder} holds no pairs: pairs.jsonl cannot be read ({error})") from error
    return pairs


def save_data(
    run: DataMaker,
    output: str | Path,
    tokenizer: Any = None,
    *,
    table: str = "",
    annotate: Callable[[Sequence[MinimalPair]], Probabilities] | None = None,
    overwrite: bool = False,
) -> tuple[PairData, Mapping[str, Table]]:
    """Makes the pairs of a run, writes them with their audit, and returns both. `table` adds the pairs as
    "csv" or "parquet"; `annotate` gives the probabilities to add to them. Raises ConfigError for another
    format, and StorageError where a data set exists already; with `overwrite` it is replaced."""
    if table and table not in TABLES:
        raise ConfigError(unknown("table", table, TABLES))
    output = Path(output)
    with claimed(output, MARKER):
        if finished := is_sealed(output):
            expect_free(output, overwrite=overwrite)
        data = run.pairs()
        probabilities = annotate(data.pairs + data.neutral_pairs) if annotate else None
        if finished:
            clear(output)
        with sealed(output):
            write_text(output / MARKER, written_data(run.general, run.choice, run.settings))
            write_pairs(data, output, probabilities, table)
            tables = write_audit(data, output, tokenizer)
            write_text(output / "run.toml", _training_run(data, output.resolve()))
    return data, tables


def write_audit(data: PairData, output: Path, tokenizer: Any = None) -> Mapping[str, Table]:
    """audit/ and audit.md."""
    tables = audit(data, tokenizer)
    for name, table in tables.items():
        write_csv(output / "audit" / f"{name}.csv", table.columns, table.rows)
    write_text(output / "audit.md", report(data, tables))
    return tables


def _training_run(data: PairData, output: Path) -> str:
    """A run file that takes the pairs as they are, including their splits."""
    paradigm: dict[str, Any] = {"kind": "masked", "classes": list(data.classes), "alternative": "alternative"}
    paradigm |= {"alternative_class": "alternative_class"} | (
        {"grades": dict(data.grades)} if data.grades else {}
    )
    if data.neutral_texts:
        paradigm["neutral"] = str(output / "neutral.jsonl")
    settings = {
        "split_column": "split",
        "split_by": "given",
        "document_column": "document",
        "max_per_class": 0,
        "max_neutral": 0,
    }
    return tomli_w.dumps({"texts": str(output / "pairs.jsonl"), "paradigm": paradigm, "data": settings})


def report(data: PairData, tables: Any) -> str:
    """The audit as Markdown."""
    paragraphs = [
        "# Audit",
        *data.funnel.lines(),
        *(f"warning: {warning}" for warning in data.funnel.warnings),
    ]
    for name, table in tables.items():
        if name != "funnel":
            paragraphs += [f"## {name}", markdown(table)]
    return "\n\n".join(paragraphs) + "\n"


def markdown(table: Table) -> str:
    rows = [table.columns, ["---"] * len(table.columns), *table.rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows)
