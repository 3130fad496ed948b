# SPDX-License-Identifier: Apache-2.0
"""Messages of meters and charging boxes <-> frames and permits; the only place where units and codes are converted.

A head end sends one batch a minute for each kind of box: a header (window, the minute since 1970 at which it began)
and fixed rows of whole numbers. A row names its box by its number in the city's own table. Whatever is not a whole
number of rows is left out; what the numbers say is judged by the privacy gate.
"""

import struct
from collections.abc import Mapping, Sequence

import numpy as np

from lamplighter.services.grid.network.prepared import Prepared
from lamplighter.services.grid.terms import QUANTITIES
from lamplighter.terms.columns import AnyArray, IntArray
from lamplighter.terms.decision import HAND_BACK, Permits
from lamplighter.terms.measurement import FRAME
from lamplighter.terms.reading import Message, Reading

HEADER = struct.Struct("<I")
STATIONS, ENDS, CHARGING, LIMITS = "grid/stations", "grid/ends", "grid/charging", "grid/charging/limit"
TOLD = "grid/charging/told"  # limits that stations read back by themselves, without the rest of a charging row

STATION_ROW = np.dtype([("number", "<u4"), ("p_10w", "<i4"), ("q_10var", "<i4"), ("u_10mv", "<u4")])
END_ROW = np.dtype([("number", "<u4"), ("u_10mv", "<u4")])
CHARGING_ROW = np.dtype(
    [("number", "<u4"), ("p_100w", "<u4"), ("limit_10w", "<u4"), ("wanting", "<u4"),
     ("told", "<u4"), ("soon_5kwh", "<u4"), ("later_5kwh", "<u4"), ("late_1kwh", "<u4")]
)  # fmt: skip
TOLD_ROW = np.dtype([("number", "<u4"), ("limit_10w", "<u4")])
LIMIT_ROW = np.dtype([("number", "<u4"), ("order", "<u4"), ("limit_10w", "<u4"), ("duration_s", "<u4")])
ORDER_LIMIT, ORDER_HAND_BACK = 1, 2

# Field of a row -> quantity, and how many of the field's units make one step of the quantity.
FIELDS: Mapping[str, tuple[np.dtype[np.void], tuple[tuple[str, str], ...]]] = {
    STATIONS: (STATION_ROW, (("p_10w", "station_p_kw"), ("q_10var", "station_q_kvar"), ("u_10mv", "station_u_v"))),
    ENDS: (END_ROW, (("u_10mv", "end_u_v"),)),
    CHARGING: (
        CHARGING_ROW,
        (("p_100w", "charging_p_kw"), ("limit_10w", "charging_limit_kw"), ("wanting", "charging_wanting"),
         ("soon_5kwh", "energy_soon_kwh"), ("later_5kwh", "energy_later_kwh"), ("late_1kwh", "energy_late_kwh")),
    ),
    TOLD: (TOLD_ROW, (("limit_10w", "charging_limit_kw"),)),
}  # fmt: skip
ENERGY = ("energy_soon_kwh", "energy_later_kwh")
KNOWN = {quantity.name: quantity for quantity in QUANTITIES}


def positions(topic: str, prepared: Prepared) -> IntArray:
    """Return the own positions of the boxes that speak under a topic, by their number."""
    return {STATIONS: prepared.station_at, ENDS: prepared.meter_at, CHARGING: prepared.group_at, TOLD: prepared.group_at}[topic]


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
        told = rows["told"] == 1 if name in ENERGY else np.ones(len(rows), np.bool_)
        frames = np.zeros(int(told.sum()), FRAME)
        frames["asset"], frames["quantity"], frames["count"], frames["window"] = asset[told], codes[name], 1, window
        # Fields count in the quantity's own step; what does not fit the frame is left at its bound for the gate to refuse.
        frames["value"] = np.clip(rows[field][told].astype(np.int64), -(2**31), 2**31 - 1)
        out.append(frames.tobytes())
    return out


def encode(permits: Permits, prepared: Prepared) -> Sequence[Message]:
    """Return one batch of orders: a limit in steps of 10 W with the lease as its duration, or the return to the box itself."""
    proposals = permits.proposals
    back = np.zeros(prepared.size, np.int64)
    back[prepared.group_at] = np.arange(len(prepared.group_at))
    mine = np.zeros(prepared.size, np.bool_)
    mine[prepared.group_at] = True
    asset = proposals.asset[permits.row] - prepared.city.span.start
    keep = mine[asset]
    rows = np.zeros(int(keep.sum()), LIMIT_ROW)
    rows["number"] = back[asset[keep]]
    if proposals.action == HAND_BACK:
        rows["order"] = ORDER_HAND_BACK
    else:
        limit = proposals.values["p_max_kw"][permits.row][keep]
        rows["order"], rows["limit_10w"] = ORDER_LIMIT, np.floor(limit * 100.0 + 1e-6).astype(np.int64)
        rows["duration_s"] = round(proposals.lease_s)
    return (Message(LIMITS, rows.tobytes()),) if len(rows) else ()
