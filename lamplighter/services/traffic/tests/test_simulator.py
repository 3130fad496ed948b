# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamplighter.runtime import loop
from lamplighter.services.traffic import SERVICE
from lamplighter.services.traffic.outcome_names import NAMES
from lamplighter.services.traffic.simulator import open_simulator
from lamplighter.services.traffic.simulator.telegram import Command
from lamplighter.services.traffic.tests import crossroads
from lamplighter.services.traffic.tests.monitor import Watch
from lamplighter.services.traffic.wire import COMMAND, GO_TO, VERSION
from lamplighter.terms.reading import Message
from lamplighter.terms.simulation import SimulationStart

pytestmark = pytest.mark.engine
FLOWS = {"we": 600.0, "sn": 300.0}


def alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """Run in a process of its own: SUMO allows one run per process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result(timeout=900)


def drive(folder: str, minutes: int, adaptive: bool, shuffle: int, broken: Mapping[str, str]) -> dict[str, Any]:
    """Run the hand-made city; return truths, what the independent watch saw in SUMO's own signals, and what was leased.

    shuffle above 0: besides, commands of any kind are thrown at the box every so often, past all gates.
    """
    demand = crossroads.routes(FLOWS, 200.0, crossroads.MIDNIGHT_OFFSET_S + 3600)
    city = crossroads.make_city(Path(folder) / "city", demand=demand)
    field = open_simulator(SimulationStart(city, 1, crossroads.BEGIN_S, 600.0))
    run = loop.open_run(SERVICE, city, adaptive)
    sumo: Any = field._engine.sumo  # type: ignore[attr-defined]
    link = crossroads.links_of(Path(folder) / "city" / "sumo" / "net.xml")
    order = [link["we1"], link["sn1"], next(n for name, n in link.items() if "_c" in name)]
    apart = {(0, 1): 5.0, (1, 0): 5.0, (1, 2): 4.0, (2, 1): 7.0}
    watch = Watch([(0, 1), (1, 2)], apart, [5.0] * 3, [3.0, 3.0, 0.0], [1.0, 1.0, 0.0])
    dice, messages, sums, leased = np.random.default_rng(max(shuffle, 1)), (), dict.fromkeys(NAMES, (0.0, 0.0)), []
    refused, longest_s = 0, 0.0
    said = [field.inject(fault, {"detector": name}) for name, fault in broken.items()]
    for second in range(1, minutes * 60 + 1):
        now = crossroads.BEGIN_S + second
        if shuffle and dice.random() < 0.3:
            told = Command(GO_TO, int(dice.integers(0, 3)), int(now) + int(dice.integers(1, 30)))
            payload = COMMAND.pack(VERSION, told.what, told.stage, told.until_s)
            messages = (*messages, Message("box/J/command", payload))
        advance = field.advance(now, messages, {})
        shown = sumo.trafficlight.getRedYellowGreenState("C")
        watch.see("".join(shown[n] for n in order))
        tick = loop.tick(run, [run], advance.readings, now)
        assert not tick.fault, tick.fault
        messages = tick.messages
        refused += sum(len(table) for table in tick.verdict.refusals)
        longest_s = max([longest_s, *advance.truth.value[advance.truth.outcome == NAMES.index("longest_red_wait_s")].tolist()])
        leased.append(float(run.columns["box_mode"].value[0]) == 1.0)
        for code, value, weight in zip(advance.truth.outcome, advance.truth.value, advance.truth.weight, strict=True):
            total, trips = sums[NAMES[code]]
            sums[NAMES[code]] = (total + value * weight, trips + weight)
    scene = {name: np.asarray(column).tolist() for name, column in field.scene().value.items()}
    field.close()
    means = {name: total / trips for name, (total, trips) in sums.items() if trips}
    told = {"refused": refused, "longest_s": longest_s}
    return {
        **told,
        "means": means,
        "faults": watch.faults,
        "greens": watch.greens,
        "leased": leased,
        "said": said,
        "scene": scene,
    }


def test_delay_under_the_own_programme_is_that_of_the_theory(tmp_path: Path) -> None:
    seen = alone(drive, str(tmp_path), 50, False, 0, {})
    cycle_s, saturation = 60.0, 1800.0 / 3600

    def webster_s(flow: float, green_s: float) -> float:
        """F. V. Webster, Traffic Signal Settings, Road Research Technical Paper 39, 1958: first two terms, times 0.9."""
        q, share = flow / 3600, green_s / cycle_s
        x = q / (share * saturation)
        return 0.9 * (cycle_s * (1 - share) ** 2 / (2 * (1 - share * x)) + x * x / (2 * q * (1 - x)))

    per_stop_s = 13.89 / (2 * 2.6) + 13.89 / (2 * 4.5)  # braking and speeding up, SUMO's car
    expected_s = (600 * webster_s(600, 25.0) + 300 * webster_s(300, 25.0)) / 900
    expected_s += per_stop_s * seen["means"]["stops_per_trip"]
    assert seen["means"]["vehicle_delay_s_trip"] == pytest.approx(expected_s, rel=0.25)
    assert seen["faults"] == []
    assert not any(seen["leased"])


def test_the_adaptive_rule_takes_delay_away_and_keeps_every_time(tmp_path: Path) -> None:
    without = alone(drive, str(tmp_path / "a"), 30, False, 0, {})["means"]
    found = alone(drive, str(tmp_path / "b"), 30, True, 0, {})
    assert found["means"]["vehicle_delay_s_trip"] < 0.85 * without["vehicle_delay_s_trip"]
    assert found["means"]["pedestrian_delay_s_trip"] < 1.2 * without["pedestrian_delay_s_trip"]
    assert found["faults"] == []
    assert np.mean(found["leased"][30:]) > 0.95


def test_commands_thrown_past_every_gate_show_nothing_forbidden_in_sumo(tmp_path: Path) -> None:
    found = alone(drive, str(tmp_path), 25, True, 7, {})
    assert found["faults"] == []
    assert found["greens"] > 50


def test_a_silent_detector_sends_the_box_home_and_a_scene_has_no_order(tmp_path: Path) -> None:
    found = alone(drive, str(tmp_path), 3, True, 0, {"d3": "detector_silent"})
    assert found["said"] == ["Detector d3 is silent from now on."]
    assert not any(found["leased"][40:])
    lon = found["scene"]["lon_deg"]
    assert lon == sorted(lon)
    assert set(found["scene"]) == {"lon_deg", "lat_deg", "kind"}


def test_an_absurd_detector_sends_the_box_home(tmp_path: Path) -> None:
    found = alone(drive, str(tmp_path), 3, True, 0, {"d2": "detector_absurd"})
    assert not any(found["leased"][40:])


def test_the_same_seed_gives_the_same_evening(tmp_path: Path) -> None:
    first, second = (alone(drive, str(tmp_path / name), 5, True, 0, {}) for name in "ab")
    assert first == second


def test_a_folder_without_routes_says_so(tmp_path: Path) -> None:
    city = crossroads.make_city(tmp_path / "city")
    empty = replace(city, folder=tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="lamplighter city build"):
        alone(open_and_close, empty)


def open_and_close(city: Any) -> None:
    """Open the simulator and close it again."""
    open_simulator(SimulationStart(city, 1, crossroads.BEGIN_S, 60.0)).close()


def announce(folder: str) -> dict[str, Any]:
    """Run buses through the hand-made city; return what its box said of them every second, and how they are counted."""
    begin = crossroads.MIDNIGHT_OFFSET_S
    buses = "".join(f'<vehicle id="b{n}" type="bus" route="we" depart="{begin + 60 * n}"/>' for n in range(1, 6))
    demand = (
        '<routes><vType id="bus" vClass="bus"/><route id="we" edges="we1 we2"/><route id="sn" edges="sn1 sn2"/>'
        + buses
        + "</routes>"
    )
    city = crossroads.make_city(Path(folder) / "city", demand=demand)
    field = open_simulator(SimulationStart(city, 1, crossroads.BEGIN_S, 60.0))
    run = loop.open_run(SERVICE, city, False)
    said: list[tuple[int, float, float, float]] = []
    persons, topics, rejected = 0.0, set[str](), 0
    for second in range(1, 421):
        advance = field.advance(crossroads.BEGIN_S + second, (), {})
        topics |= {reading.topic for reading in advance.readings}
        tick = loop.tick(run, [run], advance.readings, crossroads.BEGIN_S + second)
        rejected += len(tick.rejected)
        bus, tram = run.columns.get("bus_due_s"), run.columns.get("tram_due_s")
        if bus is not None and tram is not None:
            said.append((second, float(bus.value[1]), float(bus.value[2]), float(tram.value[1:4].sum())))
        for code, weight in zip(advance.truth.outcome, advance.truth.weight, strict=True):
            persons += weight if NAMES[code] == "person_delay_s_trip" else 0.0
    field.close()
    return {"said": said, "topics": sorted(topics), "persons": persons, "rejected": rejected}


def test_a_bus_is_announced_by_movement_and_ten_seconds_and_by_nothing_else(tmp_path: Path) -> None:
    found = alone(announce, str(tmp_path))
    assert found["topics"] == ["box/J", "priority/J"]
    assert found["rejected"] == 0
    west = [value for _, value, _, _ in found["said"]]
    assert set(west) <= {0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0}
    assert {30.0, 20.0, 10.0, 0.0} <= set(west)
    changes = {
        second % 10 for (second, now, *_), (_, before, *_) in zip(found["said"][1:], found["said"], strict=False) if now != before
    }
    assert changes == {0}, "it is said every ten seconds and not when it happens"
    assert {other for _, _, other, _ in found["said"]} == {0.0}
    assert {tram for *_, tram in found["said"]} == {0.0}
    assert found["persons"] == 5 * 20.0
