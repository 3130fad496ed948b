# SPDX-License-Identifier: Apache-2.0
"""The record: floors, acknowledgement, sealing, retention, and what happens when the disk or a clock misbehaves."""

import contextlib
import ctypes
import ctypes.util
import inspect
import os
import random
import signal
import subprocess
import sys
import time

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.history import BelowFloorError, History, HistoryInUseError, HistoryUnreadableError, RowsRefusedError
from lamplighter.history.keeping import sealed_path

DAY_S = 86400
NOON_S = 1_768_302_000 // 3600 * 3600


def text(value, rows):
    return np.repeat(np.array([value]), rows)


def outcomes(rows=4, *, start_s=NOON_S, seed=1, **changed):
    columns = {
        "run": text("r1", rows),
        "arm": text("adaptive", rows),
        "seed": np.full(rows, seed),
        "service": text("water", rows),
        "outcome": text("leak_m3", rows),
        "group_kind": text("area", rows),
        "group_name": text("Köpenick", rows),
        "members": np.full(rows, 12),
        "window_start_s": start_s + 900 * (np.arange(rows) % 12),
        "window_s": np.full(rows, 900),
        "value": np.arange(rows, dtype=float),
        "weight": np.ones(rows),
    }
    return columns | changed


def test_what_is_appended_is_acknowledged_and_read_back(tmp_path):
    with History.open(tmp_path) as history:
        receipt = history.append("outcomes", outcomes())
        assert history.wait(receipt)
        found = history.read("outcomes", NOON_S, NOON_S + 1800)
        assert found["value"].tolist() == [0.0, 1.0]
        assert found["group_name"].tolist() == ["Köpenick"] * 2
        assert history.status().fault == ""
    with History.open(tmp_path) as history:
        assert len(history.read("outcomes")["run"]) == 4


def test_rows_may_be_changed_by_their_owner_after_append(tmp_path):
    with History.open(tmp_path) as history:
        columns = outcomes()
        history.append("outcomes", columns)
        columns["value"][:] = 99
        assert history.read("outcomes")["value"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"window_s": np.full(4, 60)}, r"column window_s: row 0 \(group Köpenick\) is 60, needs 900 s or more"),
        ({"group_kind": text("luminaire_cell", 4)}, "column members: row 0 .* is 12, needs 64 assets or more"),
        ({"group_kind": text("connection_cell", 4), "members": np.full(4, 99)}, "is 99, needs 100 assets or more"),
        ({"group_kind": text("luminaire", 4)}, "no group of kind 'luminaire' may be recorded, only city, area"),
        ({"window_start_s": NOON_S + np.arange(4)}, "window_start_s: row 1 .* needs a multiple of window_s"),
    ],
)
def test_what_is_finer_than_the_floor_has_no_way_in(tmp_path, changed, said):
    with History.open(tmp_path) as history:
        with pytest.raises(BelowFloorError, match=said):
            history.append("outcomes", outcomes(**changed))
        assert len(history.read("outcomes")["run"]) == 0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"vehicle": text("B-XY 123", 4)}, r"unknown columns \['vehicle'\]"),
        ({"value": np.array([1, np.nan, 2, 3])}, "column value: row 1 is 'nan', allowed: a finite number"),
        ({"value": np.zeros(3)}, "columns of different lengths"),
        ({"seed": np.array([1.0, 2, 2.5, 3])}, "column seed: row 2 is '2.5', allowed: a whole number"),
        ({"outcome": text("x" * 81, 4)}, "at most 80 characters"),
        ({"outcome": text("a\nb", 4)}, "printable characters only"),
        ({"value": text("12", 4)}, "column value: holds <U2, needs numbers"),
    ],
)
def test_rows_that_do_not_fit_are_refused_with_place_and_value(tmp_path, changed, said):
    with History.open(tmp_path) as history:
        with pytest.raises(RowsRefusedError, match=said):
            history.append("outcomes", outcomes(**changed))
        with pytest.raises(RowsRefusedError, match="no table 'readings'; it has measurements"):
            history.append("readings", outcomes())


def test_a_second_process_is_told_who_holds_the_folder_and_harms_nothing(tmp_path):
    code = (
        "import sys; from pathlib import Path; from lamplighter.history import History, HistoryInUseError\n"
        "try:\n    History.open(Path(sys.argv[1]))\nexcept HistoryInUseError as error:\n    print(error)\n"
    )
    with History.open(tmp_path) as history:
        said = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True).stdout
        assert f"is in use by process {os.getpid()}" in said
        assert "Ctrl-C" in said
        with pytest.raises(HistoryInUseError, match="choose another data folder"):
            History.open(tmp_path)
        assert history.wait(history.append("outcomes", outcomes()))
    History.open(tmp_path).close()


def test_a_damaged_file_is_named_and_left_alone(tmp_path):
    (tmp_path / "history.duckdb").write_bytes(b"not a database" * 400)
    with pytest.raises(HistoryUnreadableError, match=r"history.duckdb cannot be opened.*sealed files .* stay readable"):
        History.open(tmp_path)
    assert (tmp_path / "history.duckdb").read_bytes() == b"not a database" * 400


CHILD = f"""
import sys, numpy as np
from pathlib import Path
from lamplighter.history import History
NOON_S = {NOON_S}
{inspect.getsource(text)}
{inspect.getsource(outcomes)}
history = History.open(Path(sys.argv[1]))
number = int(sys.argv[2])
while True:
    number += 1
    size = 1 + number * 37 % 3000
    receipt = history.append("outcomes", outcomes(size, seed=number))
    if number % 7 == 0:
        history.seal(2_000_000_000_000)
    if number % 5 == 0:
        history._writer.rewrite()
    if history.wait(receipt, 30):
        sys.stdout.write(f"{{number}} {{size}}\\n")
        sys.stdout.flush()
"""


@pytest.mark.parametrize("kills", [6, pytest.param(60, marks=pytest.mark.campaign)])
def test_kill_9_at_any_time_loses_nothing_acknowledged(tmp_path, kills):
    dice = random.Random(7)
    acknowledged: dict[int, int] = {}
    number = 0
    for _ in range(kills):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), str(number)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(dice.uniform(0.0, 0.7))
        child.send_signal(signal.SIGKILL)
        lines = [first, *child.stdout.read().splitlines(keepends=True)]
        child.wait()
        child.stdout.close()
        acknowledged |= {int(line.split()[0]): int(line.split()[1]) for line in lines if line.endswith("\n")}
        number = max(acknowledged) + 1000
    with History.open(tmp_path) as history:
        found, counts = np.unique(history.read("outcomes")["seed"], return_counts=True)
        there = dict(zip(found.tolist(), counts.tolist(), strict=True))
        assert {key: there.get(key) for key in acknowledged} == acknowledged
        assert len(acknowledged) >= kills
        assert history.wait(history.append("outcomes", outcomes()))
    for path in (tmp_path / "sealed").rglob("*.parquet"):
        duckdb.execute(f"select count(*) from '{path}'").fetchall()


def mounted_tmpfs(folder, size_kb):
    libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
    done = libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, f"size={size_kb}k".encode())
    return libc if done == 0 else None


def test_a_full_disk_is_said_aloud_loses_nothing_acknowledged_and_mends_itself(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    libc = mounted_tmpfs(disk, 12_000)
    if libc is None:
        pytest.skip("needs the right to mount a small tmpfs (root)")
    filler = disk / "filler"
    try:
        history = History.open(disk / "data")
        assert history.wait(history.append("outcomes", outcomes(500, seed=1)))
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 1024)
        begun = time.monotonic()
        receipts = [history.append("outcomes", outcomes(3000, seed=2 + n)) for n in range(10)]
        assert time.monotonic() - begun < 1.0, "appending must not wait for the disk"
        assert not history.wait(receipts[-1], 1.5)
        status = history.status()
        assert "could not write" in status.fault
        assert "Free space" in status.fault
        assert status.rows_pending + status.rows_committed >= 30_500
        assert history.seal(2_000_000_000_000) == [], "sealing on a full disk must not raise into the loop"
        assert history.retain(NOON_S + 4000 * DAY_S).rows_erased == 0
        acknowledged = 500 + sum(3000 for receipt in receipts if history.wait(receipt, 0.01))
        assert len(history.read("outcomes")["run"]) >= acknowledged
        filler.unlink()
        assert history.wait(receipts[-1], 20)
        assert history.seal(2_000_000_000_000)
        assert history.status().fault == ""
        assert history.status().rows_dropped == 0
        assert len(history.read("outcomes")["run"]) == 30_500
        assert history.close()
        with History.open(disk / "data") as again:
            assert len(again.read("outcomes")["run"]) == 30_500
    finally:
        libc.umount2(str(disk).encode(), 2)


def test_a_disk_that_stays_full_drops_what_was_not_acknowledged_and_a_later_run_resumes(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    libc = mounted_tmpfs(disk, 6_000)
    if libc is None:
        pytest.skip("needs the right to mount a small tmpfs (root)")
    try:
        history = History.open(disk / "data")
        assert history.wait(history.append("outcomes", outcomes(500)))
        noise = np.random.default_rng(1)
        receipts = [history.append("outcomes", outcomes(9000, value=noise.random(9000), seed=n)) for n in range(80)]
        assert not history.wait(receipts[-1], 3)
        kept = 500 + 9000 * sum(history.wait(receipt, 0) for receipt in receipts)
        assert history.status().rows_dropped > 0
        assert not history.close()
        libc.mount(b"tmpfs", str(disk).encode(), b"tmpfs", 32, b"size=60000k")
        with History.open(disk / "data") as again:
            assert len(again.read("outcomes")["run"]) >= kept
            assert again.wait(again.append("outcomes", outcomes()))
    finally:
        libc.umount2(str(disk).encode(), 2)


def test_other_processes_read_sealed_hours_while_the_writer_runs(tmp_path):
    with History.open(tmp_path) as history:
        history.append("outcomes", outcomes(12))
        paths = history.seal(NOON_S + 2 * 3600)
        assert paths == [sealed_path(tmp_path, "outcomes", NOON_S), sealed_path(tmp_path, "outcomes", NOON_S + 3600)]
        code = "import duckdb, sys; print(duckdb.sql(f\"select count(*), sum(value) from '{sys.argv[1]}/*.parquet'\").fetchall())"
        said = subprocess.run(
            [sys.executable, "-c", code, str(paths[0].parent)], capture_output=True, text=True, check=True
        ).stdout
        assert said.strip() == "[(8, 28.0)]"
        assert history.seal(NOON_S + 2 * 3600) == []
        history.append("outcomes", outcomes(1, seed=2))
        assert history.seal(NOON_S + 2 * 3600) == paths[:1], "a late row renews its hour's file"
        assert duckdb.execute(f"select count(*) from '{paths[0]}'").fetchall() == [(5,)]
        assert not list(tmp_path.rglob("*.part"))


def ages(history):
    return history.read("outcomes")["window_start_s"]


def test_old_rows_and_their_sealed_files_are_erased_from_the_disk(tmp_path):
    secret = "Erstwhile-Quarter-Name"

    def on_disk():
        return [path.name for path in tmp_path.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]

    with History.open(tmp_path, {"outcomes": 10 * DAY_S}) as history:
        history.append("outcomes", outcomes(4, start_s=NOON_S, group_name=text(secret, 4)))
        history.append("outcomes", outcomes(4, start_s=NOON_S + 9 * DAY_S))
        history.seal(NOON_S + 20 * DAY_S)
        history.retain(NOON_S + 9 * DAY_S)
        assert len(ages(history)) == 8
    assert "history.duckdb" in on_disk(), "the name is there to be found as long as it may be kept"
    with History.open(tmp_path, {"outcomes": 10 * DAY_S}) as history:
        done = [history.retain(NOON_S + day * DAY_S) for day in range(10, 13)][-1]
        assert on_disk() == [], "erased means out of the file, not only out of the table"
        assert (done.doubt, ages(history).min()) == ("", NOON_S + 9 * DAY_S)
        assert history.wait(history.append("outcomes", outcomes(4, start_s=NOON_S + 12 * DAY_S)))
        assert len(ages(history)) == 8
        assert not sealed_path(tmp_path, "outcomes", NOON_S).exists()
        assert sealed_path(tmp_path, "outcomes", NOON_S + 9 * DAY_S).exists()


def test_keeping_longer_than_the_law_in_the_code_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"keep_s: measurements = .*; allowed: above 0 and at most 34560000 s"):
        History.open(tmp_path, {"measurements": 9e9})


def test_a_clock_that_leaps_ahead_empties_nothing_until_it_has_run_on_for_an_hour(tmp_path):
    with History.open(tmp_path, {"outcomes": 10 * DAY_S}) as history:
        history.append("outcomes", outcomes(4))
        assert history.retain(NOON_S + 3600).rows_erased == 0
        leapt = NOON_S + 4000 * DAY_S
        assert "after the last look" in history.retain(leapt).doubt
        assert history.status().doubt != ""
        assert history.retain(leapt + 60).rows_erased == 0
        assert history.retain(NOON_S + 7200).doubt == "", "the clock was set right: nothing is lost"
        assert len(ages(history)) == 4
        history.retain(leapt)
        assert history.retain(leapt + 3600).rows_erased == 4, "it was true: the city slept for years"


def test_a_clock_that_falls_back_brings_nothing_back_and_keeps_nothing_longer(tmp_path):
    with History.open(tmp_path, {"outcomes": DAY_S}) as history:
        history.append("outcomes", outcomes(4))
        history.retain(NOON_S + DAY_S)
        history.retain(NOON_S + 2 * DAY_S)
        assert len(ages(history)) == 0
        history.append("outcomes", outcomes(4))
        assert history.retain(NOON_S + 600).rows_erased == 4, "older than the horizon already reached"


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(-30 * 24, 30 * 24)), min_size=1, max_size=8))
def test_whatever_the_clock_does_nothing_young_is_erased_and_nothing_old_is_kept(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("record")
    with History.open(folder, {"outcomes": 10 * DAY_S}) as history:
        highest, written = 0, []
        for day, hours in steps:
            now_s = NOON_S + day * DAY_S + hours * 3600
            highest = max(highest, now_s)
            written.append(NOON_S + day * DAY_S)
            history.append("outcomes", outcomes(1, start_s=written[-1]))
            doubt = history.retain(now_s).doubt
            left = set(ages(history).tolist())
            assert {w for w in written if w >= highest - 10 * DAY_S} <= left, "nothing young is ever erased"
            if not doubt:
                assert all(w >= now_s - 10 * DAY_S - 3600 for w in left), "nothing old is kept on a clock that is believed"
            assert history.retain(now_s).rows_erased == 0


def test_the_record_can_be_appended_to_at_speed(tmp_path):
    with History.open(tmp_path) as history:
        begun = time.monotonic()
        for seed in range(30):
            history.append("outcomes", outcomes(10_000, seed=seed))
        assert history.flush(30)
        assert time.monotonic() - begun < 15
        assert history.status().rows_committed == 300_000
