"""Texts from any source, one after the other, never all in memory."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from attrs import evolve

from gradiend_core.data.conllu import read_conllu
from gradiend_core.data.sentences import split_sentences, with_neighbours
from gradiend_core.data.tables import KINDS, opened, read_table, suffix
from gradiend_core.errors import DataError
from gradiend_core.progress import progress
from gradiend_core.records.run import DataSettings
from gradiend_core.records.text import Text
from gradiend_core.storage.hub import HUB

PARQUET = ".parquet"
TABLES = (*KINDS, PARQUET)
CONLLU = ".conllu"
LINES = ".txt"
#: what is in the folder of a dataset that was saved to disk
SAVED = ("state.json", "dataset_dict.json")
#: the column that says from which of several inputs a row is
PART = "part"


def read_texts(texts: Any, settings: DataSettings | None = None) -> Iterator[Text]:
    """The texts of files, data sets or other sources, one after the other.

    `texts` is one of these, or a dict of them, whose keys are then the rows' column "part":

        a list of strings
        a pandas frame, or a `datasets` dataset, in memory or streaming
        a file: one text a line, or CSV, TSV, JSON, JSONL, Parquet or CoNLL-U, compressed (.gz, .bz2, .xz,
            .zst) or not
        a folder: of tables, or a saved dataset; else of CoNLL-U files; else of text files, each a document
        "hub:" and a dataset's id

    Tables give the columns that `settings` names; a dataset of several splits gives them all, with the
    split's name as split. Raises DataError for what cannot be read."""
    settings = settings or DataSettings()
    numbered: Iterator[Text] = _numbered(_read(texts, settings))
    if settings.max_texts:
        numbered = islice(numbered, settings.max_texts)
    if settings.unescape_html:
        numbered = (
            text if text.tokens is not None else evolve(text, text=html.unescape(text.text))
            for text in numbered
        )
    if settings.sentences:
        numbered = split_sentences(numbered, settings.sentences, settings.context)
    return (
        with_neighbours(numbered, settings.context)
        if settings.context and not settings.sentences
        else numbered
    )


def watched(texts: Iterable[Text]) -> Iterator[Text]:
    """The same texts, counted as progress."""
    with progress("texts") as current:
        for text in texts:
            yield text
            current.advance()


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
        yield from _from_configurations(name, name[len(HUB) :], settings)
    elif path.is_dir():
        yield from _from_folder(path, settings)
    elif not path.is_file():
        raise DataError(
            f"texts {name!r}: no such file, folder or named text; a dataset of the hub is given as"
            " hub:OWNER/NAME"
        )
    elif suffix(path) in KINDS:
        yield from _from_rows(read_table(path, settings.columns, settings.encoding), settings, name)
    elif suffix(path) == PARQUET:
        yield from _from_dataset(_load(name, "parquet", settings, data_files=str(path)), settings, name)
    elif suffix(path) == CONLLU:
        yield from read_conllu(path)
    else:
        with opened(path, settings.encoding) as lines:
            yield from (Text(line.rstrip("\r\n")) for line in lines)


def _from_subsets(settings: DataSettings, texts_of: Callable[[str | None], Iterator[Text]]) -> Iterator[Text]:
    """The texts of each requested configuration; of several, the column PART says which."""
    for subset in settings.subset or (None,):
        for text in texts_of(subset):
            yield evolve(text, row={**(text.row or {}), PART: subset}) if settings.subset[1:] else text


def _from_folder(path: Path, settings: DataSettings) -> Iterator[Text]:
    """The texts of a folder: a saved dataset; else tables, whose file and folder names give the splits as in
    `datasets`; else CoNLL-U files; else text files, each a document."""
    files: dict[str, list[Path]] = {}
    for file in sorted(path.rglob("*")):
        if file.is_file():
            files.setdefault(suffix(file), []).append(file)
    if any((path / file).exists() for file in SAVED):
        yield from _from_dataset(_load(str(path), str(path), settings), settings, str(path))
    elif tables := [file for kind in KINDS for file in files.get(kind, ())]:
        yield from _from_subsets(settings, lambda subset: _from_tables(path, tables, settings, subset))
    elif PARQUET not in files and (documents := files.get(CONLLU) or files.get(LINES)):
        for file in documents:
            for text in _from_name(str(file), settings):
                yield text if text.document else evolve(text, document=str(file.relative_to(path)))
    else:
        yield from _from_configurations(str(path), str(path), settings)


def _from_configurations(name: str, path: str, settings: DataSettings) -> Iterator[Text]:
    """The texts of a data set that `datasets` loads."""
    return _from_subsets(
        settings, lambda subset: _from_dataset(_load(name, path, settings, subset), settings, name)
    )


def _from_tables(
    path: Path, tables: list[Path], settings: DataSettings, subset: str | None
) -> Iterator[Text]:
    """The tables of a folder, or of one of its configurations."""
    splits = _splits(path, tables, subset)
    for file in tables if subset is None else splits:
        rows = read_table(file, settings.columns, settings.encoding)
        split = splits.get(file, "") if len({*splits.values()}) > 1 else ""
        yield from _from_rows(rows, settings, str(file), split)


def _splits(path: Path, tables: list[Path], subset: str | None) -> dict[Path, str]:
    """The split of each file by its name, without files of another configuration."""
    import datasets

    try:
        builder = datasets.load_dataset_builder(str(path), subset)
        by_split = builder.config.data_files or {}
    except Exception as error:
        raise _unreadable(str(path), error) from error
    of = {Path(file).resolve(): str(split) for split, files in by_split.items() for file in files}
    return {file: of[file.resolve()] for file in tables if file.resolve() in of}


def _load(name: str, path: str, settings: DataSettings, subset: str | None = None, **options: Any) -> Any:
    import datasets

    try:
        if Path(path).is_dir() and any((Path(path) / file).exists() for file in SAVED):
            return datasets.load_from_disk(path)
        return datasets.load_dataset(path, subset, streaming=settings.streaming, **options)
    except Exception as error:
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: Exception) -> DataError:
    root: BaseException = error
    while root.__cause__ or root.__context__:
        root = root.__cause__ or root.__context__ or root
    why = str(root).strip() or type(root).__name__
    return DataError(f"texts {name!r} cannot be loaded: {why.splitlines()[0]}")


def _rows(split: Any, name: str) -> Iterator[Any]:
    """The rows of a dataset. A streamed one is read only now."""
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
        given = split_name if several and len(dataset) > 1 else ""
        yield from _from_rows(_rows(split, name), settings, name, given)


def _from_rows(
    rows: Iterable[Mapping[str, Any]], settings: DataSettings, name: str, split: str = ""
) -> Iterator[Text]:
    """The texts of a table's rows. An empty cell is an empty text, and counts as one."""
    columns = {
        "text_column": settings.text_column,
        "document_column": settings.document_column,
        "split_column": settings.split_column,
    }
    for number, row in enumerate(rows):
        for setting, column in columns.items() if not number else ():
            if column and column not in row:
                raise DataError(
                    f"{name} has no column {column!r} (columns: {', '.join(row)}); set data.{setting}"
                )
        text = row.get(settings.text_column)
        if text is not None and not isinstance(text, str):
            raise DataError(
                f"{name}: row {number} has {text!r} as its {settings.text_column!r}, not a text; set"
                " data.text_column"
            )
        document, given = (
            str(row[column]) if column and row.get(column) is not None else ""
            for column in (settings.document_column, settings.split_column)
        )
        yield Text(text or "", document=document, split=given or split, row=row)
