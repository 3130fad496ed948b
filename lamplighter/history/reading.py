# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - the names in these statements are constants of tables.py
"""The record as a reader finds it, without taking it from the process that writes it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import duckdb
import numpy as np

from lamplighter.history.store import FILE_NAME, History
from lamplighter.history.tables import TABLES
from lamplighter.terms.columns import AnyArray

WINDOW_MAX_S = 3600.0  # no window of the record is longer


@dataclass(frozen=True)
class Found:
    """Rows of one table. sealed_only: another process writes the record, so only hours that ended and were sealed are seen."""

    columns: dict[str, AnyArray]
    sealed_only: bool

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


def read_rows(folder: Path, table: str, begin_s: float, end_s: float) -> Found:
    """Return the rows of a windowed table whose windows overlap [begin_s, end_s), in the order in which they were written.

    folder: the record's `history` folder. A folder, table or file that is not there holds no rows.
    """
    names = ", ".join(f'"{name}"' for name, _ in TABLES[table].columns)
    overlap = f"window_start_s < {int(end_s)} AND window_start_s + window_s > {int(begin_s)}"
    path = folder / FILE_NAME
    if not path.is_file():
        return Found(_empty(table), False)
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.Error:  # it is being written: the sealed files are for readers
        return Found(_sealed(folder, table, names, overlap), True)
    try:
        rows = connection.execute(f"SELECT {names} FROM {table} WHERE {overlap} ORDER BY rowid").fetchnumpy()
    except duckdb.CatalogException:  # written before there was such a table
        return Found(_empty(table), False)
    finally:
        connection.close()
    return Found(_typed(table, rows), False)


def _sealed(folder: Path, table: str, names: str, overlap: str) -> dict[str, AnyArray]:
    files = sorted(str(path) for path in (folder / "sealed" / table).glob("*.parquet"))
    if not files:
        return _empty(table)
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT {names} FROM read_parquet(?) WHERE {overlap}", [files]).fetchnumpy()
    return _typed(table, rows)


def _typed(table: str, rows: object) -> dict[str, AnyArray]:
    texts = {name for name, kind in TABLES[table].columns if kind == "text"}
    found = cast(dict[str, Any], rows)
    return {name: np.asarray(values, dtype=np.str_ if name in texts else None) for name, values in found.items()}


def _empty(table: str) -> dict[str, AnyArray]:
    dtype = {"text": np.str_, "int": np.int64, "float": np.float64}
    return {name: np.zeros(0, dtype=dtype[kind]) for name, kind in TABLES[table].columns}


def spanned(folder: Path, table: str) -> tuple[int, int] | None:
    """Return when the first recorded window begins and the last one ends; None where nothing is recorded."""
    ends = "SELECT min(window_start_s), max(window_start_s + window_s) FROM"
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.Error:  # as above
        files = sorted(str(one) for one in (folder / "sealed" / table).glob("*.parquet"))
        with duckdb.connect() as sealed:
            found = sealed.execute(f"{ends} read_parquet(?)", [files]).fetchone() if files else None
    else:
        with connection:
            try:
                found = connection.execute(f"{ends} {table}").fetchone()
            except duckdb.CatalogException:
                found = None
    return None if found is None or found[0] is None else (int(found[0]), int(found[1]))


class Reader(Protocol):
    """The record as whoever asks for an account sees it."""

    def rows(self, table: str, begin_s: float, end_s: float) -> Found:
        """Return the rows of a windowed table whose windows overlap [begin_s, end_s), in the order of writing."""
        ...

    def span(self, table: str) -> tuple[int, int] | None:
        """Return when the first recorded window begins and the last one ends; None where nothing is recorded."""
        ...


@dataclass(frozen=True)
class OnDisk:
    """The record in a folder (`history`), whoever writes it."""

    folder: Path

    def rows(self, table: str, begin_s: float, end_s: float) -> Found:
        """Return the rows of a windowed table whose windows overlap [begin_s, end_s), in the order of writing."""
        return read_rows(self.folder, table, begin_s, end_s)

    def span(self, table: str) -> tuple[int, int] | None:
        """Return when the first recorded window begins and the last one ends; None where nothing is recorded."""
        return spanned(self.folder, table)


@dataclass(frozen=True)
class Running:
    """The record that this process writes, to the last window that was closed."""

    history: History

    def rows(self, table: str, begin_s: float, end_s: float) -> Found:
        """Return the rows of a windowed table whose windows overlap [begin_s, end_s), by their windows' beginnings."""
        found = self.history.read(table, begin_s - WINDOW_MAX_S, end_s)
        kept = found["window_start_s"] + found["window_s"] > begin_s
        return Found({name: column[kept] for name, column in found.items()}, False)

    def span(self, table: str) -> tuple[int, int] | None:
        """Return when the first recorded window begins and the last one ends; None where nothing is recorded."""
        return self.history.span(table)
