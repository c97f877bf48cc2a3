"""Pairs as a folder.

data.toml       how they were made; `gradiend data data.toml` makes them again
pairs.jsonl     the pairs, with [MASK] as slot          neutral.jsonl   neutral text
run.toml        a run on them as they are: `gradiend run run.toml --model MODEL`
audit/          tables: funnel, classes, words, lengths, overlap, tokens
audit.md        the audit in short
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from gradiend_core.config.runfile import written_data
from gradiend_core.data.audit import audit
from gradiend_core.data.collecting import MASK
from gradiend_core.errors import StorageError
from gradiend_core.records.pair import MinimalPair, PairData
from gradiend_core.records.report import Table
from gradiend_core.run.data import DataMaker
from gradiend_core.storage.files import MALFORMED, write_csv, write_text
from gradiend_core.storage.folders import claimed, clear, expect_free
from gradiend_core.storage.manifest import is_sealed, sealed

MARKER = "data.toml"


def pair_row(pair: MinimalPair) -> dict[str, str]:
    """A pair as a row of a data set that is masked already, as the paradigm "masked" reads it."""
    return {
        "text": f"{pair.left}{MASK}{pair.right}",
        "factual": pair.factual,
        "alternative": pair.alternative,
        "factual_class": pair.factual_class,
        "alternative_class": pair.alternative_class,
        "split": pair.split,
        "document": pair.document,
    }


def write_pairs(data: PairData, output: Path) -> None:
    """pairs.jsonl and neutral.jsonl."""
    pairs = [json.dumps(pair_row(pair), ensure_ascii=False) for pair in data.pairs + data.neutral_pairs]
    write_text(output / "pairs.jsonl", "\n".join(pairs) + "\n")
    neutral = [json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in data.neutral_texts]
    write_text(output / "neutral.jsonl", "".join(neutral))


def read_pairs(folder: Path) -> list[MinimalPair]:
    """The pairs of a run's or a data set's folder, neutral ones too. Raises StorageError where there are
    none."""
    try:
        rows = [
            json.loads(line) for line in (folder / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
        ]
        pairs = []
        for row in rows:
            left, right = row.pop("text").split(MASK)
            pairs.append(MinimalPair(left=left, right=right, **row))
    except (OSError, *MALFORMED) as error:
        raise StorageError(f"{folder} holds no pairs: pairs.jsonl cannot be read ({error})") from error
    return pairs


def save_data(
    run: DataMaker, output: str | Path, tokenizer: Any = None, *, overwrite: bool = False
) -> tuple[PairData, Mapping[str, Table]]:
    """Makes the pairs of a run and writes them with their audit; gives both back. Raises StorageError where
    a data set is there already; with `overwrite` it is replaced."""
    output = Path(output)
    with claimed(output, MARKER):
        if finished := is_sealed(output):
            expect_free(output, overwrite=overwrite)
        data = run.pairs()
        if finished:
            clear(output)
        with sealed(output):
            write_text(output / MARKER, written_data(run.general, run.choice, run.settings))
            write_pairs(data, output)
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
    """A run file that takes the pairs, splits included, as they are."""
    paradigm: dict[str, Any] = {"kind": "masked", "classes": list(data.classes), "alternative": "alternative"}
    paradigm |= {"alternative_class": "alternative_class"}
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
