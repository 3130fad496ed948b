# SPDX-License-Identifier: Apache-2.0
"""The privacy gate: what passes, what does not, and that a refusal never costs what was known."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter import privacy
from lamplighter.terms.measurement import FRAME
from tests.water import SERVICE
from tests.water.build import made_up_city

NOW_S = 1_768_316_400.0
CITY = made_up_city(8)
REGISTRY = privacy.register(SERVICE, CITY.assets, CITY.vocabulary)
PRESSURE = CITY.vocabulary.index("pressure_bar")
WINDOW = int(NOW_S // 60) - 1


def frame(asset: int = 0, quantity: int = PRESSURE, window: int = WINDOW, value: int = 300, count: int = 1) -> np.ndarray:
    return np.array([(asset, quantity, count, window, value)], FRAME)


def admitted(*frames: np.ndarray) -> tuple[privacy.Measurements, privacy.Rejected]:
    return privacy.admit(np.concatenate(frames).tobytes(), REGISTRY, NOW_S)


def test_a_good_frame_becomes_one_measurement_in_its_unit() -> None:
    measured, rejected = admitted(frame(asset=3, value=312))
    assert len(rejected) == 0
    assert measured.asset.tolist() == [3]
    assert measured.value.tolist() == pytest.approx([3.12])
    assert measured.known_at_s.tolist() == [NOW_S]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (frame(asset=8), privacy.ASSET),
        (frame(asset=2**32 - 1), privacy.ASSET),
        (frame(quantity=99), privacy.QUANTITY),
        (frame(value=10**9), privacy.HIGH),
        (frame(value=-1), privacy.LOW),
        (frame(value=-(2**31)), privacy.LOW),
        (frame(window=WINDOW + 2), privacy.FUTURE),
        (frame(window=WINDOW - 60), privacy.PAST),
        (frame(window=0), privacy.PAST),
    ],
)
def test_each_reason_has_a_frame_that_meets_it_and_the_good_neighbour_passes(bad: np.ndarray, reason: int) -> None:
    measured, rejected = admitted(frame(asset=1), bad)
    assert measured.asset.tolist() == [1]
    assert rejected.reason.tolist() == [reason]
    sentence = privacy.explain_rejection(rejected, 0, CITY.assets, CITY.vocabulary)
    assert privacy.REASONS[reason] in sentence
    assert "own programme" in sentence


def test_the_same_window_said_twice_counts_once() -> None:
    measured, rejected = admitted(frame(asset=1, value=300), frame(asset=1, value=900))
    assert len(measured) == 1
    assert rejected.reason.tolist() == [privacy.TWICE]


def test_a_quantity_of_another_kind_is_refused() -> None:
    registry = dataclasses.replace(REGISTRY, may=np.zeros_like(REGISTRY.may))
    measured, rejected = privacy.admit(frame().tobytes(), registry, NOW_S)
    assert len(measured) == 0
    assert rejected.reason.tolist() == [privacy.KIND]


@pytest.mark.parametrize("size", [1, 15, 17, 16 * 3 + 1])
def test_a_batch_of_the_wrong_shape_is_refused_whole(size: int) -> None:
    measured, rejected = privacy.admit(b"x" * size, REGISTRY, NOW_S)
    assert len(measured) == 0
    assert rejected.reason.tolist() == [privacy.SHAPE]
    assert f"{size} bytes" in privacy.explain_rejection(rejected, 0, CITY.assets, CITY.vocabulary)


@given(st.binary(max_size=16 * 40))
def test_whatever_bytes_come_only_registered_bounded_values_pass(payload: bytes) -> None:
    measured, rejected = privacy.admit(payload, REGISTRY, NOW_S)
    assert bool(((measured.asset >= 0) & (measured.asset < 8)).all())
    assert bool(((measured.value >= 0) & (measured.value <= 10)).all())
    if len(payload) % FRAME.itemsize == 0:
        assert len(measured) + len(rejected) == len(payload) // FRAME.itemsize


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 1000)), min_size=1, max_size=40, unique_by=lambda t: t[0]))
def test_what_is_admitted_encodes_back_to_the_same_frames(values: list[tuple[int, int]]) -> None:
    frames = np.concatenate([frame(asset=asset, value=value) for asset, value in sorted(values)])
    measured, _ = privacy.admit(frames.tobytes(), REGISTRY, NOW_S)
    again = np.zeros(len(measured), FRAME)
    again["asset"], again["quantity"], again["count"] = measured.asset, measured.quantity, measured.count
    again["window"], again["value"] = measured.window, np.round(measured.value / REGISTRY.step[measured.quantity])
    assert again.tobytes() == frames.tobytes()


def test_every_bit_of_a_frame_is_spoken_for() -> None:
    columns = [FRAME[name] for name in FRAME.names or ()]
    assert FRAME.itemsize == sum(column.itemsize for column in columns)
    assert all(column.kind in "iu" for column in columns)


def test_the_record_floors_are_what_the_page_promises() -> None:
    assert privacy.RECORD_WINDOW_MIN_S >= 300
    assert privacy.RECORD_CELL_LAMPS_MIN >= 64
    assert privacy.RECORD_CELL_CONNECTIONS_MIN >= 100


def test_what_was_long_under_way_is_as_old_as_its_window() -> None:
    measured, rejected = admitted(frame(asset=1, window=WINDOW - 1), frame(asset=2))
    assert len(rejected) == 0
    assert measured.known_at_s.tolist() == [NOW_S - 60, NOW_S]


@pytest.mark.parametrize("again", [(frame(value=312), frame(value=312)), (frame(window=WINDOW + 2, value=312),)])
def test_a_value_that_could_be_true_is_not_told_with_its_rejection(again: tuple[np.ndarray, ...]) -> None:
    _, rejected = admitted(*again)
    assert "3.12" not in privacy.explain_rejection(rejected, 0, CITY.assets, CITY.vocabulary)
    assert "1e+07" in privacy.explain_rejection(admitted(frame(value=10**9))[1], 0, CITY.assets, CITY.vocabulary)
