"""Texts from wherever the user has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gradiend_core.errors import DataError

TABLES = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
HUB = "hub:"


def read_texts(texts: Any, column: str = "text") -> Iterator[str]:
    """One text after the other.

    `texts` is a list of strings, a `datasets` dataset, a text file (one text a line), a CSV, TSV, JSON, JSONL or Parquet
    file, a folder that `load_from_disk` or `load_dataset` reads, or "hub:" and a dataset's id. Tables give their
    `column`; a dataset of several splits gives them all.
    """
    if isinstance(texts, (str, Path)):
        yield from _from_name(str(texts), column)
    elif hasattr(texts, "features") or hasattr(texts, "column_names"):
        yield from _from_dataset(texts, column, "the dataset")
    elif isinstance(texts, Iterable):
        for text in texts:
            if not isinstance(text, str):
                raise DataError(f"texts must be strings, but one is {text!r}")
            yield text
    else:
        raise DataError(f"texts cannot be read from {type(texts).__name__}; give strings, a dataset, a file or a folder")


def _from_name(name: str, column: str) -> Iterator[str]:
    path = Path(name).expanduser()
    if name.startswith(HUB):
        yield from _from_dataset(_load(name, name[len(HUB) :]), column, name)
    elif path.is_dir():
        yield from _from_dataset(_load(name, str(path)), column, name)
    elif not path.is_file():
        raise DataError(f"texts {name!r}: no such file, folder or named text; a dataset of the hub is given as hub:OWNER/NAME")
    elif path.suffix in TABLES:
        options = {"sep": "\t"} if path.suffix == ".tsv" else {}
        yield from _from_dataset(_load(name, TABLES[path.suffix], data_files=str(path), **options), column, name)
    else:
        with path.open(encoding="utf-8") as lines:
            try:
                yield from (line.rstrip("\n") for line in lines)
            except UnicodeDecodeError as error:
                raise DataError(f"texts {name!r} is not UTF-8 text: {error.reason} at byte {error.start}") from error


def _load(name: str, path: str, **options: Any) -> Any:
    import datasets

    try:
        if Path(path).is_dir() and any((Path(path) / file).exists() for file in ("state.json", "dataset_dict.json")):
            return datasets.load_from_disk(path)
        return datasets.load_dataset(path, **options)
    except Exception as error:
        raise DataError(f"texts {name!r} cannot be loaded: {str(error).splitlines()[0]}") from error


def _from_dataset(dataset: Any, column: str, name: str) -> Iterator[str]:
    splits = list(dataset.values()) if hasattr(dataset, "values") and hasattr(dataset, "keys") else [dataset]
    for split in splits:
        if split.column_names is not None and column not in split.column_names:
            raise DataError(f"{name} has no column {column!r} (columns: {', '.join(split.column_names)}); set text_column")
        for row in split:
            yield row[column]
