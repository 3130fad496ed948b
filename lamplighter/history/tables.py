# SPDX-License-Identifier: Apache-2.0
"""Which tables the record holds, and the floors below which nothing is recorded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lamplighter.terms.columns import AnyArray, BoolArray

TEXT_MAX = 80  # characters; names and short reasons fit, a free text does not
DAY_S = 86400.0


@dataclass(frozen=True)
class Floor:
    """The finest window, the fewest assets and the fewest users under which a group of a kind is recorded."""

    window_min_s: int
    members_min: int
    users_min: int = 0


LOW_COUNT = 10

# The record plane's floors. What was counted of fewer than LOW_COUNT users is merged (rollup.py, merging.py). `box`: a box's
# own state, in which nothing shows that people do; `stage`: which part of a box ran for how long; `crossings`: all those of
# an intersection together; `rest`: the boxes of an area that were too quiet to be kept by themselves.
FLOORS: Mapping[str, Floor] = {
    "city": Floor(900, 1),
    "area": Floor(900, 1),
    "zone": Floor(300, 2, LOW_COUNT),
    "approach": Floor(300, 1, LOW_COUNT),
    "crossings": Floor(900, 1, LOW_COUNT),
    "stage": Floor(300, 1, LOW_COUNT),
    "box": Floor(300, 1),
    "rest": Floor(900, 2, LOW_COUNT),
    "luminaire_cell": Floor(900, 64),
    "connection_cell": Floor(900, 100),
}

Kind = Literal["text", "float", "int"]
SQL_TYPE: Mapping[Kind, str] = {"text": "VARCHAR", "float": "DOUBLE", "int": "BIGINT"}


@dataclass(frozen=True)
class RecordTable:
    """One table of the record: its columns in order, whether its rows lie in windows, how long they are kept."""

    name: str
    columns: tuple[tuple[str, Kind], ...]
    windowed: bool
    keep_max_s: float
    doc: str


_GROUP: tuple[tuple[str, Kind], ...] = (
    ("group_kind", "text"),
    ("group_name", "text"),
    ("members", "int"),
    ("window_start_s", "int"),
    ("window_s", "int"),
)

TABLES: Mapping[str, RecordTable] = {
    table.name: table
    for table in (
        RecordTable(
            "measurements",
            (
                ("run", "text"),
                ("service", "text"),
                ("quantity", "text"),
                *_GROUP,
                ("value_mean", "float"),
                ("value_sum", "float"),
                ("count", "int"),
            ),
            True,
            400 * DAY_S,
            "rolled-up measurements per group and window",
        ),
        RecordTable(
            "outcomes",
            (
                ("run", "text"),
                ("arm", "text"),
                ("seed", "int"),
                ("service", "text"),
                ("outcome", "text"),
                *_GROUP,
                ("value", "float"),
                ("weight", "float"),
            ),
            True,
            3660 * DAY_S,
            "what residents would notice, per area and window",
        ),
        RecordTable(
            "decisions",
            (
                ("run", "text"),
                ("service", "text"),
                ("kind", "text"),
                ("action", "text"),
                ("reason", "text"),
                *_GROUP,
                ("count", "int"),
            ),
            True,
            400 * DAY_S,
            "how many permits, refusals, hand-backs and operator acts, per group and window",
        ),
        RecordTable(
            "accounts",
            (
                ("run", "text"),
                ("service", "text"),
                ("account", "text"),
                ("part", "text"),
                *_GROUP,
                ("users", "int"),
                ("value", "float"),
            ),
            True,
            400 * DAY_S,
            "what a service counted box by box: users, waits, greens, who decided, which detectors spoke, per group and window",
        ),
        RecordTable(
            "runs",
            (
                ("run", "text"),
                ("city", "text"),
                ("arm", "text"),
                ("seed", "int"),
                ("commit_hash", "text"),
                ("begin_s", "int"),
            ),
            False,
            3660 * DAY_S,
            "which runs there were",
        ),
    )
}


class RowsRefusedError(ValueError):
    """Rows do not fit their table; the message names the table, column, first row, value and remedy."""


class BelowFloorError(RowsRefusedError):
    """Rows are finer than the record plane allows."""


def checked(table: str, columns: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    """Return the columns in the table's order and types, or raise RowsRefusedError or BelowFloorError; nothing is mended."""
    if table not in TABLES:
        raise RowsRefusedError(f"the record has no table {table!r}; it has {', '.join(TABLES)}. Nothing was recorded")
    spec = TABLES[table]
    names = [name for name, _ in spec.columns]
    unknown, missing = sorted(set(columns) - set(names)), [name for name in names if name not in columns]
    if unknown or missing:
        raise RowsRefusedError(
            f"record table {table}: unknown columns {unknown}, missing columns {missing}; nothing was recorded"
        )
    sizes = {name: len(columns[name]) for name in names}
    if len(set(sizes.values())) != 1:
        raise RowsRefusedError(f"record table {table}: columns of different lengths {sizes}; nothing was recorded")
    typed = {name: _typed(table, name, kind, columns[name]) for name, kind in spec.columns}
    if spec.windowed:
        _check_floors(table, typed)
    return typed


def _typed(table: str, name: str, kind: Kind, values: AnyArray) -> AnyArray:
    array = np.asarray(values)
    if array.ndim != 1:
        raise RowsRefusedError(f"record table {table}, column {name}: has {array.ndim} dimensions, needs 1; nothing was recorded")
    if kind == "text":
        texts = array.astype(np.str_)
        bad = np.char.str_len(texts) > TEXT_MAX if len(texts) else np.zeros(0, dtype=np.bool_)
        _refuse(table, name, texts, bad, f"at most {TEXT_MAX} characters")
        plain = np.array([str(text).isprintable() for text in np.unique(texts)], dtype=np.bool_)
        _refuse(table, name, np.unique(texts), ~plain, "printable characters only")
        return texts
    if array.dtype.kind not in "iufb":
        raise RowsRefusedError(f"record table {table}, column {name}: holds {array.dtype}, needs numbers; nothing was recorded")
    bad = ~np.isfinite(array.astype(np.float64))
    _refuse(table, name, array, bad, "a finite number (leave absent rows out)")
    if kind == "int":
        _refuse(table, name, array, array != np.floor(array), "a whole number")
        return array.astype(np.int64)
    return array.astype(np.float64)


def _refuse(table: str, name: str, values: AnyArray, bad: BoolArray, allowed: str) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        shown = str(values[row])[:40]
        raise RowsRefusedError(
            f"record table {table}, column {name}: row {row} is {shown!r}, allowed: {allowed}; nothing was recorded"
        )


def _check_floors(table: str, typed: Mapping[str, AnyArray]) -> None:
    kinds, window_s, start_s, members = (typed[n] for n in ("group_kind", "window_s", "window_start_s", "members"))
    for kind in np.unique(kinds):
        if str(kind) not in FLOORS:
            raise BelowFloorError(
                f"record table {table}: no group of kind {str(kind)!r} may be recorded, only {', '.join(FLOORS)}; "
                "nothing was recorded"
            )
        floor, mine = FLOORS[str(kind)], kinds == kind
        tests: list[tuple[str, AnyArray, BoolArray, str]] = [
            ("window_s", window_s, window_s < floor.window_min_s, f"{floor.window_min_s} s or more for a group of kind {kind}"),
            ("members", members, members < floor.members_min, f"{floor.members_min} assets or more for a group of kind {kind}"),
            ("window_start_s", start_s, start_s % np.maximum(window_s, 1) != 0, "a multiple of window_s"),
        ]
        if "users" in typed:
            users = typed["users"]
            tests.append(("users", users, users < floor.users_min, f"{floor.users_min} users or more for a group of kind {kind}"))
        if table == "decisions" and str(kind) in ("box", "rest"):
            few = typed["count"] < LOW_COUNT
            tests.append(("count", typed["count"], few, f"{LOW_COUNT} decisions or more for a group of kind {kind}"))
        for name, values, bad, allowed in tests:
            if (bad & mine).any():
                row = int(np.flatnonzero(bad & mine)[0])
                raise BelowFloorError(
                    f"record table {table}, column {name}: row {row} (group {typed['group_name'][row]}) is {values[row]}, "
                    f"needs {allowed}. The record plane has this floor in its code; roll up first. Nothing was recorded"
                )
