# SPDX-License-Identifier: Apache-2.0
"""Priority of buses and trams: what may be said of them, and that nothing else has anywhere to land."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter import privacy
from lamplighter.services.traffic import SERVICE, wire
from lamplighter.services.traffic.layout import announced
from lamplighter.services.traffic.prepared import Prepared, prepare
from lamplighter.services.traffic.simulator.telegram import telegrams
from lamplighter.services.traffic.tests.crossroads import BEGIN_S, make_city
from lamplighter.terms.city import CityData
from lamplighter.terms.measurement import FRAME
from lamplighter.terms.reading import Reading

NOW = int(BEGIN_S)
TOPIC = "priority/J"


@dataclass(frozen=True)
class One:
    city: CityData
    prepared: Prepared


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> One:
    city = make_city(Path(tmp_path_factory.mktemp("one")) / "city")
    return One(city, prepare(city))


def said(one: One, tens: list[int], clock_s: int, topic: str = TOPIC) -> np.ndarray:
    values = np.array(tens, np.int64)
    (payload,) = telegrams(values, np.ones(len(values), np.bool_), np.array([0, len(values)]), clock_s)
    return np.frombuffer(wire.decode([Reading("s", topic, payload, clock_s)], one.prepared), FRAME)


def test_a_box_says_in_which_ten_seconds_the_next_one_arrives(one: One) -> None:
    assert announced(one.prepared.layout).tolist() == [0, 1], "people on foot are announced by no telegram"
    rows = said(one, [2, 0, 0, 6], NOW)
    registry = privacy.register(SERVICE, one.city.assets, one.city.vocabulary)
    measured, rejected = privacy.admit(rows.tobytes(), registry, NOW)
    assert len(rejected) == 0
    names = [one.city.vocabulary[code] for code in measured.quantity]
    found = {(str(one.city.assets.id[a]), n): v for a, n, v in zip(measured.asset, names, measured.value, strict=True)}
    assert found == {
        ("J.g0", "bus_due_s"): 20.0, ("J.g0", "tram_due_s"): 0.0, ("J.g1", "bus_due_s"): 0.0, ("J.g1", "tram_due_s"): 60.0,
    }  # fmt: skip
    assert set((measured.window * 10).tolist()) == {NOW - 10}


def test_nothing_finer_than_ten_seconds_can_be_said(one: One) -> None:
    for second in range(1, 10):
        assert len(said(one, [2, 0, 0, 6], NOW + second)) == 0
    for quantity in SERVICE.quantities:
        if quantity.name in ("bus_due_s", "tram_due_s"):
            assert (quantity.step, quantity.window_min_s, quantity.high) == (10.0, 10, 60.0)


def test_a_window_beyond_the_last_is_not_admitted(one: One) -> None:
    registry = privacy.register(SERVICE, one.city.assets, one.city.vocabulary)
    measured, rejected = privacy.admit(said(one, [7, 0, 0, 1014], NOW).tobytes(), registry, NOW)
    assert len(rejected) == 2, "a line or course number is no number of tens that could be true"
    assert len(measured) == 2


@pytest.mark.parametrize(
    "payload",
    [
        bytes.fromhex("91 05 10 23 01 64 01 07 03 0F"),  # shaped like a radio telegram: kind, report point, line, course, goal
        bytes.fromhex("91 07 00 10 23 05 12 01 64 01 07 04 2A 03"),
        b'{"line": "162", "course": 7, "trip": "T4711", "vehicle": "BVG-1234"}',
        wire.HEADER.pack(wire.VERSION, 0, 6, NOW) + b"\x3f" + np.arange(6, dtype="<u4").tobytes(),  # two fields more
        wire.HEADER.pack(wire.VERSION, 0, 4, NOW) + b"\x0f" + np.arange(4, dtype="<u4").tobytes() + b"T4711",
        wire.HEADER.pack(9, 0, 4, NOW) + b"\x0f" + np.arange(4, dtype="<u4").tobytes(),
    ],
)
def test_a_raw_telegram_says_nothing(one: One, payload: bytes) -> None:
    assert wire.decode([Reading("s", TOPIC, payload, NOW)], one.prepared) == b""


@pytest.mark.parametrize("topic", ["priority/J/162", "priority/J/trip/4711", "priority", "priority/162", "box/J/priority"])
def test_no_topic_has_room_for_a_line_or_a_trip(one: One, topic: str) -> None:
    assert len(said(one, [2, 0, 0, 6], NOW, topic)) == 0


@given(payload=st.binary(max_size=64), clock_s=st.integers(0, 2**32 - 1))
def test_whatever_comes_only_tens_of_seconds_are_admitted(one: One, payload: bytes, clock_s: int) -> None:
    registry = privacy.register(SERVICE, one.city.assets, one.city.vocabulary)
    headed = wire.HEADER.pack(wire.VERSION, 0, 4, clock_s) + payload
    frames = wire.decode([Reading("s", TOPIC, part, NOW) for part in (payload, headed)], one.prepared)
    measured, _ = privacy.admit(frames, registry, NOW)
    assert set(measured.value.tolist()) <= {0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0}
    assert set(measured.asset.tolist()) <= {1, 2}


def test_no_word_of_the_service_could_name_a_vehicle(one: One) -> None:
    forbidden = ("line", "trip", "course", "vehicle_id", "plate", "driver", "block", "run_number", "destination", "emergency")
    names = [quantity.name for quantity in SERVICE.quantities]
    names += [field.name for field in fields(one.prepared.layout) if field.name != "movements"]
    assert not [name for name in names if any(word in name.split("_") or word == name for word in forbidden)]
    recorded = {record.quantity for record in SERVICE.record}
    assert not recorded & {"bus_due_s", "tram_due_s"}, "what arrives when is never written"
