"""Rows of CSV, TSV and JSON files, exactly as they are written, compressed or not."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from gradiend_core.errors import DataError, GradiendError

Row = dict[str, Any]
#: how the names of files end that are unpacked while they are read
COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd"}
KINDS = {".csv": "csv", ".tsv": "tsv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl"}
#: a longer field is a quotation mark that nobody closed; the csv module's own limit is shorter than a novel
LONGEST_FIELD = 2**31 - 1


def suffix(path: Path) -> str:
    """The file's extension in lower case, ignoring that of a compression: "A.CSV.gz" gives ".csv"."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix not in COMPRESSED), "")


@contextmanager
def opened(path: Path, encoding: str = "utf-8") -> Iterator[TextIO]:
    """The text of a file, without a byte order mark. Raises DataError with the file, the reason and the
    setting to change where it is not text."""
    encoding = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
    try:
        with path.open("rb") as file, _unpacked(path, file) as unpacked:
            yield io.TextIOWrapper(unpacked, encoding, newline="")
    except GradiendError:
        raise
    except LookupError as error:
        raise DataError(
            f"data.encoding is {encoding!r}, which is not a known encoding; use utf-8 or latin-1"
        ) from error
    except UnicodeError as error:
        where = f"{error.reason} at byte {error.start}" if isinstance(error, UnicodeDecodeError) else error
        raise DataError(
            f"texts {str(path)!r} is not {encoding.upper().removesuffix('-SIG')} text: {where}; set"
            " data.encoding"
        ) from error
    except Exception as error:  # each packing library has errors of its own
        raise DataError(f"texts {str(path)!r} cannot be read: {error or type(error).__name__}") from error


def _unpacked(path: Path, file: BinaryIO) -> Any:
    import fsspec

    packing = COMPRESSED.get(path.suffix.lower())
    if packing is None:
        return nullcontext(file)
    if packing not in fsspec.available_compressions():
        raise DataError(f"texts {str(path)!r} is packed with {packing}; pip install zstandard")
    return fsspec.compression.compr[packing](file, mode="rb")


def read_table(path: Path, columns: Sequence[str] = (), encoding: str = "utf-8") -> Iterator[Row]:
    """The rows of a file of one of KINDS, by column. Cells of CSV and TSV files are kept as texts: an empty
    cell is "", and None is a word. `columns` names the columns of a CSV file without a header."""
    kind = KINDS[suffix(path)]
    with opened(path, encoding) as file:
        if kind == "json":
            yield from _json(path, file)
        elif kind == "jsonl":
            yield from _json_lines(path, file)
        elif kind == "csv" or not _is_plain(path, encoding):
            yield from _named(path, _quoted(path, file, "\t" if kind == "tsv" else ","), columns)
        else:
            cells = (
                (number, list(map(_unquoted, _split(line)))) for number, line in enumerate(file, start=1)
            )
            yield from _named(path, ((number, row) for number, row in cells if row != [""]), columns)


def _is_plain(path: Path, encoding: str) -> bool:
    """Whether every line of a TSV file is a row. The format has no quotation (IANA
    text/tab-separated-values), but other programs quote fields that hold tabs or line breaks."""
    with opened(path, encoding) as file:
        return len({len(_split(line)) for line in file if line.strip("\r\n")}) <= 1


def _split(line: str) -> list[str]:
    return line.rstrip("\r\n").split("\t")


def _unquoted(cell: str) -> str:
    """A cell without the quotation of pandas and spreadsheets; unchanged where its quotation marks are
    text."""
    inner = cell[1:-1].replace('""', "")
    return (
        cell[1:-1].replace('""', '"')
        if len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner
        else cell
    )


def _quoted(path: Path, file: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    before = 0
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"texts {str(path)!r} cannot be read as a table: the row that begins in line {before + 1} has"
                f" a quotation mark that does not fit ({error}); quote the field and double the marks in it"
            ) from error
        if row:
            yield before + 1, row
        before = reader.line_num


def _named(path: Path, rows: Iterator[tuple[int, list[str]]], columns: Sequence[str]) -> Iterator[Row]:
    names = list(columns) or next(rows, (0, []))[1]
    for line, cells in rows:
        if len(cells) > len(names):
            raise DataError(
                f"texts {str(path)!r} cannot be read as a table: line {line} has {len(cells)} fields, and"
                f" {len(names)} columns are named ({', '.join(names)[:80]})"
            )
        yield dict(zip(names, cells + [""] * (len(names) - len(cells)), strict=True))


def _json(path: Path, file: TextIO) -> Iterator[Row]:
    """A list of objects, or one object on each line."""
    first = next((line for line in file if not line.isspace()), "")
    rest = chain([first], file)
    if not first.lstrip().startswith("["):
        yield from _json_lines(path, rest)
        return
    try:
        rows = json.loads("".join(rest))
    except ValueError as error:
        raise DataError(f"texts {str(path)!r} cannot be loaded: {error}") from error
    yield from (_object(path, row, number) for number, row in enumerate(rows, start=1))


def _json_lines(path: Path, lines: Iterable[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if line.isspace():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"texts {str(path)!r} cannot be loaded: line {number}: {error}") from error
        yield _object(path, row, number)


def _object(path: Path, row: Any, number: int) -> Row:
    if not isinstance(row, dict):
        raise DataError(f"texts {str(path)!r}: row {number} is {row!r:.60}, not an object with columns")
    return row
