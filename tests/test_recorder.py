# SPDX-License-Identifier: Apache-2.0
"""From ticks to the record: nothing finer than its windows, nothing unnamed, each arm under its own name."""

from pathlib import Path

import numpy as np

from lamplighter.history import History
from lamplighter.ledger import Ledger, PermitsCommitted, Salts, opens_window
from lamplighter.runtime import loop
from lamplighter.runtime.recorder import WINDOW_S, Recorder
from lamplighter.runtime.telling import changed_rows
from lamplighter.terms.columns import AnyArray
from lamplighter.terms.reading import Reading
from tests.spine import CITY, NOW_S
from tests.water import SERVICE
from tests.water.simulator import ROW


def two_windows(folder: Path) -> None:
    """Run pumps for half an hour: lamplighter decides in the first window alone, and changes its mind every minute."""
    recorder = Recorder(folder, (SERVICE,), {"water": CITY}, "seed-7")
    run = loop.open_run(SERVICE, CITY, True)
    for minute in range(1, 31):
        if minute == 16:
            loop.hand_back(run, NOW_S + 60 * minute)
        now_s = NOW_S + 60 * minute
        rows = np.zeros(8, ROW)
        rows["pump"], rows["pressure_mbar"], rows["speed_pm"] = np.arange(8), 2500 if minute % 4 < 2 else 3500, 600
        recorder.tick(run, loop.tick(run, [run], [Reading("pipe", "pumps", rows.tobytes(), now_s)], now_s))
    assert recorder.fault == ""
    recorder.close(NOW_S + 1800)


def test_the_ledger_is_no_log_of_when_each_box_was_switched(tmp_path: Path) -> None:
    assert NOW_S % WINDOW_S == 0
    two_windows(tmp_path)
    with Ledger.open(tmp_path / "ledger") as ledger:
        permits = [entry for entry in ledger.entries() if isinstance(entry, PermitsCommitted)]
    ends = [int(NOW_S) + WINDOW_S, int(NOW_S) + 2 * WINDOW_S]
    assert [entry.at_s for entry in permits] == ends, "one entry a window, whether or not anything was permitted"
    assert permits[0].rows >= 10
    assert permits[1].rows == 0
    assert all(entry.rows % 10 == 0 for entry in permits)


def test_an_auditor_who_lives_the_hour_again_opens_its_commitment(tmp_path: Path) -> None:
    two_windows(tmp_path)
    run = loop.open_run(SERVICE, CITY, True)
    tables: list[tuple[int, dict[str, AnyArray]]] = []
    for minute in range(1, 16):
        now_s = NOW_S + 60 * minute
        rows = np.zeros(8, ROW)
        rows["pump"], rows["pressure_mbar"], rows["speed_pm"] = np.arange(8), 2500 if minute % 4 < 2 else 3500, 600
        done = loop.tick(run, [run], [Reading("pipe", "pumps", rows.tobytes(), now_s)], now_s)
        for permit in done.verdict.permits:
            changed, table = changed_rows(permit, done), permit.proposals
            if len(changed):
                values = {name: column[changed] for name, column in table.values.items()}
                tables.append((int(now_s), {"asset": table.asset[changed], **values}))
    with Ledger.open(tmp_path / "ledger") as ledger:
        entry = next(entry for entry in ledger.entries() if isinstance(entry, PermitsCommitted))
    salt = Salts(tmp_path / "ledger").find(entry.commitment)
    assert salt is not None
    assert opens_window(tables, salt, entry.commitment)
    assert not opens_window(tables[1:], salt, entry.commitment)


def test_only_what_a_service_names_is_recorded_and_each_arm_under_its_own_name(tmp_path: Path) -> None:
    two_windows(tmp_path)
    with History.open(tmp_path / "history") as history:
        measured, outcomes = history.read("measurements"), history.read("outcomes")
    assert set(measured["quantity"]) == {"pressure_bar"}
    arms = dict(zip(outcomes["window_start_s"].tolist(), outcomes["arm"].tolist(), strict=True))
    assert arms == {int(NOW_S): "adaptive", int(NOW_S) + WINDOW_S: "baseline"}


def test_what_a_single_pump_of_an_area_reported_is_not_recorded(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, (SERVICE,), {"water": CITY}, "seed-7")
    run = loop.open_run(SERVICE, CITY, False)
    for minute in range(1, 31):
        now_s = NOW_S + 60 * minute
        rows = np.zeros(1 if minute <= 15 else 8, ROW)
        rows["pump"], rows["pressure_mbar"], rows["speed_pm"] = np.arange(len(rows)), 2500, 600
        recorder.tick(run, loop.tick(run, [run], [Reading("pipe", "pumps", rows.tobytes(), now_s)], now_s))
    recorder.close(NOW_S + 1800)
    with History.open(tmp_path / "history") as history:
        measured = history.read("measurements")
    assert set(measured["window_start_s"].tolist()) == {int(NOW_S) + WINDOW_S}
    assert int(measured["members"].min()) >= 2
