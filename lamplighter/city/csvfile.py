# SPDX-License-Identifier: Apache-2.0
"""One CSV file as typed columns, and back. All that is wrong in a file is told, not only the first thing."""

import csv
import gc
import math
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from lamplighter.city.faults import SHOWN, Fault, shortened, unknown_name
from lamplighter.terms.columns import AnyArray, BoolArray
from lamplighter.terms.table import ColumnSpec, Table, TableSpec

CHUNK_ROWS = 65_536
TRUTH = {"true": True, "false": False}
ALLOWED = {"int": "a whole number", "float": "a finite number with a decimal point", "bool": "true or false"}
DTYPES: Mapping[str, Any] = {"text": np.str_, "int": np.int64, "float": np.float64, "bool": np.bool_}


def _truth(cell: str) -> bool:
    return TRUTH[cell]


PARSE: Mapping[str, Callable[[str], Any]] = {"int": int, "float": float, "bool": _truth}


@dataclass
class Faults:
    """Collects faults; per rule and column the first few rows are shown and the rest is counted."""

    file: str
    found: list[Fault] = field(default_factory=list[Fault])

    def add(self, line: int | None, key: str, observed: str, allowed: str, remedy: str) -> None:
        """Add one fault of this file."""
        self.found.append(Fault(self.file, line, key, observed, allowed, remedy))

    def rows(self, rows: Sequence[int], key: str, observed: Callable[[int], str], allowed: str, remedy: str) -> None:
        """Add faults for rows counted from 0, the last one shown carrying the number of those that are not."""
        for place, row in enumerate(rows[:SHOWN]):
            rest = len(rows) - SHOWN if place == SHOWN - 1 else 0
            self.found.append(Fault(self.file, row + 2, key, observed(row), allowed, remedy, more=rest))


@contextmanager
def _no_garbage_collection() -> Generator[None]:
    # Millions of young strings make the collector walk them again and again; none of them forms a cycle.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def read_table(path: Path, shown: str, spec: TableSpec) -> tuple[Table, int, tuple[Fault, ...]]:
    """Return the columns of a CSV file, its number of rows, and all that is wrong with it.

    A missing optional column is left out of the table. A cell that cannot be read stands as "", 0 or false and is
    among the faults, so the table is for use only where there are none.
    """
    faults = Faults(shown)
    if not path.is_file():
        faults.add(None, "file", "missing", f"a CSV file: {spec.doc}", "Build the city again, or restore the file.")
        return {c.name: np.zeros(0, dtype=DTYPES[c.kind]) for c in spec.columns}, 0, tuple(faults.found)
    cells: dict[str, list[AnyArray]] = {}
    bad: dict[str, list[tuple[int, str]]] = {}
    with _no_garbage_collection():
        try:
            rows = _read_cells(path, spec, faults, cells, bad)
        except UnicodeDecodeError as error:
            faults.add(None, "text", f"bytes that are not UTF-8 ({error.reason})", "UTF-8", "Save the file as CSV in UTF-8.")
            return {c.name: np.zeros(0, dtype=DTYPES[c.kind]) for c in spec.columns}, 0, tuple(faults.found)
        except csv.Error as error:
            faults.add(None, "CSV", str(error), "comma-separated cells, quoted with double quotes", "Mend the quoting.")
            rows = min((sum(map(len, parts)) for parts in cells.values()), default=0)
        columns = {c.name: _joined(cells[c.name], c, rows) for c in spec.columns if c.name in cells}
    for column in spec.columns:
        if wrong := bad.get(column.name):
            texts = dict(wrong)
            remedy = "Put a number there." if column.kind in ("int", "float") else "Mend the cell."
            faults.rows(
                list(texts),
                column.name,
                lambda row, t=texts: shortened(t[row]) if t[row] else "empty",
                ALLOWED[column.kind],
                remedy,
            )
        elif column.name in columns:
            _bounds(columns[column.name], column, faults)
    _unique(columns, spec, faults)
    return columns, rows, tuple(faults.found)


def has_header(path: Path, spec: TableSpec) -> bool:
    """Return whether a file is there and its columns are those of the table, without reading its rows."""
    if not path.is_file():
        return False
    with path.open(newline="", encoding="utf-8-sig") as stream:
        names = next(csv.reader(stream), list[str]())
    known = {column.name: column.optional for column in spec.columns}
    return set(names) <= set(known) and all(optional or name in names for name, optional in known.items())


def _read_cells(
    path: Path, spec: TableSpec, faults: Faults, cells: dict[str, list[AnyArray]], bad: dict[str, list[tuple[int, str]]]
) -> int:
    """Fill `cells` (by column) and `bad` (row and text of cells that cannot be read); return the number of rows."""
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.reader(stream, strict=True)
        header = next(reader, list[str]())
        wanted = _header(header, spec, faults)
        cells.update({column.name: [] for column in wanted.values()})
        rows = 0
        while chunk := list(islice(reader, CHUNK_ROWS)):
            even = set(map(len, chunk)) == {len(header)}
            uneven = [] if even else [i for i, row in enumerate(chunk) if len(row) != len(header)]
            if uneven:
                widths = {rows + i: len(chunk[i]) for i in uneven}
                remedy = "Give the row one cell for each column; quote texts that hold a comma."
                faults.rows(list(widths), "row", lambda row, w=widths: f"{w[row]} cells", f"{len(header)} cells", remedy)
                for i in uneven:
                    chunk[i] = (chunk[i] + [""] * len(header))[: len(header)]
            for place, texts in enumerate(zip(*chunk, strict=True)):
                if column := wanted.get(place):
                    cells[column.name].append(_convert(texts, column, rows, bad))
            rows += len(chunk)
        if reader.line_num > rows + 1:
            faults.add(None, "rows", "a line break inside a cell", "one row a line", "Take the line break out of the cell.")
    return rows


def _header(header: Sequence[str], spec: TableSpec, faults: Faults) -> dict[int, ColumnSpec]:
    known = {column.name: column for column in spec.columns}
    wanted: dict[int, ColumnSpec] = {}
    for place, name in enumerate(header):
        if name not in known:
            faults.add(1, f"column {shortened(name)}", "unknown", *unknown_name(name, [k for k in known if k not in header]))
        elif header.index(name) != place:
            faults.add(1, f"column {name}", "there twice", "once", "Take one of them out.")
        else:
            wanted[place] = known[name]
    for column in spec.columns:
        if column.name not in header and not column.optional:
            faults.add(1, f"column {column.name}", "missing", f"a column of kind {column.kind}", f"Add it: {column.doc}")
    return wanted


def _joined(parts: list[AnyArray], column: ColumnSpec, rows: int) -> AnyArray:
    return np.concatenate([np.zeros(0, dtype=DTYPES[column.kind]), *parts])[:rows]


def _convert(texts: Sequence[str], column: ColumnSpec, first_row: int, bad: dict[str, list[tuple[int, str]]]) -> AnyArray:
    """Return one column of a chunk of rows, the usual case in one sweep, else cell by cell."""
    if column.kind == "text":
        return np.array(texts, dtype=np.str_)
    parse = PARSE[column.kind]
    try:
        swept = np.array(list(map(parse, texts)), dtype=DTYPES[column.kind])
        if np.isfinite(swept).all():
            return swept
    except (ValueError, KeyError, OverflowError):
        pass
    values = np.zeros(len(texts), dtype=DTYPES[column.kind])
    for i, text in enumerate(texts):
        try:
            value = parse(text)
            if not math.isfinite(value):
                raise ValueError(text)
            values[i] = value
        except (ValueError, KeyError, OverflowError):
            bad.setdefault(column.name, []).append((first_row + i, text))
    return values


def _bounds(values: AnyArray, column: ColumnSpec, faults: Faults) -> None:
    if column.kind == "text":
        if column.one_of:
            wrong = np.flatnonzero(strangers(values, [*column.one_of, *([""] if column.optional else [])]))
            remedy = "Use one of these words." if len(column.one_of) > 1 else "Use this word."
            faults.rows(
                wrong.tolist(), column.name, lambda row: shortened(str(values[row])), "one of " + ", ".join(column.one_of), remedy
            )
        return
    if column.kind == "bool":
        return
    low, high = column.low, column.high
    outside = np.zeros(len(values), dtype=np.bool_)
    if low is not None:
        outside |= values < low
    if high is not None:
        outside |= values > high
    allowed = f"{'any' if low is None else f'{low:g}'} to {'any' if high is None else f'{high:g}'}"
    remedy = f"Mend the value, or the unit: {column.doc}"
    faults.rows(np.flatnonzero(outside).tolist(), column.name, lambda row: str(values[row]), allowed, remedy)


def strangers(values: AnyArray, known: Iterable[Any]) -> BoolArray:
    """Return the mask (n,) of values that are not among the known ones; fast where there is none."""
    strange = set(values.tolist()) - set(known)
    return np.isin(values, np.array(sorted(strange))) if strange else np.zeros(len(values), dtype=np.bool_)


def _unique(columns: Table, spec: TableSpec, faults: Faults) -> None:
    if not spec.key or any(name not in columns for name in spec.key):
        return
    parts = [columns[name].tolist() for name in spec.key]
    keys: list[Any] = parts[0] if len(parts) == 1 else list(zip(*parts, strict=True))
    if len(set(keys)) == len(keys):
        return
    first: dict[Any, int] = {}
    again = [row for row, key in enumerate(keys) if first.setdefault(key, row) != row]
    named = " and ".join(spec.key)
    faults.rows(
        again,
        named,
        lambda row: f"{shortened(keys[row])}, which line {first[keys[row]] + 2} has already",
        "unique in the file",
        "Give one of the two another value, or take the copy out.",
    )


def write_table(path: Path, table: Table, order: Sequence[str]) -> None:
    """Write columns as CSV with a header, numbers so that they read back exactly; columns absent from the table are left out."""
    names = [name for name in order if name in table]
    columns = [_cells(table[name]) for name in names]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(zip(*columns, strict=True))


def _cells(values: AnyArray) -> list[Any]:
    if values.dtype == np.bool_:
        return np.where(values, "true", "false").tolist()
    if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
        raise ValueError("a table to be written holds a value that is not finite; leave the row out, or the column")
    return values.tolist()
