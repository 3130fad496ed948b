# SPDX-License-Identifier: Apache-2.0
"""Event logs and detector tables out of files: the only place of the diagnosis that reads any.

A log is read a piece at a time; a piece is dropped once it is counted. Text (comma, semicolon or tab; .gz) is parsed
here; Parquet is read through DuckDB, which needs no pyarrow.
"""

import csv
import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from lamplighter.services.traffic.diagnosis import lines
from lamplighter.services.traffic.diagnosis.codes import DETECTORS_MAX, GROUPS_MAX, USES
from lamplighter.services.traffic.diagnosis.events import DetectorTable, Events, use_of
from lamplighter.terms.columns import IntArray

PIECE_BYTES, PIECE_ROWS = 8 << 20, 500_000
LINE_MIN_BYTES = 8  # "0,a,1,1\n"
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "time": ("timestamp", "time", "datetime", "eventtime"),
    "box": ("deviceid", "device", "signalid", "signal", "locationid", "location", "intersection", "trafficsignal", "devicename"),
    "event": ("eventid", "eventcode", "event"),
    "parameter": ("parameter", "eventparameter", "eventparam", "param"),
}
TABLE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "box": COLUMNS["box"],
    "group": ("phase", "signalgroup", "group", "protectedphase"),
    "detector": ("parameter", "detector", "detectorchannel", "channel"),
    "use": ("function", "use", "detectiontype"),
}
PARQUET = (".parquet", ".pq")


def _plain(name: str) -> str:
    return "".join(letter for letter in name.strip().strip('"').lower() if letter not in " _-")


def _places(header: Sequence[str], wanted: Mapping[str, tuple[str, ...]], path: Path) -> dict[str, int]:
    """Return where each wanted column stands; ValueError names those that are missing and the names that are known."""
    known = [_plain(name) for name in header]
    found = {what: next((known.index(name) for name in names if name in known), -1) for what, names in wanted.items()}
    missing = [what for what, place in found.items() if place < 0]
    if missing:
        allowed = "; ".join(f"{what}: {', '.join(wanted[what][:4])}" for what in missing)
        raise ValueError(
            f"{path}: no column for {', '.join(missing)}; line 1 names {', '.join(map(repr, header[:8])) or 'nothing'}. "
            f"Name them in line 1 (any of {allowed}). Nothing of this file was counted."
        )
    return found


@dataclass
class Reader:
    """Reads one or several logs. names: the boxes by number, growing as they appear; unread: lines that say nothing.

    first_unread: where the first such line is. Files are read in the order of their first event.
    """

    paths: Sequence[Path]
    names: list[str] = field(default_factory=list[str])
    unread: int = 0
    first_unread: str = ""
    _numbers: dict[int, int] = field(default_factory=dict[int, int])

    def pieces(self) -> Iterator[Events]:
        """Yield the events of all files; ValueError says which file cannot be read, why, and what to do."""
        for path in self.paths:
            if not path.is_file():
                raise ValueError(f"{path}: there is no such file. Give a log as CSV (or CSV.gz) or Parquet.")
        if len(self.paths) == 1:
            yield from self._read(self.paths[0])
            return
        begins = {
            path: next((int(piece.time_ms[0]) for piece in Reader([path]).pieces() if len(piece.box)), 0) for path in self.paths
        }
        for path in sorted(self.paths, key=lambda one: begins[one]):
            yield from self._read(path)

    def _read(self, path: Path) -> Iterator[Events]:
        try:
            yield from _parquet(path, self) if path.suffix.lower() in PARQUET else _text(path, self)
        except (OSError, EOFError) as error:
            raise ValueError(
                f"{path}: cannot be read to its end ({error}). Copy it anew; what came before was counted."
            ) from error

    def number(self, mark: int, name: str) -> int:
        """Return the number of the box with this mark."""
        if mark not in self._numbers:
            self._numbers[mark] = self.names.index(name) if name in self.names else len(self.names)
            if name not in self.names:
                self.names.append(name)
        return self._numbers[mark]


def _numbered(rows: IntArray, buffer: lines.Bytes, spans: IntArray, reader: Reader) -> Events:
    marks, first, place = np.unique(rows[:, lines.BOX], return_index=True, return_inverse=True)
    names: list[str] = [bytes(buffer[spans[row, 0] : spans[row, 1]]).decode("utf-8", "replace") for row in first.tolist()]
    order: list[int] = np.argsort(first, kind="stable").tolist()
    numbers = np.zeros(len(marks), np.int64)
    for at in order:
        numbers[at] = reader.number(int(marks[at]), names[at])
    box = numbers[place.reshape(-1)]
    return Events(rows[:, lines.TIME].copy(), box, rows[:, lines.EVENT].copy(), rows[:, lines.PARAMETER].copy())


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix.lower() == ".gz" else path.open("rb")


def _text(path: Path, reader: Reader) -> Iterator[Events]:
    with _open(path) as file:
        header = file.readline().decode("utf-8-sig", "replace").strip()
        separator = max(",;\t|", key=header.count)
        fields = _fields(header, separator, path)
        places = _places(fields, COLUMNS, path)
        column = np.full(len(fields), 4, np.int64)
        for number, what in enumerate(("time", "box", "event", "parameter")):
            column[places[what]] = number
        rest, counted, before = b"", 0, reader.unread
        while piece := file.read(PIECE_BYTES):
            whole, newline, rest = (rest + piece).rpartition(b"\n")
            if newline:
                events = _lines(whole + newline, separator, column, path, reader)
                counted += len(events.box)
                yield events
        if rest.strip():
            events = _lines(rest + b"\n", separator, column, path, reader)
            counted += len(events.box)
            yield events
    if counted == 0:
        remedy = f"{reader.first_unread}. " if reader.unread > before else ""
        raise ValueError(f"{path}: holds no event that can be read. {remedy}A line is like 2024-04-15 12:00:00.1,J07,82,14")


def _fields(header: str, separator: str, path: Path) -> list[str]:
    try:
        return next(csv.reader([header], delimiter=separator), list[str]())
    except csv.Error as error:
        raise ValueError(f"{path}: line 1 is no line of text ({error}). Give a log as CSV (or CSV.gz) or Parquet.") from error


def _lines(text: bytes, separator: str, column: IntArray, path: Path, reader: Reader) -> Events:
    buffer = np.frombuffer(text, np.uint8)
    room = text.count(b"\n") + 1
    out, spans = np.zeros((room, 4), np.int64), np.zeros((room, 2), np.int64)
    rows, unread, first = lines.parse(buffer, len(buffer), ord(separator), column, out, spans)
    if unread:
        if not reader.unread:
            line = text[first : first + 80].split(b"\n")[0].decode("utf-8", "replace").strip()
            reader.first_unread = f"{path}: first line that says nothing: {line!r}"
        reader.unread += unread
    return _numbered(out[:rows], buffer, spans, reader)


def _database() -> Any:
    import duckdb

    return duckdb.connect(config={"threads": 1})


def _parquet(path: Path, reader: Reader) -> Iterator[Events]:
    database = _database()
    source = "read_parquet('" + str(path).replace("'", "''") + "', file_row_number=true)"
    try:
        described: list[Any] = list(database.execute(f"SELECT * FROM {source} LIMIT 0").description or ())  # noqa: S608  a file named by the user
        header = [str(column[0]) for column in described if column[0] != "file_row_number"]
        places = _places(header, COLUMNS, path)
        quoted = {what: '"' + header[place].replace('"', '""') + '"' for what, place in places.items()}
        rows = int(_only(database, f"SELECT count(*) AS n FROM {source}", "n")[0])  # noqa: S608
        names = _only(database, f"SELECT DISTINCT CAST({quoted['box']} AS VARCHAR) AS name FROM {source}", "name")  # noqa: S608
        known = np.array(sorted(str(name) for name in names), np.str_)
        numbers = np.array([reader.number(hash(name), name) for name in known.tolist()], np.int64)
        for first in range(0, rows, PIECE_ROWS):
            query = (
                f"SELECT epoch_ms(CAST({quoted['time']} AS TIMESTAMP)) AS time_ms, CAST({quoted['box']} AS VARCHAR) AS box, "  # noqa: S608
                f"CAST({quoted['event']} AS BIGINT) AS event, CAST({quoted['parameter']} AS BIGINT) AS parameter "
                f"FROM {source} WHERE file_row_number >= {first} AND file_row_number < {first + PIECE_ROWS} "
                f"AND {quoted['time']} IS NOT NULL AND {quoted['event']} IS NOT NULL AND {quoted['parameter']} IS NOT NULL"
            )
            yield _columns(database.execute(query).fetchnumpy(), known, numbers)
    except ValueError:
        raise
    except Exception as error:
        said = str(error).splitlines()[0]
        raise ValueError(f"{path}: cannot be read as Parquet ({said}). Write it again, or give CSV.") from error
    finally:
        database.close()


def _only(database: Any, query: str, name: str) -> list[Any]:
    """Return the one column of an answer, fetched to its end."""
    return np.asarray(database.execute(query).fetchnumpy()[name]).tolist()


def _columns(answer: Mapping[str, Any], known: Any, numbers: IntArray) -> Events:
    time, event, parameter = (np.asarray(answer[name]).astype(np.int64) for name in ("time_ms", "event", "parameter"))
    place = np.searchsorted(known, np.asarray(answer["box"]).astype(np.str_))
    return Events(time, numbers[place], event, parameter)


def read_tables(path: Path) -> Mapping[str, DetectorTable]:
    """Return the detector table of each box by its name, from CSV or Parquet with columns device, phase, parameter, function.

    Rows of other functions than Advance, Presence and Yellow_Red are passed over. ValueError names row, value and remedy.
    """
    if not path.is_file():
        raise ValueError(
            f"{path}: there is no such file. Give a detector table with columns DeviceId, Phase, Parameter, Function."
        )
    header, rows = _table_rows(path)
    places = _places(header, TABLE_COLUMNS, path)
    found: dict[str, list[tuple[int, int, int]]] = {}
    for number, row in enumerate(rows, start=2):
        if not any(row):
            continue
        if len(row) <= max(places.values()):
            raise ValueError(f"{path} row {number}: {len(row)} fields, {len(header)} are named in row 1. Mend the row.")
        use = use_of(row[places["use"]])
        values = [row[places[what]].strip().removesuffix(".0") for what in ("detector", "group")]
        most = (DETECTORS_MAX, GROUPS_MAX)
        if not all(text.isdecimal() and int(text) <= high for text, high in zip(values, most, strict=True)):
            raise ValueError(
                f"{path} row {number}: detector {values[0]!r}, signal_group {values[1]!r}; allowed are whole numbers to "
                f"{DETECTORS_MAX} and to {GROUPS_MAX}. Mend the row; no log was read."
            )
        if use is not None:
            found.setdefault(row[places["box"]].strip(), []).append((int(values[0]), int(values[1]), use))
    if not found:
        raise ValueError(f"{path}: no row says {', '.join(USES)}; without such rows there are no arrivals and no split failures.")
    return {name: DetectorTable(*np.array(each, np.int64).T.copy()) for name, each in found.items()}


def _table_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    if path.suffix.lower() in PARQUET:
        database = _database()
        try:
            answer = database.execute("SELECT * FROM read_parquet(?)", [str(path)]).fetchnumpy()
        except Exception as error:
            raise ValueError(f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]}). Give CSV.") from error
        finally:
            database.close()
        columns = [[str(value) for value in np.asarray(column).tolist()] for column in answer.values()]
        return [str(name) for name in answer], [list(row) for row in zip(*columns, strict=True)]
    with io.TextIOWrapper(_open(path), "utf-8-sig", errors="replace", newline="") as file:
        first = file.readline()
        separator = max(",;\t|", key=first.count)
        try:
            return _fields(first.strip(), separator, path), list(csv.reader(file, delimiter=separator))
        except csv.Error as error:
            raise ValueError(f"{path}: is not a table in text ({error}). Give a detector table as CSV or Parquet.") from error
