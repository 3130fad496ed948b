# SPDX-License-Identifier: Apache-2.0
"""Only a simulated city has an event log; what others read in it is what we say, and what SUMO did."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamplighter.services.traffic.diagnosis import measures as m
from lamplighter.services.traffic.diagnosis.diagnosing import BoxSums, Diagnosis, Settings
from lamplighter.services.traffic.diagnosis.events import Events
from lamplighter.services.traffic.diagnosis.following import Follower
from lamplighter.services.traffic.diagnosis.simulated import event_log, write_log, write_tables
from lamplighter.services.traffic.diagnosis.tally import D, G
from lamplighter.services.traffic.diagnosis.watching import Second, Watcher, detector_tables
from lamplighter.services.traffic.layout import read_layout
from lamplighter.services.traffic.prepared import prepare
from lamplighter.services.traffic.tests import crossroads, oracle
from lamplighter.services.traffic.tests.scenes import snapshot
from lamplighter.services.traffic.tests.test_diagnosis_oracle import (
    check_arrivals,
    check_counts,
    check_intervals,
    check_pedestrians,
    check_split_failures,
    check_waits,
    check_yellow_red,
    diagnose,
)
from lamplighter.terms.simulation import Simulated, SimulationStart

MINUTES = 30  # whole quarters: of one that is not complete atspm believes no interval
FLOWS = {"we": 620.0, "sn": 420.0}


def make_log(folder: str) -> int:
    """Run the hand-made city and write its log; alone in a process, since SUMO allows one run in each."""
    demand = crossroads.routes(FLOWS, 150.0, crossroads.MIDNIGHT_OFFSET_S + 7200)
    city = crossroads.make_city(Path(folder) / "city", (38.0, 22.0), demand)
    start = SimulationStart(city, 1, crossroads.BEGIN_S, 600.0)
    count = write_log(event_log(start, MINUTES * 60), {0: "J"}, Path(folder) / "log.csv")
    write_tables(detector_tables(read_layout(city)), {0: "J"}, Path(folder) / "table.csv")
    with (Path(folder) / "table.csv").open("a") as table:  # as if the loop on the way out lay behind the line
        table.write("SIMULATED-J,1,1,Yellow_Red\n")
    return count


@pytest.fixture(scope="module")
def emitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("emitted")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(make_log, str(folder)).result(timeout=240) > 2000
    return folder


@pytest.fixture(scope="module")
def both(emitted: Path) -> tuple[BoxSums, dict[str, Any]]:
    log, table = emitted / "log.csv", emitted / "table.csv"
    return diagnose(log, table), oracle.ask("measure", log, table, emitted / "out.json")


@pytest.mark.engine
def test_atspm_reads_the_log_and_says_what_we_say(both: tuple[BoxSums, dict[str, Any]]) -> None:
    found, said = both
    check_counts(found, said)
    check_arrivals(found, said)
    check_split_failures(found, said)
    check_yellow_red(found, said)
    check_waits(found, said)
    check_pedestrians(found, said)
    check_intervals(found, said)


@pytest.mark.engine
def test_the_log_tells_what_the_field_did(both: tuple[BoxSums, dict[str, Any]]) -> None:
    found, _ = both
    g = found.tally.group[found.quarters].sum(axis=0)
    minutes = MINUTES
    assert g[1, G.GREENS] == pytest.approx(minutes, abs=1)  # a cycle of 60 s
    assert g[1, G.GREEN_MS] / g[1, G.GREENS] / 1000 == pytest.approx(33.0, abs=1.5)  # a split of 38 s, 5 s of it intergreen
    for group, flow in ((1, FLOWS["we"]), (2, FLOWS["sn"])):
        expected = flow * minutes / 60
        assert g[group, G.ARRIVALS] == pytest.approx(expected, abs=4 * np.sqrt(expected))
    passed = found.tally.detector[found.quarters].sum(axis=0)[:3, D.ACTUATIONS]
    assert passed[1] == pytest.approx(g[1, G.ARRIVALS], rel=0.1)
    # one approach, no signal upstream: vehicles come by chance, and the platoon ratio is that of chance
    ratio = g[1, G.ARRIVALS_GREEN] / g[1, G.ARRIVALS] / (g[1, G.GREEN_MS] / (minutes * 60_000))
    assert 0.8 < ratio < 1.2


@pytest.mark.engine
def test_every_name_in_the_log_and_on_the_page_says_simulated(emitted: Path) -> None:
    rows = (emitted / "log.csv").read_text().splitlines()[1:]
    assert all(",SIMULATED-J," in row for row in rows)


def test_events_of_a_real_city_cannot_be_written(tmp_path: Path) -> None:
    bare = Events(*(np.zeros(1, np.int64) for _ in range(4)))
    with pytest.raises(TypeError, match="simulated city only"):
        write_log([bare], {0: "J"}, tmp_path / "log.csv")  # pyright: ignore[reportArgumentType]  that is what must not pass
    assert write_log([Simulated(bare)], {0: "J"}, tmp_path / "log.csv") == 1


def test_a_running_city_is_diagnosed_from_its_twin_without_a_log(tmp_path: Path) -> None:
    city = crossroads.make_city(tmp_path / "city")
    layout = prepare(city).layout
    follower = Follower(layout, 3600)
    for second in range(40 * 60):
        place, now_s = second % 60, crossroads.BEGIN_S + second
        state = 2 if place < 26 else 3 if place < 29 else 0
        cars = 3.0 if place >= 40 else 0.0  # three vehicles in the middle of red, gone over the loop with green
        changed = {
            "group_state": {"J.g0": state},
            "area_veh": {"d2": cars},
            "count_veh": {"d0": 3.0 if place == 0 and second else 0.0},
        }
        seen = snapshot(city, changed)
        columns = {
            name: replace(column, known_at_s=np.full_like(column.known_at_s, now_s)) for name, column in seen.latest.items()
        }
        follower.follow(replace(seen, now_s=now_s, latest=columns))
    sums = follower.finish()[0]
    g = sums.tally.group[sums.quarters].sum(axis=0)
    assert g[1, G.GREENS] == 39
    assert g[1, G.GREEN_MS] / 39 == pytest.approx(26_000, abs=700)
    assert g[1, G.ARRIVALS] == 3 * 40
    assert g[1, G.ARRIVALS_GREEN] == 0
    waits = m.waits(sums)
    assert waits["wait_mean_s"] == pytest.approx(np.full(len(waits["waits"]), 19.5))  # from second 40.5 to the next green


def test_what_is_not_fresh_changes_nothing(tmp_path: Path) -> None:
    layout = prepare(crossroads.make_city(tmp_path / "city")).layout
    watcher, many = Watcher(layout, 0), 12
    some, none = np.ones(many), np.zeros(many)
    assert len(watcher.see(Second(none, none, none, none, none, np.ones(many, np.bool_)), 1000.0).time_ms) == 0
    stale = Second(some * 2, some, some, some, some, np.zeros(many, np.bool_))
    assert len(watcher.see(stale, 1001.0).time_ms) == 0
    assert len(watcher.see(stale._replace(fresh=np.ones(many, np.bool_)), 1002.0).time_ms) > 0


def test_a_followed_city_says_the_same_as_its_log(emitted: Path) -> None:
    found = diagnose(emitted / "log.csv", emitted / "table.csv", Settings())
    again = diagnose(emitted / "log.csv", emitted / "table.csv", Settings(slack_s=60.0))
    np.testing.assert_array_equal(found.tally.group, again.tally.group)
    assert isinstance(Diagnosis(Settings(), {}).finish(), dict)
