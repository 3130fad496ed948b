# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - the names in these statements are constants of tables.py
"""Sealed hourly files for readers, and how long rows are kept: run on the writer's thread."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from lamplighter.history.tables import TABLES
from lamplighter.history.writer import quoted_path, synchronise

HOUR_S = 3600
JUMP_S = 86400.0  # a clock that runs ahead by more than this between two looks is doubted
DOUBT_S = 3600.0  # and believed again once it has gone on from there for so long
REWRITE_S = 86400.0  # erased rows are out of the file itself after so long at most


@dataclass(frozen=True)
class Retained:
    """What a look at the age of the record did: rows and sealed files erased, and a doubt about the clock (or "").

    rewrite_due: erased rows have lain in blocks of the file for a day, and it must be written anew without them.
    """

    rows_erased: int
    files_erased: int
    doubt: str
    rewrite_due: bool


def sealed_path(folder: Path, table: str, hour_s: int) -> Path:
    """Return where the sealed file of one table and hour lies."""
    return folder / "sealed" / table / f"{datetime.fromtimestamp(hour_s, UTC):%Y%m%dT%H}.parquet"


def seal(connection: duckdb.DuckDBPyConnection, folder: Path, until_s: float) -> list[Path]:
    """Write every hour ended by `until_s` whose rows are not all sealed; a reader sees an old file or a whole new one."""
    written: list[Path] = []
    for table in (t.name for t in TABLES.values() if t.windowed):
        found = connection.execute(
            f"""SELECT r.hour_s, r.n FROM (SELECT window_start_s // {HOUR_S} * {HOUR_S} AS hour_s, count(*) AS n
                FROM {table} GROUP BY 1) r LEFT JOIN sealed s ON s."table" = ? AND s.hour_s = r.hour_s
                WHERE r.hour_s + {HOUR_S} <= ? AND s."rows" IS DISTINCT FROM r.n ORDER BY 1""",
            [table, int(until_s)],
        ).fetchall()
        for hour_s, rows in found:
            path = sealed_path(folder, table, hour_s)
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            connection.execute(
                f"""COPY (SELECT * FROM {table} WHERE window_start_s >= {hour_s} AND window_start_s < {hour_s + HOUR_S}
                    ORDER BY ALL) TO '{quoted_path(part)}' (FORMAT parquet, COMPRESSION zstd)"""
            )
            synchronise(part)
            os.replace(part, path)
            synchronise(path.parent)
            connection.execute("INSERT OR REPLACE INTO sealed VALUES (?, ?, ?)", [table, hour_s, rows])
            written.append(path)
    return written


def retain(connection: duckdb.DuckDBPyConnection, folder: Path, now_s: float, keep_s: Mapping[str, float]) -> Retained:
    """Erase what is older than it may be, judged by `now_s`, which is believed only if it moves as clocks do.

    A clock that falls back erases nothing new, and the horizon never falls back with it. A clock that leaps ahead
    by more than a day (which would empty the record) is doubted until it has run on from there for an hour.
    """
    believed_s, doubt = _believed(connection, now_s)
    rows = files = 0
    for table in (t for t in TABLES.values() if t.windowed):
        horizon_s = int(believed_s - keep_s[table.name]) // HOUR_S * HOUR_S
        gone = connection.execute(f"DELETE FROM {table.name} WHERE window_start_s < ?", [horizon_s]).fetchone()
        rows += int(gone[0]) if gone else 0
        old = connection.execute('SELECT hour_s FROM sealed WHERE "table" = ? AND hour_s < ?', [table.name, horizon_s]).fetchall()
        for (hour_s,) in old:
            sealed_path(folder, table.name, hour_s).unlink(missing_ok=True)
            files += 1
        connection.execute('DELETE FROM sealed WHERE "table" = ? AND hour_s < ?', [table.name, horizon_s])
    gone = connection.execute("DELETE FROM runs WHERE begin_s < ?", [int(believed_s - keep_s["runs"])]).fetchone()
    rows += int(gone[0]) if gone else 0
    if rows:
        connection.execute("UPDATE keeping SET erased_since_s = least(coalesce(erased_since_s, last_now_s), last_now_s)")
    due = connection.execute("SELECT 1 FROM keeping WHERE last_now_s - erased_since_s >= ?", [REWRITE_S]).fetchone()
    return Retained(rows, files, doubt, due is not None)


def rewritten(connection: duckdb.DuckDBPyConnection) -> None:
    """Note that the file holds nothing erased any more."""
    connection.execute("UPDATE keeping SET erased_since_s = NULL")


def _believed(connection: duckdb.DuckDBPyConnection, now_s: float) -> tuple[float, str]:
    row = connection.execute("SELECT last_now_s, suspect_since_s, erased_since_s FROM keeping").fetchone()
    last_s, suspect_s, erased_s = (float(row[0]), row[1], row[2]) if row else (_newest(connection, now_s), None, None)
    doubt = ""
    if now_s <= last_s + JUMP_S:
        believed_s, suspect_s = max(last_s, now_s), None
    elif suspect_s is not None and DOUBT_S <= now_s - suspect_s <= JUMP_S:
        believed_s, suspect_s = now_s, None
    else:
        believed_s = last_s
        if suspect_s is None or not 0 <= now_s - suspect_s <= JUMP_S:
            suspect_s = now_s
        doubt = (
            f"the clock is at {_text(now_s)}, {(now_s - last_s) / 86400:.1f} days after the last look ({_text(last_s)}). "
            f"Nothing is erased on its word until it has run on for {DOUBT_S / 60:.0f} minutes; set it right if it is wrong"
        )
    connection.execute("DELETE FROM keeping")
    connection.execute("INSERT INTO keeping VALUES (?, ?, ?)", [believed_s, suspect_s, erased_s])
    return believed_s, doubt


def _newest(connection: duckdb.DuckDBPyConnection, now_s: float) -> float:
    """Before the first look, the newest row says what time it was; an empty record believes the clock."""
    parts = " UNION ALL ".join(f"SELECT max(window_start_s) AS s FROM {t.name}" for t in TABLES.values() if t.windowed)
    row = connection.execute(f"SELECT max(s) FROM ({parts})").fetchone()
    return float(row[0]) if row and row[0] is not None else now_s


def _text(time_s: float) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d %H:%M} UTC" if abs(time_s) < 2e11 else f"{time_s:.0f} s"
