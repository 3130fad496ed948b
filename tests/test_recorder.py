# SPDX-License-Identifier: Apache-2.0
"""From ticks to the record: nothing finer than its windows, nothing unnamed, each arm under its own name."""

from pathlib import Path

import numpy as np

from lamplighter.history import History
from lamplighter.ledger import Ledger, PermitsCommitted
from lamplighter.runtime import loop
from lamplighter.runtime.recorder import WINDOW_S, Recorder
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
    assert [entry.at_s for entry in permits] == [int(NOW_S) + WINDOW_S], "one entry for the one window with permits"
    assert permits[0].rows >= 16


def test_only_what_a_service_names_is_recorded_and_each_arm_under_its_own_name(tmp_path: Path) -> None:
    two_windows(tmp_path)
    with History.open(tmp_path / "history") as history:
        measured, outcomes = history.read("measurements"), history.read("outcomes")
    assert set(measured["quantity"]) == {"pressure_bar"}
    arms = dict(zip(outcomes["window_start_s"].tolist(), outcomes["arm"].tolist(), strict=True))
    assert arms == {int(NOW_S): "adaptive", int(NOW_S) + WINDOW_S: "baseline"}
