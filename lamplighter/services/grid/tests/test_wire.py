# SPDX-License-Identifier: Apache-2.0
"""Bytes of meters and boxes: there and back, and rubbish on the way."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter import safety
from lamplighter.services.grid import wire
from lamplighter.services.grid.network.prepared import prepare
from lamplighter.services.grid.tests.small import EVENING_S, small_city
from lamplighter.terms.decision import Permits, Proposals, no_cites
from lamplighter.terms.measurement import FRAME
from lamplighter.terms.reading import Reading


def test_a_station_says_what_it_measured() -> None:
    """12.34 kW, -5.6 kvar, 401.23 V and 41.5 degrees arrive as steps of the quantities, at the right asset and window."""
    prepared = prepare(small_city())
    row = np.array([(0, 1234, -560, 40123, 1, 415)], wire.STATION_ROW)
    frames = np.frombuffer(wire.decode([Reading("t", wire.STATIONS, wire.encode_rows(29471940, row), 0.0)], prepared), FRAME)
    by_name = {prepared.city.vocabulary[frame["quantity"]]: int(frame["value"]) for frame in frames}
    assert by_name == {"station_p_kw": 1234, "station_q_kvar": -560, "station_u_v": 40123, "station_oil_c": 415}
    assert set(frames["asset"].tolist()) == {int(prepared.station_at[0])}
    assert set(frames["window"].tolist()) == {29471940}


@given(st.binary(max_size=200), st.sampled_from([*wire.FIELDS, "grid/other"]))
@settings(max_examples=100, deadline=None)
def test_rubbish_makes_no_frame_of_another_asset(payload: bytes, topic: str) -> None:
    """Any bytes under any topic give whole frames of assets that speak under that topic, or none."""
    prepared = prepare_once()
    frames = np.frombuffer(wire.decode([Reading("t", topic, payload, 0.0)], prepared), FRAME)
    if topic not in wire.FIELDS:
        assert len(frames) == 0
    else:
        assert np.isin(frames["asset"], wire.positions(topic, prepared) + prepared.city.span.start).all()


PREPARED = []


def prepare_once() -> "wire.Prepared":
    """Return the small town's grid, prepared once."""
    if not PREPARED:
        PREPARED.append(prepare(small_city()))
    return PREPARED[0]


def test_limits_go_out_with_their_lease() -> None:
    """66.24 kW for three minutes: number, order, steps of 10 W, seconds."""
    prepared = prepare_once()
    group = prepared.group_at[[3]] + prepared.city.span.start
    table = Proposals(
        "limit_charging", group, {"p_max_kw": np.array([66.24])}, np.zeros(1, np.int64), no_cites(1), "adaptive", EVENING_S, 180.0
    )
    (message,) = wire.encode(Permits(table, np.array([0]), 8, EVENING_S + 180.0), prepared)
    assert np.frombuffer(message.payload, wire.LIMIT_ROW).tolist() == [(3, wire.ORDER_LIMIT, 6624, 180)]


def test_handing_back_is_an_order_of_its_own() -> None:
    """Every group can be handed back; an asset that is no group gets no message."""
    prepared = prepare_once()
    every = prepared.group_at + prepared.city.span.start
    (message,) = wire.encode(safety.hand_back(every, EVENING_S), prepared)
    rows = np.frombuffer(message.payload, wire.LIMIT_ROW)
    assert rows["number"].tolist() == list(range(len(every)))
    assert set(rows["order"].tolist()) == {wire.ORDER_HAND_BACK}
    assert wire.encode(safety.hand_back(prepared.station_at, EVENING_S), prepared) == ()
