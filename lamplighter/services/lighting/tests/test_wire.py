# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter import privacy
from lamplighter.services.lighting import SERVICE, wire
from lamplighter.services.lighting.terms import DIM
from lamplighter.services.lighting.tests.small import EVENING_S, Small
from lamplighter.terms.decision import Permits, Proposals, no_cites
from lamplighter.terms.measurement import FRAME
from lamplighter.terms.reading import Message, Reading


def said(payload: bytes) -> list[Reading]:
    return [Reading("gateway", "any", payload, EVENING_S)]


def test_reports_become_admitted_measurements(small: Small) -> None:
    rows = np.zeros(2, dtype=wire.CABINET_ROW)
    rows["number"], rows["power_w"], rows["reactive_var"] = [0, 1], [1234, 0], [-150, 0]
    frames = wire.decode(said(wire.report(wire.CABINETS, rows, EVENING_S)), small.layout)
    registry = privacy.register(SERVICE, small.city.assets, small.city.vocabulary)
    measured, rejected = privacy.admit(frames, registry, EVENING_S)
    assert len(rejected) == 0
    first = measured.asset == small.layout.cabinet_asset[0]
    assert sorted(measured.value[first]) == pytest.approx([-0.15, 1.234])


@given(st.binary(max_size=80))
def test_rubbish_becomes_frames_that_the_gate_refuses(small: Small, payload: bytes) -> None:
    frames = wire.decode(said(payload), small.layout)
    registry = privacy.register(SERVICE, small.city.assets, small.city.vocabulary)
    measured, rejected = privacy.admit(frames, registry, EVENING_S)
    assert len(measured) == 0
    assert len(rejected) == 1


@given(st.integers(0, 2**32 - 1), st.integers(0, 255))
def test_any_segment_report_is_admitted_or_refused_never_misread(small: Small, number: int, half_percent: int) -> None:
    rows = np.zeros(1, dtype=wire.SEGMENT_ROW)
    rows["number"], rows["half_percent"] = number, half_percent
    frames = np.frombuffer(wire.decode(said(wire.report(wire.SEGMENTS, rows, EVENING_S)), small.layout), dtype=FRAME)
    known = number < len(small.layout.segments.asset)
    assert frames["asset"][0] == (small.layout.segments.asset[number] if known else wire.UNKNOWN_ASSET)
    registry = privacy.register(SERVICE, small.city.assets, small.city.vocabulary)
    measured, _ = privacy.admit(frames.tobytes(), registry, EVENING_S)
    assert len(measured) == int(known and half_percent <= 200)


@given(st.lists(st.integers(20, 200), min_size=1, max_size=40))
def test_commands_round_trip(small: Small, half_percents: list[int]) -> None:
    asset = small.layout.segments.asset[: len(half_percents)]
    share = np.array(half_percents, dtype=np.float64) / 200.0
    values = {"dimming_level": share[: len(asset)], "ramp_s": np.full(len(asset), 60.0)}
    table = Proposals(DIM, asset, values, np.zeros(len(asset), np.int64), no_cites(len(asset)), "adaptive", EVENING_S, 900.0)
    messages = wire.encode(Permits(table, np.arange(len(asset)), 8, EVENING_S + 900.0), small.layout)
    got = np.full(len(small.layout.segments.asset), -1.0)
    for message in messages:
        command = wire.read_command(message)
        assert command.expires_s == EVENING_S + 900.0
        assert command.ramp_s == 60.0
        assert len(set(small.layout.segments.cell[command.segment])) == 1
        got[command.segment] = command.dimming_level
    assert got[: len(asset)] == pytest.approx(share[: len(asset)])


@pytest.mark.parametrize("payload", [b"", b"LLD1", b"LLD1" + b"\x01" * 20, b"NOPE" + b"\x01" * 12])
def test_broken_commands_are_named(payload: bytes) -> None:
    with pytest.raises(ValueError, match="cell/7"):
        wire.read_command(Message("cell/7", payload))
