"""Texts from wherever the user has them, one after the other, never all in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from attrs import evolve

from gradiend_core.data.conllu import read_conllu
from gradiend_core.data.sentences import split_sentences, with_neighbours
from gradiend_core.errors import DataError
from gradiend_core.records.run import DataSettings
from gradiend_core.records.text import Text

TABLES = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
CONLLU = ".conllu"
LINES = ".txt"
HUB = "hub:"
#: the column that says from which of several inputs a row is
PART = "part"


def read_texts(texts: Any, settings: DataSettings | None = None) -> Iterator[Text]:
    """One text after the other.

    `texts` is a list of strings, a pandas frame, a `datasets` dataset, in memory or streaming, a text file
    (one text a line), a CSV, TSV, JSON, JSONL, Parquet or CoNLL-U file, a folder (of tables or a saved
    dataset; else of CoNLL-U files; else of text files, each a document), or "hub:" and a dataset's id; or a
    dict of any of these, whose keys are the rows' column "part". Tables give the columns that `settings`
    names; a dataset of several splits gives them all, with the split's name as split. Raises DataError for
    what cannot be read."""
    settings = settings or DataSettings()
    numbered: Iterator[Text] = _numbered(_read(texts, settings))
    if settings.max_texts:
        numbered = islice(numbered, settings.max_texts)
    if settings.sentences:
        numbered = split_sentences(numbered, settings.sentences, settings.context)
    return (
        with_neighbours(numbered, settings.context)
        if settings.context and not settings.sentences
        else numbered
    )


def watched(texts: Iterable[Text]) -> Iterator[Text]:
    """The same texts, with a progress bar where somebody looks."""
    from tqdm import tqdm

    yield from tqdm(
        texts, "texts", unit=" texts", unit_scale=True, leave=False, disable=None, mininterval=0.5
    )


def _numbered(texts: Iterator[Text]) -> Iterator[Text]:
    for number, text in enumerate(texts):
        yield evolve(text, unit=number)


def _read(texts: Any, settings: DataSettings) -> Iterator[Text]:
    if isinstance(texts, (str, Path)):
        yield from _from_name(str(texts), settings)
    elif isinstance(texts, Mapping) and not hasattr(texts, "column_names"):
        for name, one in texts.items():
            for text in _read(one, settings):
                yield evolve(text, row={**(text.row or {}), PART: name})
    elif hasattr(texts, "iloc"):
        import datasets

        yield from _from_dataset(
            datasets.Dataset.from_pandas(texts, preserve_index=False), settings, "the frame"
        )
    elif hasattr(texts, "column_names"):
        yield from _from_dataset(texts, settings, "the dataset")
    elif isinstance(texts, Iterable):
        for text in texts:
            if isinstance(text, str):
                yield Text(text)
            elif isinstance(text, Text):
                yield text
            else:
                raise DataError(f"texts must be strings, but one is {text!r}")
    else:
        raise DataError(
            f"texts cannot be read from {type(texts).__name__}; give strings, a frame, a dataset, a file or a"
            " folder"
        )


def _from_name(name: str, settings: DataSettings) -> Iterator[Text]:
    path = Path(name).expanduser()
    if name.startswith(HUB):
        yield from _from_dataset(_load(name, name[len(HUB) :], settings), settings, name)
    elif path.is_dir():
        kinds = {kind: sorted(path.rglob(f"*{kind}")) for kind in (*TABLES, CONLLU, LINES)}
        if not any(kinds[kind] for kind in TABLES) and (files := kinds[CONLLU] or kinds[LINES]):
            for file in files:
                for text in _from_name(str(file), settings):
                    yield text if text.document else evolve(text, document=str(file.relative_to(path)))
        else:
            yield from _from_dataset(_load(name, str(path), settings), settings, name)
    elif not path.is_file():
        raise DataError(
            f"texts {name!r}: no such file, folder or named text; a dataset of the hub is given as"
            " hub:OWNER/NAME"
        )
    elif path.suffix in TABLES:
        options: dict[str, Any] = {"sep": "\t"} if path.suffix == ".tsv" else {}
        if settings.columns and TABLES[path.suffix] == "csv":
            options |= {"column_names": list(settings.columns)}
        if settings.encoding.lower() != "utf-8" and TABLES[path.suffix] == "csv":
            options |= {"encoding": settings.encoding}
        yield from _from_dataset(
            _load(name, TABLES[path.suffix], settings, data_files=str(path), **options), settings, name
        )
    elif path.suffix == CONLLU:
        yield from read_conllu(path)
    else:
        encoding = "utf-8-sig" if settings.encoding.lower() in ("utf-8", "utf8") else settings.encoding
        try:
            with path.open(encoding=encoding) as lines:
                yield from (Text(line.rstrip("\n")) for line in lines)
        except LookupError as error:
            raise DataError(
                f"data.encoding is {settings.encoding!r}, which is no known encoding; use utf-8 or latin-1"
            ) from error
        except UnicodeDecodeError as error:
            raise DataError(
                f"texts {name!r} is not {settings.encoding.upper()} text: {error.reason} at byte"
                f" {error.start}; set data.encoding"
            ) from error


def _load(name: str, path: str, settings: DataSettings, **options: Any) -> Any:
    import datasets

    try:
        if Path(path).is_dir() and any(
            (Path(path) / file).exists() for file in ("state.json", "dataset_dict.json")
        ):
            return datasets.load_from_disk(path)
        return datasets.load_dataset(path, settings.subset or None, streaming=settings.streaming, **options)
    except Exception as error:
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: Exception) -> DataError:
    root: BaseException = error
    while root.__cause__ or root.__context__:
        root = root.__cause__ or root.__context__ or root
    why = str(root).strip() or type(root).__name__
    return DataError(f"texts {name!r} cannot be loaded: {why.splitlines()[0]}")


def _rows(split: Any, name: str) -> Iterator[Any]:
    """The rows of a dataset, of which a streamed one is parsed only now."""
    rows = iter(split)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except Exception as error:
            raise _unreadable(name, error) from error
        yield row


def _from_dataset(dataset: Any, settings: DataSettings, name: str) -> Iterator[Text]:
    several = hasattr(dataset, "values") and hasattr(dataset, "keys")
    for split_name, split in dataset.items() if several else [("", dataset)]:
        wanted = {"text_column": settings.text_column, "document_column": settings.document_column}
        wanted["split_column"] = settings.split_column
        columns = split.column_names
        for setting, column in wanted.items():
            if column and columns is not None and column not in columns:
                raise DataError(
                    f"{name} has no column {column!r} (columns: {', '.join(columns)}); set data.{setting}"
                )
        for number, row in enumerate(_rows(split, name)):
            text = row.get(settings.text_column)
            if not isinstance(text, str):
                raise DataError(
                    f"{name}: row {number} has {text!r} as its {settings.text_column!r}, not a text; set"
                    " data.text_column"
                )
            document = str(row[settings.document_column]) if settings.document_column else ""
            given = (
                str(row[settings.split_column])
                if settings.split_column
                else split_name
                if several and len(dataset) > 1
                else ""
            )
            yield Text(text, document=document, split=given, row=row)
