# SPDX-License-Identifier: Apache-2.0
"""Messages of meters, charging boxes and inverters <-> frames and permits; the only place where units and codes are converted.

A head end sends one batch a minute for each kind of box: a header (window, the minute since 1970 at which it began)
and fixed rows of whole numbers. A row names its box by its number in the city's own table. Whatever is not a whole
number of rows is left out; what the numbers say is judged by the privacy gate.
"""

import struct
from collections.abc import Mapping, Sequence

import numpy as np

from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.prepared import Prepared
from lamplighter.services.grid.terms import DUE_H, QUANTITIES
from lamplighter.terms.columns import AnyArray, IntArray
from lamplighter.terms.decision import HAND_BACK, Permits
from lamplighter.terms.measurement import FRAME
from lamplighter.terms.reading import Message, Reading

HEADER = struct.Struct("<I")
STATIONS, ENDS, CHARGING, LIMITS = "grid/stations", "grid/ends", "grid/charging", "grid/charging/limit"
STATION_ENVELOPES, GROUP_ENVELOPES = "grid/stations/envelope", "grid/charging/envelope"  # as the network operator set them
INVERTERS, SETS = "grid/inverters", "grid/inverters/set"
TOLD = "grid/charging/told"  # limits that stations read back by themselves, without the rest of a charging row

# told: whether the row's values under that mark are there (a station without thermometer, a group too small to tell).
STATION_ROW = np.dtype(
    [("number", "<u4"), ("p_10w", "<i4"), ("q_10var", "<i4"), ("u_10mv", "<u4"), ("warm", "<u4"), ("oil_100mc", "<i4")]
)
END_ROW = np.dtype([("number", "<u4"), ("u_10mv", "<u4")])
CHARGING_ROW = np.dtype(
    [("number", "<u4"), ("p_100w", "<u4"), ("limit_10w", "<u4"), ("installed", "<u4"), ("safe_10w", "<u4"), ("wanting", "<u4"),
     ("told", "<u4"), *((f"due_{hours}h_5kwh", "<u4") for hours in DUE_H), ("wanted_5kwh", "<u4"), ("late_1kwh", "<u4")]
)  # fmt: skip
TOLD_ROW = np.dtype([("number", "<u4"), ("limit_10w", "<u4"), ("installed", "<u4"), ("safe_10w", "<u4")])
ENVELOPE_ROW = np.dtype([("number", "<u4"), ("limit_10w", "<u4")])
INVERTER_ROW = np.dtype([("number", "<u4"), ("q_10var", "<i4"), ("set_10var", "<i4")])
SET_ROW = np.dtype([("number", "<u4"), ("order", "<u4"), ("q_10var", "<i4"), ("duration_s", "<u4")])
LIMIT_ROW = np.dtype([("number", "<u4"), ("order", "<u4"), ("limit_10w", "<u4"), ("duration_s", "<u4")])
ORDER_LIMIT, ORDER_HAND_BACK, ORDER_INSTALL = 1, 2, 3
ORDERS: Mapping[str, tuple[int, str]] = {
    "limit_charging": (ORDER_LIMIT, "p_max_kw"),
    "install_maximum": (ORDER_INSTALL, "p_safe_kw"),
    "supply_reactive": (ORDER_LIMIT, "q_kvar"),
}

# Field of a row -> quantity, and how many of the field's units make one step of the quantity.
FIELDS: Mapping[str, tuple[np.dtype[np.void], tuple[tuple[str, str], ...]]] = {
    STATIONS: (STATION_ROW, (("p_10w", "station_p_kw"), ("q_10var", "station_q_kvar"), ("u_10mv", "station_u_v"),
                             ("oil_100mc", "station_oil_c"))),
    ENDS: (END_ROW, (("u_10mv", "end_u_v"),)),
    CHARGING: (
        CHARGING_ROW,
        (("p_100w", "charging_p_kw"), ("limit_10w", "charging_limit_kw"), ("safe_10w", "charging_safe_kw"),
         ("wanting", "charging_wanting"), *((f"due_{hours}h_5kwh", f"energy_due_{hours}h_kwh") for hours in DUE_H),
         ("wanted_5kwh", "energy_wanted_kwh"), ("late_1kwh", "energy_late_kwh")),
    ),
    INVERTERS: (INVERTER_ROW, (("q_10var", "inverter_q_kvar"), ("set_10var", "inverter_set_kvar"))),
    TOLD: (TOLD_ROW, (("limit_10w", "charging_limit_kw"), ("safe_10w", "charging_safe_kw"))),
    STATION_ENVELOPES: (ENVELOPE_ROW, (("limit_10w", "station_limit_kw"),)),
    GROUP_ENVELOPES: (ENVELOPE_ROW, (("limit_10w", "group_limit_kw"),)),
}  # fmt: skip
# Which mark of a row says that a quantity is told in it.
MARKS: Mapping[str, str] = {
    "station_oil_c": "warm", "charging_safe_kw": "installed", "energy_wanted_kwh": "told",
    **{f"energy_due_{hours}h_kwh": "told" for hours in DUE_H},
}  # fmt: skip
KNOWN = {quantity.name: quantity for quantity in QUANTITIES}


def positions(topic: str, prepared: Prepared) -> IntArray:
    """Return the own positions of the boxes that speak under a topic, by their number."""
    of_kind = {
        STATIONS: prepared.station_at, STATION_ENVELOPES: prepared.station_at, ENDS: prepared.meter_at,
        INVERTERS: prepared.inverter_at,
    }  # fmt: skip
    return of_kind.get(topic, prepared.group_at)


def encode_rows(window: int, rows: AnyArray) -> bytes:
    """Return a head end's batch: header and rows (of one of the ROW types)."""
    return HEADER.pack(window) + rows.tobytes()


def decode_rows(payload: bytes, kind: np.dtype[np.void]) -> tuple[int, AnyArray] | None:
    """Return (window, rows), or nothing where the bytes are no whole batch."""
    if len(payload) < HEADER.size or (len(payload) - HEADER.size) % kind.itemsize:
        return None
    return HEADER.unpack_from(payload)[0], np.frombuffer(payload, kind, offset=HEADER.size)


def decode(readings: Sequence[Reading], prepared: Prepared) -> bytes:
    """Return canonical frames of all batches."""
    frames = [part for reading in readings for part in _frames(reading, prepared)]
    return b"".join(frames)


def _frames(reading: Reading, prepared: Prepared) -> list[bytes]:
    if reading.topic not in FIELDS:
        return []
    kind, fields = FIELDS[reading.topic]
    batch = decode_rows(reading.payload, kind)
    if batch is None:
        return []
    window, rows = batch
    at = positions(reading.topic, prepared)
    rows = rows[rows["number"] < len(at)]
    codes = {name: code for code, name in enumerate(prepared.city.vocabulary)}
    asset = at[rows["number"].astype(np.int64)] + prepared.city.span.start
    out: list[bytes] = []
    for field, name in fields:
        told = rows[MARKS[name]] == 1 if name in MARKS else np.ones(len(rows), np.bool_)
        frames = np.zeros(int(told.sum()), FRAME)
        frames["asset"], frames["quantity"], frames["count"], frames["window"] = asset[told], codes[name], 1, window
        # Fields count in the quantity's own step; what does not fit the frame is left at its bound for the gate to refuse.
        frames["value"] = np.clip(rows[field][told].astype(np.int64), -(2**31), 2**31 - 1)
        out.append(frames.tobytes())
    return out


def encode(permits: Permits, prepared: Prepared) -> Sequence[Message]:
    """Return batches of orders: limits in steps of 10 W and set-points in steps of 10 var with their lease, a permanent maximum,
    or the return to the own programme."""
    kinds = ((LIMITS, LIMIT_ROW, prepared.group_at), (SETS, SET_ROW, prepared.inverter_at))
    batches = ((topic, _orders(permits, prepared, at, kind)) for topic, kind, at in kinds)
    return tuple(Message(topic, rows.tobytes()) for topic, rows in batches if len(rows))


def _orders(permits: Permits, prepared: Prepared, at: IntArray, kind: np.dtype[np.void]) -> AnyArray:
    """Return the orders to the boxes at own positions `at` as rows of a kind."""
    proposals, value = permits.proposals, kind.names[2] if kind.names else ""
    number = np.full(prepared.size, ABSENT, np.int64)
    number[at] = np.arange(len(at))
    of_box = number[proposals.asset[permits.row] - prepared.city.span.start]
    rows = np.zeros(int((of_box != ABSENT).sum()), kind)
    rows["number"] = of_box[of_box != ABSENT]
    if proposals.action == HAND_BACK:
        rows["order"] = ORDER_HAND_BACK
    elif len(rows):
        order, column = ORDERS[proposals.action]
        asked = proposals.values[column][permits.row][of_box != ABSENT]
        # Towards nothing: a box is never asked for more than was permitted.
        rows["order"], rows[value] = order, np.trunc(asked * 100.0 + np.sign(asked) * 1e-6).astype(np.int64)
        rows["duration_s"] = round(proposals.lease_s)
    return rows
