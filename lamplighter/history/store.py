# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - the names in these statements are constants of tables.py
"""The record of a city on disk: opened once, written by one thread, read by others through sealed files."""

import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import duckdb
import numpy as np

from lamplighter.history import keeping
from lamplighter.history.keeping import Retained
from lamplighter.history.tables import TABLES, checked
from lamplighter.history.writer import Writer, schema
from lamplighter.terms.columns import AnyArray

FILE_NAME = "history.duckdb"
LOCK_NAME = "history.lock"
CLOSE_S = 15.0


class HistoryInUseError(RuntimeError):
    """Another process writes this folder."""


class HistoryUnreadableError(RuntimeError):
    """The file in the folder cannot be opened."""


@dataclass(frozen=True)
class HistoryStatus:
    """How the record stands. `fault` is empty, or says in a sentence what is wrong and what mends it."""

    folder: Path
    rows_committed: int
    rows_pending: int
    rows_dropped: int
    fault: str
    doubt: str


class History:
    """The record of one city. Made by `open`; a context manager; every method is safe from any thread."""

    def __init__(self, folder: Path, lock: int, writer: Writer, keep_s: Mapping[str, float]) -> None:
        self._folder = folder
        self._lock = lock
        self._writer = writer
        self._keep_s = keep_s
        self._doubt = self._keeping_fault = ""

    @classmethod
    def open(cls, folder: Path, keep_s: Mapping[str, float] | None = None) -> "History":
        """Open or make the record in `folder`. keep_s shortens how long tables are kept; it cannot lengthen it.

        HistoryInUseError names the process that holds it; HistoryUnreadableError says what is wrong with the file.
        """
        limits = {table.name: table.keep_max_s for table in TABLES.values()}
        for name, wanted_s in (keep_s or {}).items():
            if name not in limits or not 0 < wanted_s <= limits[name]:
                allowed = f"above 0 and at most {limits[name]:.0f} s" if name in limits else f"one of {', '.join(limits)}"
                raise ValueError(f"keep_s: {name} = {wanted_s}; allowed: {allowed}")
            limits[name] = wanted_s
        folder.mkdir(parents=True, exist_ok=True)
        lock = _claim(folder)
        try:
            writer = Writer(lambda: _connect(folder), folder / FILE_NAME)
        except duckdb.Error as error:
            os.close(lock)
            raise HistoryUnreadableError(
                f"history {folder / FILE_NAME} cannot be opened: {str(error).splitlines()[0][:300]}. "
                f"Move that file (and {FILE_NAME}.wal beside it) away to begin a new one; the sealed files in "
                f"{folder / 'sealed'} stay readable. Nothing was changed"
            ) from error
        return cls(folder, lock, writer, limits)

    def append(self, table: str, columns: Mapping[str, AnyArray]) -> int:
        """Queue rows of a table and return their receipt at once.

        RowsRefusedError where they do not fit the table, BelowFloorError where they are too fine to be recorded.
        """
        typed = checked(table, columns)
        return self._writer.append(table, {name: values.copy() for name, values in typed.items()})

    def wait(self, receipt: int, timeout_s: float = 10.0) -> bool:
        """Return True once the receipt's rows are on disk (acknowledged); False where dropped, or not yet."""
        return self._writer.wait(receipt, timeout_s)

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Return True once everything appended so far is on disk."""
        issued, settled, _ = self._writer.settled()
        return issued == settled or self._writer.wait(issued, timeout_s)

    def read(self, table: str, begin_s: float | None = None, end_s: float | None = None) -> dict[str, AnyArray]:
        """Return a table's rows whose windows begin in [begin_s, end_s), all columns, what was appended before included."""
        if table not in TABLES:
            raise KeyError(f"the record has no table {table!r}; it has {', '.join(TABLES)}")
        time_column = "window_start_s" if TABLES[table].windowed else "begin_s"
        low, high = (-(2**62) if begin_s is None else int(begin_s)), (2**62 if end_s is None else int(end_s))

        def job(connection: duckdb.DuckDBPyConnection) -> dict[str, AnyArray]:
            names = ", ".join(f'"{name}"' for name, _ in TABLES[table].columns)
            result = connection.execute(
                f"SELECT {names} FROM {table} WHERE {time_column} >= ? AND {time_column} < ? ORDER BY {time_column}, rowid",
                [low, high],
            ).fetchnumpy()
            found = cast(dict[str, Any], result)
            texts = {name for name, kind in TABLES[table].columns if kind == "text"}
            return {name: np.asarray(values, dtype=np.str_ if name in texts else None) for name, values in found.items()}

        return self._writer.do(job)

    def span(self, table: str) -> tuple[int, int] | None:
        """Return when the first window of a windowed table begins and the last one ends; None where it is empty."""

        def job(connection: duckdb.DuckDBPyConnection) -> tuple[int, int] | None:
            row = connection.execute(f"SELECT min(window_start_s), max(window_start_s + window_s) FROM {table}").fetchone()
            return None if row is None or row[0] is None else (int(row[0]), int(row[1]))

        if table not in TABLES or not TABLES[table].windowed:
            raise KeyError(f"the record has no table {table!r} of windows")
        return self._writer.do(job)

    def seal(self, until_s: float) -> list[Path]:
        """Write Parquet files of the hours that ended by `until_s`, and return those that are new or renewed.

        Where the disk fails, nothing is raised: `status` tells, and the next call tries again.
        """
        try:
            paths = self._writer.do(lambda connection: keeping.seal(connection, self._folder, until_s))
        except (duckdb.Error, OSError) as error:
            self._keeping_fault = self._told("sealed files could not be written", error)
            return []
        self._keeping_fault = ""
        return paths

    def retain(self, now_s: float) -> Retained:
        """Erase what is older than it may be; see `keeping.retain` on clocks that jump. Disk faults as with `seal`."""
        try:
            result = self._writer.do(lambda connection: keeping.retain(connection, self._folder, now_s, self._keep_s))
            if result.rewrite_due:
                self._writer.rewrite()
                self._writer.do(keeping.rewritten)
        except (duckdb.Error, OSError) as error:
            self._keeping_fault = self._told("old rows could not be erased", error)
            return Retained(0, 0, self._doubt, False)
        self._doubt = result.doubt
        self._keeping_fault = ""
        return result

    def _told(self, what: str, error: Exception) -> str:
        reason = str(error).strip().splitlines()[0][:300]
        return f"history {self._folder}: {what} ({reason}). Nothing is lost; free space on that disk, it is tried again"

    def status(self) -> HistoryStatus:
        """Return how the record stands; it never blocks on the disk."""
        _, _, pending = self._writer.settled()
        writer = self._writer
        fault = writer.fault or self._keeping_fault
        return HistoryStatus(self._folder, writer.rows_committed, pending, writer.rows_dropped, fault, self._doubt)

    def close(self) -> bool:
        """Write what is pending if the disk allows and let go of the folder; True where no row was lost."""
        whole = self._writer.close(CLOSE_S)
        os.close(self._lock)
        return whole

    def __enter__(self) -> "History":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _connect(folder: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(folder / FILE_NAME), config={"threads": 1, "memory_limit": "1GB"})
    for statement in schema():
        connection.execute(statement)
    return connection


def _claim(folder: Path) -> int:
    """Take the folder's lock; the kernel frees it when this process ends, however it ends."""
    handle = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(handle, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(handle)
        raise HistoryInUseError(
            f"{folder} is in use by process {holder}. Stop that process (Ctrl-C where it runs, or kill {holder}), "
            "or choose another data folder. Nothing was changed"
        ) from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode("ascii"), 0)
    return handle
