# SPDX-License-Identifier: Apache-2.0
"""Messages of the lighting gateway turned into canonical frames, and permits into group commands with an expiry.

All numbers are little-endian. A report: magic LLR1, kind (1 segments, 2 cabinets, 3 cells; 4 surroundings of cells; once a day
5 lamps, 6 the cabinets' energy registers; from gateways of others 7 conditions that cabinets and lamps report, 8 ambient light
alone, 9 wet roads alone), a spare byte, count, time in POSIX seconds, then rows. Levels travel in half per
cent, power in W and var, energy in Wh, hours in hundredths, ambient light in tenths of a lux. Numbers of segments, cabinets,
cells and lamps are their places in the city's tables. A command: magic LLD1, kind (1 dim, 2 hand back), ramp in s, count,
expiry in POSIX seconds, then rows of segment and dimming_level.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting import downlink
from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.terms import BOUNDARY_S, CADENCE_S, DAY_S, DIM
from lamplighter.terms.columns import FloatArray, IntArray
from lamplighter.terms.decision import HAND_BACK, Permits
from lamplighter.terms.measurement import FRAME, FrameArray
from lamplighter.terms.reading import Message, Reading

HEADER = struct.Struct("<4sBBHQ")
REPORT_MAGIC, COMMAND_MAGIC = b"LLR1", b"LLD1"
SEGMENTS, CABINETS, CELLS, SURROUNDINGS, LAMPS, REGISTERS, CONDITIONS, AMBIENT, WET = range(1, 10)
COMMAND_DIM, COMMAND_BACK = 1, 2
ROWS_MAX = 65_535
SEGMENT_ROW = np.dtype([("number", "<u4"), ("half_percent", "u1"), ("count", "u1")])
CABINET_ROW = np.dtype([("number", "<u4"), ("power_w", "<i4"), ("reactive_var", "<i4")])
CELL_ROW = np.dtype([("number", "<u4"), ("energy_wh", "<i4"), ("light_wh", "<u4")])
COMMAND_ROW = np.dtype([("number", "<u4"), ("half_percent", "u1"), ("spare", "u1")])
HALF_PERCENT = 200.0
UNKNOWN_ASSET = 0xFFFF_FFFF  # what cannot be read becomes a frame of no asset: the privacy gate counts and refuses it
SURROUNDINGS_ROW = np.dtype([("number", "<u4"), ("wet_percent", "u1"), ("spare", "u1"), ("ambient_dlx", "<u2")])
LAMP_ROW = np.dtype([("number", "<u4"), ("energy_wh", "<u4"), ("burn_ch", "<u2"), ("light_ch", "<u2")])
REGISTER_ROW = np.dtype([("number", "<u4"), ("energy_wh", "<u4")])
CONDITION_ROW = np.dtype([("number", "<u4"), ("failed", "<u2"), ("unreached", "<u2"), ("lost", "u1"), ("spare", "u1")])
AMBIENT_ROW = np.dtype([("number", "<u4"), ("ambient_dlx", "<u2")])
WET_ROW = np.dtype([("number", "<u4"), ("wet_percent", "u1"), ("spare", "u1")])
_ROWS = {
    SEGMENTS: SEGMENT_ROW,
    CABINETS: CABINET_ROW,
    CELLS: CELL_ROW,
    SURROUNDINGS: SURROUNDINGS_ROW,
    LAMPS: LAMP_ROW,
    REGISTERS: REGISTER_ROW,
    CONDITIONS: CONDITION_ROW,
    AMBIENT: AMBIENT_ROW,
    WET: WET_ROW,
}
# Per kind of report: the quantity, the field of the row that carries it, and over what it is taken.
_SAID = {
    SEGMENTS: (("dimming_level", "half_percent", CADENCE_S),),
    CABINETS: (("p_kw", "power_w", CADENCE_S), ("q_kvar", "reactive_var", CADENCE_S)),
    CELLS: (("cell_energy_kwh", "energy_wh", BOUNDARY_S), ("cell_light_kwh", "light_wh", BOUNDARY_S)),
    SURROUNDINGS: (("wet_share", "wet_percent", BOUNDARY_S), ("ambient_lx", "ambient_dlx", BOUNDARY_S)),
    LAMPS: (("lamp_energy_kwh", "energy_wh", DAY_S), ("lamp_burn_h", "burn_ch", DAY_S), ("lamp_light_h", "light_ch", DAY_S)),
    REGISTERS: (("cabinet_energy_kwh", "energy_wh", DAY_S),),
    CONDITIONS: (
        ("failed_lamps", "failed", CADENCE_S),
        ("unreached_lamps", "unreached", CADENCE_S),
        ("supply_lost", "lost", CADENCE_S),
    ),
    AMBIENT: (("ambient_lx", "ambient_dlx", BOUNDARY_S),),
    WET: (("wet_share", "wet_percent", BOUNDARY_S),),
}


@dataclass(frozen=True)
class Command:
    """One group command as a box reads it. segment (n,), dimming_level (n,); hand_back: forget every override."""

    hand_back: bool
    ramp_s: float
    expires_s: float
    segment: IntArray
    dimming_level: FloatArray


def report(kind: int, rows: FrameArray, at_s: float) -> bytes:
    """Return one report of a gateway; ValueError for more rows than fit (split them)."""
    if len(rows) > ROWS_MAX:
        raise ValueError(f"a report holds {ROWS_MAX} rows at most, these are {len(rows)}")
    return HEADER.pack(REPORT_MAGIC, kind, 0, len(rows), int(at_s)) + rows.tobytes()


def _refused() -> FrameArray:
    frame = np.zeros(1, dtype=FRAME)
    frame["asset"] = UNKNOWN_ASSET
    return frame


def _column(asset: IntArray, numbers: FrameArray, quantity: int, window: int, value: IntArray) -> FrameArray:
    """Return frames of one quantity; a number beyond the table becomes a frame of no asset."""
    frames = np.zeros(len(value), dtype=FRAME)
    number = numbers.astype(np.int64)
    known = number < len(asset)
    frames["asset"] = np.where(known, asset[np.where(known, number, 0)] if len(asset) else 0, UNKNOWN_ASSET)
    frames["quantity"], frames["count"], frames["window"], frames["value"] = quantity, 1, window, value
    return frames


def _frames(payload: bytes, layout: Layout) -> list[FrameArray]:
    if len(payload) < HEADER.size:
        return [_refused()]
    magic, kind, _, count, at_s = HEADER.unpack_from(payload)
    row = _ROWS.get(kind)
    if magic != REPORT_MAGIC or row is None or len(payload) != HEADER.size + count * row.itemsize or not 0 < at_s < 2**32:
        return [_refused()]
    rows = np.frombuffer(payload, dtype=row, offset=HEADER.size)
    assets = {
        SEGMENTS: layout.segments.asset,
        CABINETS: layout.cabinet_asset,
        REGISTERS: layout.cabinet_asset,
        CONDITIONS: layout.cabinet_asset,
        LAMPS: layout.lamp_asset,
    }
    asset = assets.get(kind, layout.cell_asset)
    return [
        _column(asset, rows["number"], layout.vocabulary.index(name), int(at_s - 1) // window_s, rows[field].astype(np.int64))
        for name, field, window_s in _SAID[kind]
    ]


def decode(readings: Sequence[Reading], layout: Layout) -> bytes:
    """Return canonical frames of all readings; what cannot be read becomes frames that the privacy gate refuses."""
    parts = [frames for reading in readings for frames in _frames(reading.payload, layout)]
    return b"".join(part.tobytes() for part in parts)


def encode(permits: Permits, layout: Layout) -> Sequence[Message]:
    """Return one group command per cell and ramp, as often as `downlink.copies` says; permits to hand back free the segments
    of every asset named."""
    table = permits.proposals
    if table.action == HAND_BACK:
        rows = _segments_behind(table.asset[permits.row], layout)
        return _per_cell(rows, np.zeros(len(rows)), np.zeros(len(rows)), (COMMAND_BACK, 0), layout)
    if table.action != DIM:
        raise ValueError(f"lighting cannot encode the action {table.action!r}; it knows {DIM} and {HAND_BACK}")
    place = np.zeros(layout.size, dtype=np.int64)
    place[layout.segments.asset - layout.start] = np.arange(len(layout.segments.asset))
    rows = place[table.asset[permits.row] - layout.start]
    dimming_level, ramp = table.values["dimming_level"][permits.row], table.values["ramp_s"][permits.row]
    return _per_cell(rows, dimming_level, ramp, (COMMAND_DIM, int(permits.expires_s)), layout)


def _segments_behind(asset: IntArray, layout: Layout) -> IntArray:
    """Return the segments (positions) of the given assets of any kind: lamps, cabinets, cells and segments themselves."""
    chosen = np.zeros(layout.size, dtype=np.bool_)
    chosen[asset - layout.start] = True
    segments = layout.segments
    hit = chosen[segments.asset - layout.start]
    hit |= chosen[layout.cell_asset - layout.start][segments.cell]
    hit |= chosen[layout.cabinet_asset - layout.start][segments.cabinet]
    if len(layout.lamp_asset):
        lamps = chosen[layout.lamp_asset - layout.start]
        hit[layout.lamp_segment[lamps]] = True
    return np.flatnonzero(hit)


def _per_cell(
    rows: IntArray, dimming_level: FloatArray, ramp_s: FloatArray, head: tuple[int, int], layout: Layout
) -> list[Message]:
    """Return one message per cell and ramp, rows in order of the segments."""
    kind, expires_s = head
    ramp = np.rint(ramp_s).astype(np.int64)
    cell = layout.segments.cell[rows]
    order = np.lexsort((rows, ramp, cell))
    body = np.zeros(len(rows), dtype=COMMAND_ROW)
    body["number"], body["half_percent"] = rows[order], np.rint(dimming_level[order] * HALF_PERCENT)
    key = cell[order] * 256 + ramp[order]
    begin = np.flatnonzero(np.concatenate(([True], np.diff(key) != 0))) if len(key) else np.zeros(0, dtype=np.int64)
    ends = np.append(begin[1:], len(key))
    raw = body.tobytes()
    size = COMMAND_ROW.itemsize
    names = layout.asset_id[layout.cell_asset - layout.start]
    again = downlink.copies((key[begin] % 256).astype(np.float64)) if kind == COMMAND_DIM else np.ones(len(begin), dtype=np.int64)
    return [
        Message(f"cell/{names[k // 256]}", HEADER.pack(COMMAND_MAGIC, kind, k % 256, b - a, expires_s) + raw[a * size : b * size])
        for k, a, b, n in zip(key[begin].tolist(), begin.tolist(), ends.tolist(), again.tolist(), strict=True)
        for _ in range(n)
    ]


def read_command(message: Message) -> Command:
    """Return a group command as the gateway reads it; ValueError says what is wrong with the bytes."""
    payload = message.payload
    if len(payload) < HEADER.size:
        raise ValueError(f"{message.topic}: {len(payload)} bytes; a command has {HEADER.size} or more")
    magic, kind, ramp_s, count, expires_s = HEADER.unpack_from(payload)
    if magic != COMMAND_MAGIC or kind not in (COMMAND_DIM, COMMAND_BACK):
        raise ValueError(f"{message.topic}: not a lighting command (starts {payload[:5]!r})")
    if len(payload) != HEADER.size + count * COMMAND_ROW.itemsize:
        raise ValueError(f"{message.topic}: {len(payload)} bytes for {count} rows; the command is cut short or too long")
    rows = np.frombuffer(payload, dtype=COMMAND_ROW, offset=HEADER.size)
    dimming_level = rows["half_percent"].astype(np.float64) / HALF_PERCENT
    return Command(kind == COMMAND_BACK, float(ramp_s), float(expires_s), rows["number"].astype(np.int64), dimming_level)
