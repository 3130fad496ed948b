# SPDX-License-Identifier: Apache-2.0
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter import privacy
from lamplighter.services.traffic import SERVICE, wire
from lamplighter.services.traffic.prepared import Prepared, prepare
from lamplighter.services.traffic.simulator.telegram import read_command, telegrams
from lamplighter.services.traffic.tests.crossroads import BEGIN_S, make_city
from lamplighter.terms.city import CityData
from lamplighter.terms.decision import HAND_BACK, Permits, Proposals, no_cites
from lamplighter.terms.measurement import FRAME
from lamplighter.terms.reading import Reading

NOW = int(BEGIN_S)


def telegram(values: np.ndarray, present: np.ndarray, clock_s: int) -> bytes:
    return telegrams(values, present, np.array([0, len(values)]), clock_s)[0]


@dataclass(frozen=True)
class One:
    city: CityData
    prepared: Prepared


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> One:
    city = make_city(Path(tmp_path_factory.mktemp("one")) / "city")
    return One(city, prepare(city))


def frames(payload: bytes) -> np.ndarray:
    return np.frombuffer(payload, FRAME)


def value_of(rows: np.ndarray, one: One, asset: str, quantity: str) -> int | None:
    at = (rows["asset"] == list(one.city.assets.id).index(asset)) & (rows["quantity"] == one.city.vocabulary.index(quantity))
    return int(rows["value"][at][0]) if at.any() else None


def test_a_telegram_becomes_frames_in_the_units_of_the_vocabulary(one: One) -> None:
    raw = np.array([1, 127, 1, 400, 0, 2, 127, 0, 0, 55, 42, 0, 999, 0, 3, 505, 1, 0, 12, 7, 2, 1, 5, 0, 9, 4, 1])
    raw = raw[: int(one.prepared.codec.offsets[1])]
    readings = [Reading("simulator", "box/J", telegram(raw, np.ones(len(raw), np.bool_), NOW), NOW)]
    rows = frames(wire.decode(readings, one.prepared))
    assert value_of(rows, one, "J", "stage_elapsed_s") == 12
    assert value_of(rows, one, "J", "p_kw") == 400
    assert value_of(rows, one, "d0", "occupancy_share") == 50
    assert value_of(rows, one, "J.g0", "group_state") == 2
    measured, rejected = privacy.admit(rows.tobytes(), privacy.register(SERVICE, one.city.assets, one.city.vocabulary), NOW)
    assert len(rejected) == 0
    assert len(measured) == len(raw)
    assert measured.value[(measured.asset == 4) & (measured.quantity == one.city.vocabulary.index("occupancy_share"))] == 0.5


def test_what_a_telegram_misses_says_nothing(one: One) -> None:
    count = int(one.prepared.codec.offsets[1])
    present = np.ones(count, np.bool_)
    present[-1] = False
    rows = frames(wire.decode([Reading("s", "box/J", telegram(np.ones(count, np.int64), present, NOW), NOW)], one.prepared))
    assert len(rows) == count - 1


def test_an_absurd_value_reaches_the_gate_and_stops_there(one: One) -> None:
    count = int(one.prepared.codec.offsets[1])
    raw = np.zeros(count, np.int64)
    raw[11] = 10**9
    payload = wire.decode([Reading("s", "box/J", telegram(raw, np.ones(count, np.bool_), NOW), NOW)], one.prepared)
    measured, rejected = privacy.admit(payload, privacy.register(SERVICE, one.city.assets, one.city.vocabulary), NOW)
    assert len(rejected) == 1
    assert rejected.observed[0] == 1e9
    assert len(measured) == count - 1


@given(st.binary(max_size=200), st.sampled_from(["box/J", "box/K", "counters", ""]))
def test_rubbish_never_becomes_a_frame_of_the_wrong_length(one: One, payload: bytes, topic: str) -> None:
    assert len(wire.decode([Reading("s", topic, payload, NOW)], one.prepared)) % FRAME.itemsize == 0


def test_counters_report_vehicles_per_hour(one: One) -> None:
    quarter = NOW // 900 * 900
    rows = frames(
        wire.decode([Reading("s", "counters", telegram(np.array([150]), np.ones(1, np.bool_), quarter), NOW)], one.prepared)
    )
    assert value_of(rows, one, "k0", "flow_veh_h") == 600
    assert int(rows["window"][0]) == quarter // 900 - 1


@pytest.mark.parametrize(("action", "what"), [("start_stage", wire.GO_TO), ("hold_stage", wire.STAY), (HAND_BACK, wire.GO_HOME)])
def test_a_permit_becomes_a_command_that_the_box_can_read(one: One, action: str, what: int) -> None:
    values = {} if action == HAND_BACK else {"stage": np.array([1.0])}
    table = Proposals(action, np.array([0]), values, np.zeros(1, np.int64), no_cites(1), "adaptive", NOW, 15.0)
    (message,) = wire.encode(Permits(table, np.array([0]), 8, NOW + 15.0), one.prepared)
    command = read_command(message.payload)
    assert message.topic == "box/J/command"
    assert command is not None
    assert command.what == what
    if action != HAND_BACK:
        assert (command.stage, command.until_s) == (1, NOW + 15)


def test_a_box_ignores_a_command_of_another_version_or_length() -> None:
    assert read_command(b"") is None
    assert read_command(wire.COMMAND.pack(9, wire.GO_TO, 1, NOW)) is None
