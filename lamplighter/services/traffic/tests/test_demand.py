# SPDX-License-Identifier: Apache-2.0
"""Demand: the same for the same seed, other for another, on ways that exist, and no more than the signals pass."""

import subprocess
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from lamplighter.services.traffic.demand import draw, files, flows, making, profiles
from lamplighter.services.traffic.demand.flows import Flow
from lamplighter.services.traffic.planning.plan import plan_signal
from lamplighter.services.traffic.planning.timeline import programmes_xml
from lamplighter.services.traffic.terms import Settings
from lamplighter.services.traffic.tests import district
from lamplighter.terms.table import Table

HOUR_S = 3600.0


@cache
def made(seed: int = 1) -> tuple[Flow, ...]:
    return making.make_flows(district.network(), district.plans(), Settings(), seed)


def table() -> Table:
    return files.flow_table(made())


def test_profiles_add_up_and_peak_in_the_evening() -> None:
    for profile in (profiles.MOTOR, profiles.ACTIVE, profiles.TIMETABLE):
        share = profiles.hourly_share(profile)
        assert share.sum() == pytest.approx(1.0)
        assert share.shape == (24,)
    assert 15 <= int(np.argmax(profiles.hourly_share(profiles.MOTOR))) <= 17
    assert profiles.hourly_share(profiles.MOTOR)[7] > profiles.hourly_share(profiles.MOTOR)[11]


def test_every_mode_travels_on_ways_that_exist() -> None:
    network = district.network()
    ways = {(c.from_edge, c.to_edge) for c in network.connections}
    allowed = {"car": "passenger", "truck": "truck", "bus": "bus", "tram": "tram", "bicycle": "bicycle", "person": "pedestrian"}
    assert {flow.mode for flow in made()} == set(flows.MODES)
    for flow in made():
        assert len(flow.edges) > 1
        assert flow.trips_per_day > 0
        for edge in flow.edges:
            assert any(allowed[flow.mode] in lane.classes for lane in network.edges[edge].lanes)
        if flow.mode != "person":
            assert all(pair in ways for pair in zip(flow.edges, flow.edges[1:], strict=False))


def test_no_intersection_is_asked_for_more_than_its_share() -> None:
    turns, ways = flows.turns_pcu_h(made()), making.onward(district.network())
    full = [making.saturation(p, making.connection_pcu_h(p.signal, turns, ways)) for p in district.plans()]
    assert max(full) <= flows.FULL_SHARE * 1.1
    assert max(full) >= flows.FULL_SHARE * 0.8, "the district is not busy"


def test_flows_are_the_same_for_the_same_seed() -> None:
    again = making.make_flows(district.network(), district.plans(), Settings(), 1)
    assert files.routes_xml(district.network(), again) == files.routes_xml(district.network(), made())
    assert again == made()
    assert made(2) != made()


def test_windows_hold_the_same_trips_however_they_are_cut() -> None:
    whole = draw.draw(table(), 7, 16 * HOUR_S, 18 * HOUR_S)
    first, second = (draw.draw(table(), 7, (15.5 + k) * HOUR_S, (16.5 + k) * HOUR_S) for k in (1, 2))
    between = (whole.depart_s >= 16.5 * HOUR_S) & (whole.depart_s < 17.5 * HOUR_S)
    assert np.array_equal(whole.depart_s[between], first.depart_s)
    assert np.array_equal(whole.flow[whole.depart_s >= 17.5 * HOUR_S], second.flow[second.depart_s < 18 * HOUR_S])
    assert (np.diff(whole.depart_s) >= 0).all()


def test_another_seed_draws_other_departures_of_the_same_expectation() -> None:
    drawn = [draw.draw(table(), seed, 17 * HOUR_S, 18 * HOUR_S) for seed in range(1, 9)]
    assert len({trips.depart_s.tobytes() for trips in drawn}) == 8
    flow = table()
    moving = flow["profile"] != profiles.TIMETABLE
    share = np.where(
        flow["profile"] == profiles.MOTOR, profiles.hourly_share(profiles.MOTOR)[17], profiles.hourly_share(profiles.ACTIVE)[17]
    )
    expected = float((flow["per_day"] * share)[moving].sum())
    counts = [int(moving[trips.flow].sum()) for trips in drawn]
    assert abs(np.mean(counts) - expected) < 4 * np.sqrt(expected / len(counts))
    lines = [int((~moving)[trips.flow].sum()) for trips in drawn]
    assert max(lines) - min(lines) <= 4, "lines run by timetable"


def test_scale_thins_all_but_the_lines() -> None:
    full, half = (draw.draw(table(), 1, 17 * HOUR_S, 18 * HOUR_S, scale) for scale in (1.0, 0.5))
    lines = table()["profile"] == profiles.TIMETABLE
    assert 0.4 < (~lines[half.flow]).sum() / (~lines[full.flow]).sum() < 0.6
    assert abs(int(lines[half.flow].sum()) - int(lines[full.flow].sum())) <= 4


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(ValueError, match="the end must be later"):
        draw.draw(table(), 1, 100.0, 100.0)


def test_a_city_without_flows_has_no_trips() -> None:
    assert len(draw.draw(files.flow_table(()), 1, 0.0, HOUR_S).flow) == 0


@pytest.mark.engine
def test_sumo_runs_a_quarter_of_the_evening_peak_without_a_jam(tmp_path: Path) -> None:
    network, flow = district.network(), table()
    turns, ways = flows.turns_pcu_h(made()), making.onward(network)
    plans = [plan_signal(network, p.signal, making.connection_pcu_h(p.signal, turns, ways)) for p in district.plans()]
    (tmp_path / "own.add.xml").write_text(programmes_xml(plans))
    (tmp_path / "demand.rou.xml").write_text(files.routes_xml(network, made()))
    begin_s, end_s = 17 * HOUR_S, 17.25 * HOUR_S
    number = draw.write_trips(draw.draw(flow, 1, begin_s, end_s), flow, tmp_path / "trips.rou.xml")
    command = [
        str(district.sumo_home() / "bin" / "sumo"), "-n", str(district.net_path()), "-a", "own.add.xml",
        "-r", "demand.rou.xml,trips.rou.xml", "-b", f"{begin_s:.0f}", "-e", f"{end_s + 120:.0f}", "--seed", "1",
        "--no-step-log", "--statistic-output", "statistics.xml", "--xml-validation", "never", "--duration-log.statistics",
    ]  # fmt: skip
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    said = ET.parse(tmp_path / "statistics.xml").getroot()
    vehicles, persons = said.find("vehicles"), said.find("persons")
    teleports, lost = said.find("teleports"), said.find("vehicleTripStatistics")
    assert vehicles is not None
    assert persons is not None
    assert teleports is not None
    assert lost is not None
    assert int(vehicles.get("inserted", "0")) + int(persons.get("loaded", "0")) >= number - 5
    assert int(vehicles.get("waiting", "0")) <= 5
    assert int(teleports.get("total", "0")) <= 1
    assert 20.0 < float(lost.get("timeLoss", "0")) < 110.0
