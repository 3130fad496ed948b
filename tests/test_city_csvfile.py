# SPDX-License-Identifier: Apache-2.0
"""Tables as CSV: read back exactly as written, and a million rows in seconds."""

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.city.csvfile import read_table, write_table
from lamplighter.terms.table import ColumnSpec, TableSpec

SPEC = TableSpec(
    "rows",
    "rows for tests",
    (
        ColumnSpec("id", "text", "key"),
        ColumnSpec("count", "int", "a number"),
        ColumnSpec("p_kw", "float", "power"),
        ColumnSpec("on", "bool", "switched on"),
        ColumnSpec("note", "text", "anything", optional=True),
    ),
    ("id",),
)
ORDER = [column.name for column in SPEC.columns]
WORDS = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=12)


@given(
    ids=st.lists(WORDS, unique=True, max_size=8),
    numbers=st.lists(st.integers(-(2**62), 2**62), min_size=8, max_size=8),
    powers=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=8, max_size=8),
    noted=st.booleans(),
)
def test_a_table_is_read_exactly_as_it_was_written(
    tmp_path: Path, ids: list[str], numbers: list[int], powers: list[float], noted: bool
) -> None:
    rows = len(ids)
    table = {
        "id": np.array(ids, dtype=np.str_),
        "count": np.array(numbers[:rows], dtype=np.int64),
        "p_kw": np.array(powers[:rows], dtype=np.float64),
        "on": np.arange(rows) % 2 == 0,
    }
    if noted:
        table["note"] = np.array(ids[::-1], dtype=np.str_)
    write_table(tmp_path / "rows.csv", table, ORDER)
    found, count, faults = read_table(tmp_path / "rows.csv", "rows.csv", SPEC)
    assert faults == ()
    assert count == rows
    assert set(found) == set(table)
    for name, column in table.items():
        assert found[name].tolist() == [cell.rstrip("\0") if name in ("id", "note") else cell for cell in column.tolist()]


def test_a_million_rows_are_read_in_seconds(tmp_path: Path) -> None:
    rows = 1_000_000
    number = np.arange(rows)
    ids = np.char.add("asset-", number.astype(np.str_))
    write_table(tmp_path / "rows.csv", {"id": ids, "count": number, "p_kw": number / 7, "on": number % 2 == 0}, ORDER)
    started = time.process_time()
    table, count, faults = read_table(tmp_path / "rows.csv", "rows.csv", SPEC)
    seconds = time.process_time() - started
    assert (count, faults) == (rows, ())
    assert table["id"][-1] == "asset-999999"
    assert table["p_kw"][777_777] == 777_777 / 7
    assert seconds < 10  # about 2 s on an idle core


def test_what_is_not_finite_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not finite"):
        write_table(tmp_path / "rows.csv", {"p_kw": np.array([1.0, np.nan])}, ORDER)


def test_a_line_break_in_a_cell_is_told_and_a_byte_order_mark_is_not(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes("\ufeffid,count,p_kw,on\na,1,2.5,true\n".encode())
    assert read_table(tmp_path / "rows.csv", "rows.csv", SPEC)[2] == ()
    (tmp_path / "rows.csv").write_text('id,count,p_kw,on\n"a\nb",1,2.5,true\n', encoding="utf-8")
    assert "line break" in read_table(tmp_path / "rows.csv", "rows.csv", SPEC)[2][0].observed
