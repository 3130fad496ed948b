# SPDX-License-Identifier: Apache-2.0
"""What the record keeps of an intersection: the sums that were counted by day, and nothing that tells one walker by night."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamplighter.history import History
from lamplighter.history.reading import read_rows
from lamplighter.ledger import Ledger, PermitsCommitted
from lamplighter.runtime import loop
from lamplighter.runtime.recorder import Recorder
from lamplighter.services.traffic import SERVICE
from lamplighter.services.traffic.account import ACCOUNTS, tally
from lamplighter.services.traffic.complaint import command
from lamplighter.services.traffic.prepared import prepare
from lamplighter.services.traffic.simulator import open_simulator
from lamplighter.services.traffic.terms import GREEN
from lamplighter.services.traffic.tests import crossroads
from lamplighter.services.traffic.tests.scenes import snapshot
from lamplighter.terms.account import Tallied
from lamplighter.terms.simulation import SimulationStart

BEGIN_S = int(crossroads.BEGIN_S)
TABLES = ("accounts", "decisions", "outcomes", "measurements")
WALKER = f'<person id="p" depart="{crossroads.MIDNIGHT_OFFSET_S + 240}"><walk from="we1" to="we2"/></person></routes>'


def alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """Run in a process of its own: SUMO allows one run per process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result(timeout=240)


def lived(folder: str, demand: str, seconds: int) -> dict[str, Any]:
    """Run the hand-made city under lamplighter and return what is on record, and what was seen second by second."""
    city = crossroads.make_city(Path(folder) / "city", demand=demand)
    field = open_simulator(SimulationStart(city, 1, crossroads.BEGIN_S, 60.0))
    run = loop.open_run(SERVICE, city, True)
    recorder = Recorder(Path(folder) / "record", (SERVICE,), {"traffic": city}, "night")
    ids, messages = city.assets.id.tolist(), ()
    passed, green_s, called = np.zeros((seconds, 2)), np.zeros((seconds, 2)), 0
    for second in range(1, seconds + 1):
        now_s = crossroads.BEGIN_S + second
        tick = loop.tick(run, [run], field.advance(now_s, messages, {}).readings, now_s)
        recorder.tick(run, tick)
        messages = tick.messages
        value = {name: column.value for name, column in run.columns.items()}
        passed[second - 1] = [value["count_veh"][ids.index(loop_id)] for loop_id in ("d0", "d1")]
        green_s[second - 1] = [value["group_state"][ids.index(group)] == GREEN for group in ("J.g0", "J.g1")]
        called += int(value["call_waiting"][ids.index("d6")])
    field.close()
    assert recorder.fault == ""
    recorder.close(crossroads.BEGIN_S + seconds)
    with History.open(Path(folder) / "record" / "history") as history:
        tables = {name: {c: v.tolist() for c, v in history.read(name).items()} for name in TABLES}
    with Ledger.open(Path(folder) / "record" / "ledger") as ledger:
        permits = [(e.at_s, e.action, e.rows) for e in ledger.entries() if isinstance(e, PermitsCommitted)]
    salts = (Path(folder) / "record" / "ledger" / "salts.jsonl").exists()
    asked = command.Question("West Street", "2026-01-13 16:07", None, str(Path(folder) / "record"))
    _, answer, _ = command.answer(city, prepare(city), asked)
    told = {"permits": permits, "salts": salts, "paragraph": answer.paragraph}
    return {**told, "tables": tables, "passed": passed, "green_s": green_s, "called": called}


@pytest.mark.engine
def test_by_day_each_street_is_kept_in_five_minutes_as_it_was_counted(tmp_path: Path) -> None:
    demand = crossroads.routes({"we": 600.0, "sn": 400.0}, 0.0, crossroads.MIDNIGHT_OFFSET_S + 1200)
    found = alone(lived, str(tmp_path), demand, 1000)
    rows = found["tables"]["accounts"]
    columns = ("group_kind", "group_name", "account", "window_start_s", "value", "window_s")
    kept = {row[:4]: row[4:] for row in zip(*(rows[c] for c in columns), strict=True)}
    for place, street in enumerate(("we1", "sn1")):
        for window in range(3):
            seconds = slice(300 * window, 300 * window + 300)
            for account, seen in (("users_count", found["passed"]), ("green_s", found["green_s"])):
                key = ("approach", f"J/{street}", account, BEGIN_S + 300 * window)
                assert kept[key] == (seen[seconds, place].sum(), 300)
    assert max(rows["window_start_s"]) < BEGIN_S + 900, "what the stop cut off is dropped"
    assert set(rows["group_kind"]) == {"approach", "stage", "box"}
    assert min(rows["window_s"]) >= 300
    assert "On West Street" in found["paragraph"]
    assert "followed lamplighter" in found["paragraph"]


@pytest.mark.engine
def test_one_walker_at_night_cannot_be_told_from_none(tmp_path: Path) -> None:
    quiet = crossroads.routes({"we": 16.0, "sn": 16.0}, 0.0, crossroads.MIDNIGHT_OFFSET_S + 1200)
    none = alone(lived, str(tmp_path / "none"), quiet, 900)
    one = alone(lived, str(tmp_path / "one"), quiet.replace("</routes>", WALKER), 900)
    assert none["called"] == 0
    assert one["called"] > 0, "the walker was seen while it waited"
    assert not np.array_equal(none["green_s"], one["green_s"]), "and the signals did something else for it"
    assert one["tables"] == none["tables"]
    assert one["paragraph"] == none["paragraph"]
    assert one["permits"] == none["permits"]
    assert {rows for _, _, rows in one["permits"]} == {0}
    assert not one["salts"]
    assert not none["salts"]
    assert set(one["tables"]["accounts"]["group_kind"]) == {"box"}
    assert one["tables"]["decisions"]["count"] == []
    assert one["tables"]["outcomes"]["value"] == []


def test_what_is_tallied_follows_from_what_is_reported(tmp_path: Path) -> None:
    city = crossroads.make_city(tmp_path / "city")
    prepared = prepare(city)
    names = [account.name for account in ACCOUNTS if account.of == "cell"]
    cells = {str(name): n for n, name in enumerate(prepared.counting.cells.cell_name)}

    def after(seconds: int, changed: dict[str, dict[str, float]]) -> Tallied:
        seen = snapshot(city, changed)
        tallied = None
        for second in range(seconds):
            fresh = {name: replace(column, known_at_s=column.known_at_s + second) for name, column in seen.latest.items()}
            tallied = tally(replace(seen, now_s=seen.now_s + second, latest=fresh), tallied, prepared)
        assert tallied is not None
        return tallied

    held = after(130, {"queue_veh": {"d3": 2}, "area_veh": {"d3": 2}, "count_veh": {"d0": 1}, "call_waiting": {"d6": 0}})
    west, south = (dict(zip(names, held.cell[cells[street]].tolist(), strict=True)) for street in ("we1", "sn1"))
    assert west["users_count"] == 130
    assert west["green_s"] == 130
    assert south["wait_s"] == 260
    assert south["wait_longest_s"] == south["red_longest_s"] == 130
    assert south["over_bound_s"] == 30, "the bound of the group is 100 s"
    assert held.part[:, 0].tolist() == [130.0, 0.0]
    assert held.box[0].tolist() == [130.0, 0.0, 0.0, 0.0, 0.0]


def test_a_lease_shows_as_one_only_where_lamplighter_steers(tmp_path: Path) -> None:
    """Elsewhere only an operator can have asked, and the record must not tell where he let somebody through."""
    city = crossroads.make_city(tmp_path / "city")
    prepared = prepare(city)
    leased = snapshot(city, {"box_mode": {"J": 1}})
    apart = replace(leased, adaptive=np.zeros(len(city.assets), np.bool_))
    assert tally(leased, None, prepared).box[0, :2].tolist() == [0.0, 1.0]
    assert tally(apart, None, prepared).box[0, :2].tolist() == [1.0, 0.0]


def test_a_record_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert len(read_rows(tmp_path, "accounts", 0, 1e10)) == 0
