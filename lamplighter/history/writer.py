# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - the names in these statements are constants of tables.py
"""One thread owns the database: batches are committed in order, and a disk that fails is retried, not awaited."""

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import numpy as np

from lamplighter.history.tables import SQL_TYPE, TABLES
from lamplighter.terms.columns import AnyArray

T = TypeVar("T")

BATCH_ROWS = 10_000
BATCH_AGE_S = 0.25
PENDING_ROWS_MAX = 500_000  # what is held in memory while the disk fails; rows beyond are dropped and counted
RETRY_FIRST_S = 0.5
RETRY_MAX_S = 30.0


@dataclass(frozen=True)
class Batch:
    """One append on its way to the disk."""

    receipt: int
    table: str
    rows: int
    columns: Mapping[str, AnyArray]


class Writer:
    """The only owner of the connection. `connect` opens the database; jobs and commits run in one thread."""

    def __init__(self, connect: Callable[[], duckdb.DuckDBPyConnection], where: Path) -> None:
        self._connect = connect
        self._connection = connect()
        self._where = where
        self._lock = threading.Condition()
        self._pending: deque[Batch] = deque()
        self._pending_rows = 0
        self._jobs: deque[Callable[[], None]] = deque()
        self._issued = 0
        self._settled = 0  # every receipt up to here is on disk or was dropped
        self._dropped: set[int] = set()
        self._hurry = False
        self._closing = False
        self.fault = ""
        self.rows_committed = 0
        self.rows_dropped = 0
        self._oldest_s = 0.0
        self._retry_s = 0.0
        self._thread = threading.Thread(target=self._run, name="history-writer", daemon=True)
        self._thread.start()

    def append(self, table: str, columns: Mapping[str, AnyArray]) -> int:
        """Queue rows and return their receipt at once; where memory is full (the disk fails) they are dropped and counted."""
        rows = len(next(iter(columns.values())))
        with self._lock:
            self._issued += 1
            if self._closing or self._pending_rows + rows > PENDING_ROWS_MAX:
                self._dropped.add(self._issued)
                self.rows_dropped += rows
                return self._issued
            if not self._pending:
                self._oldest_s = time.monotonic()
                self._lock.notify_all()
            self._pending.append(Batch(self._issued, table, rows, columns))
            self._pending_rows += rows
            if self._pending_rows >= BATCH_ROWS:
                self._lock.notify_all()
            return self._issued

    def wait(self, receipt: int, timeout_s: float) -> bool:
        """Return True once the receipt's rows are on disk; False where they were dropped or time ran out."""
        with self._lock:
            self._hurry = True
            self._lock.notify_all()
            done = self._lock.wait_for(lambda: receipt in self._dropped or self._settled >= receipt, timeout_s)
            return done and receipt not in self._dropped

    def settled(self) -> tuple[int, int, int]:
        """Return (receipts issued, receipts settled, rows pending)."""
        with self._lock:
            return self._issued, self._settled, self._pending_rows

    def do(self, job: Callable[[duckdb.DuckDBPyConnection], T], timeout_s: float = 60.0) -> T:
        """Run a job on the writer's thread after what is pending, and return its result or raise its error."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(job(self._connection))
            except Exception as error:  # noqa: BLE001 - handed to the caller, whatever it is
                future.set_exception(error)

        with self._lock:
            if self._closing:
                raise RuntimeError("the history is closed")
            self._jobs.append(run)
            self._lock.notify_all()
        return future.result(timeout_s)

    def rewrite(self) -> None:
        """Write the database anew without the blocks that erased rows have left behind; OSError or duckdb.Error if it fails.

        The new file takes the old one's place in one step; a crash before that leaves the old one as it was.
        """

        def job(connection: duckdb.DuckDBPyConnection) -> None:
            fresh = self._where.with_suffix(".fresh")
            fresh.unlink(missing_ok=True)
            try:
                connection.execute("CHECKPOINT")
                connection.execute(f"ATTACH '{quoted_path(fresh)}' AS fresh")
                connection.execute(f'COPY FROM DATABASE "{self._where.stem}" TO fresh')
                connection.execute("DETACH fresh")
                connection.close()
                # A log that is still there holds rows that the new file lacks: then the old file stays.
                if not self._where.with_name(self._where.name + ".wal").exists():
                    synchronise(fresh)
                    os.replace(fresh, self._where)
                    synchronise(self._where.parent)
            finally:
                fresh.unlink(missing_ok=True)
                with contextlib.suppress(duckdb.Error):
                    connection.close()
                self._connection = self._connect()

        self.do(job, 600.0)

    def close(self, timeout_s: float) -> bool:
        """Commit what is pending if the disk allows, stop the thread, close the file; True where nothing was lost."""
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive() and self.rows_dropped == 0

    def _run(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(self._due, self._patience_s())
                batches = self._take() if self._commit_due() else []
                closing, self._hurry = self._closing, False
                jobs = list(self._jobs)
                self._jobs.clear()
            committed = self._try_commit(batches) if batches else True
            for job in jobs:
                job()
            if closing and (not committed or not self._pending):
                self._finish()
                return

    def _due(self) -> bool:
        return bool(self._jobs) or self._closing or self._commit_due()

    def _commit_due(self) -> bool:
        if not self._pending:
            return False
        if self._closing:
            return True
        if self.fault and time.monotonic() < self._oldest_s + self._retry_s:
            return False
        old = time.monotonic() - self._oldest_s >= BATCH_AGE_S
        return old or self._hurry or bool(self._jobs) or self._pending_rows >= BATCH_ROWS

    def _patience_s(self) -> float:
        return BATCH_AGE_S if self._pending else 5.0

    def _take(self) -> list[Batch]:
        batches: list[Batch] = []
        rows = 0
        for batch in self._pending:
            if batches and rows + batch.rows > 4 * BATCH_ROWS:
                break
            batches.append(batch)
            rows += batch.rows
        return batches

    def _try_commit(self, batches: list[Batch]) -> bool:
        rows = sum(batch.rows for batch in batches)
        try:
            _commit(self._connection, batches)
        except duckdb.Error as error:
            self._failed(error, batches, rows)
            return False
        self._settle(batches, rows)
        self.fault, self._retry_s = "", 0.0
        self.rows_committed += rows
        return True

    def _settle(self, batches: list[Batch], rows: int) -> None:
        with self._lock:
            for _ in batches:
                self._pending.popleft()
            self._pending_rows -= rows
            self._settled = batches[-1].receipt
            self._oldest_s = time.monotonic()
            self._lock.notify_all()

    def _failed(self, error: duckdb.Error, batches: list[Batch], rows: int) -> None:
        reason = str(error).strip().splitlines()[0][:300]
        self.fault = (
            f"history {self._where}: could not write {rows} rows ({reason}). Control goes on; what was acknowledged is safe. "
            f"Free space on that disk: the rows are held in memory (up to {PENDING_ROWS_MAX}) and written then"
        )
        self._retry_s = min(max(2 * self._retry_s, RETRY_FIRST_S), RETRY_MAX_S)
        with self._lock:
            self._oldest_s = time.monotonic()
        if isinstance(error, duckdb.DataError | duckdb.ProgrammingError):
            self.rows_dropped += rows
            self._dropped.update(batch.receipt for batch in batches)
            self._settle(batches, rows)
            return
        self._reopen()

    def _reopen(self) -> None:
        """After a failed write DuckDB may refuse everything until the file is opened anew."""
        try:
            with contextlib.suppress(duckdb.Error):
                self._connection.execute("ROLLBACK")
            self._connection.execute("SELECT 1")
        except duckdb.Error:
            with contextlib.suppress(duckdb.Error):
                self._connection.close()
            with contextlib.suppress(duckdb.Error, OSError):
                self._connection = self._connect()

    def _finish(self) -> None:
        with self._lock:
            left = list(self._pending)
            self._pending.clear()
            self._dropped.update(batch.receipt for batch in left)
            self.rows_dropped += sum(batch.rows for batch in left)
            self._pending_rows = 0
            self._lock.notify_all()
        with contextlib.suppress(duckdb.Error):
            self._connection.close()


def _commit(connection: duckdb.DuckDBPyConnection, batches: list[Batch]) -> None:
    connection.execute("BEGIN")
    try:
        for table in sorted({batch.table for batch in batches}):
            parts = [batch.columns for batch in batches if batch.table == table]
            names = [name for name, _ in TABLES[table].columns]
            joined: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in names}
            connection.register("incoming", joined)
            connection.execute(f"INSERT INTO {table} SELECT {', '.join(_quoted(names))} FROM incoming")
            connection.unregister("incoming")
        connection.execute("COMMIT")
    except duckdb.Error:
        with contextlib.suppress(duckdb.Error):
            connection.unregister("incoming")
        with contextlib.suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise


def _quoted(names: list[str]) -> list[str]:
    return [f'"{name}"' for name in names]


def quoted_path(path: Path) -> str:
    """Return a path as it must stand between single quotes in SQL."""
    return str(path).replace("'", "''")


def synchronise(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def schema() -> list[str]:
    """Return the statements that make the tables where they are missing."""
    statements = [
        f"CREATE TABLE IF NOT EXISTS {table.name} ({', '.join(f'{chr(34)}{n}{chr(34)} {SQL_TYPE[k]}' for n, k in table.columns)})"
        for table in TABLES.values()
    ]
    statements.append(
        'CREATE TABLE IF NOT EXISTS sealed ("table" VARCHAR, hour_s BIGINT, "rows" BIGINT, UNIQUE ("table", hour_s))'
    )
    statements.append("CREATE TABLE IF NOT EXISTS keeping (last_now_s DOUBLE, suspect_since_s DOUBLE, erased_since_s DOUBLE)")
    return statements
