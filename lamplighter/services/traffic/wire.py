# SPDX-License-Identifier: Apache-2.0
"""Messages of the signal_controllers to frames, and permits to messages: the only place where units are converted.

A box speaks once a second, one telegram on the topic `box/<id>`: a header (version, flags, number of values, its clock in
POSIX seconds), a bitmap of the values that it has, and 32-bit values in its own units: tenths of seconds, thousandths
of occupancy, watts, whole vehicles. Counters speak together each quarter of an hour on the topic `counters`.

What a bus or tram tells a box by radio (VDV R09.16 and its like: line, course, destination, lateness) ends in the box.
Every ten seconds the box says on the topic `priority/<id>`, per movement and for buses and trams apart, in which ten
seconds the next one arrives, as a whole number of tens. No other field exists, and what it says at other seconds than
whole tens is not read.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamplighter.services.traffic import terms
from lamplighter.services.traffic.layout import CALL, COUNT, STOP_LINE, Layout, announced
from lamplighter.terms.asset import Assets
from lamplighter.terms.columns import IntArray
from lamplighter.terms.decision import HAND_BACK, Permits
from lamplighter.terms.measurement import FRAME
from lamplighter.terms.reading import Message, Reading

VERSION = 1
HEADER = struct.Struct("<BBHI")  # version, flags, number of values, clock in POSIX seconds
COMMAND = struct.Struct("<BBBxI")  # version, what to do, stage, POSIX second at which it ends
GO_HOME, GO_TO, STAY = 0, 1, 2
COUNTERS = "counters"
TENTHS, THOUSANDTHS_PER_STEP = 10, 10
QUARTERS_PER_HOUR = 4

# (quantity, how many device units make one step of it, what one device unit is multiplied with first)
BOX_VALUES = (
    ("running_stage", 1, 1),
    ("stage_elapsed_s", TENTHS, 1),
    ("box_mode", 1, 1),
    ("p_kw", 1, 1),
    ("held_commands", 1, 1),
)
GROUP_VALUES = (("group_state", 1, 1), ("group_elapsed_s", TENTHS, 1), ("group_waited_s", TENTHS, 1))
LOOP_VALUES = (("count_veh", 1, 1), ("occupancy_share", THOUSANDTHS_PER_STEP, 1))
AREA_VALUES = (("area_veh", 1, 1), ("queue_veh", 1, 1))
CALL_VALUES = (("call_waiting", 1, 1),)
PRIORITY_VALUES = (("bus_due_s", 1, 1), ("tram_due_s", 1, 1))
COUNTER_VALUES = (("flow_veh_h", 1, QUARTERS_PER_HOUR),)


@dataclass(frozen=True)
class Codec:
    """What every telegram means: per topic its number; per number a run of values (ragged by offsets).

    asset: city position; quantity: vocabulary position; units_per_step, factor and window_s as above; every_s: a telegram is
    read at whole multiples of it alone; topics of boxes by run position of the intersection, for commands. start: first
    position of the service's run.
    """

    start: int
    topic: Mapping[str, int]
    offsets: IntArray
    lengths: IntArray
    asset: IntArray
    quantity: IntArray
    units_per_step: IntArray
    factor: IntArray
    window_s: IntArray
    every_s: IntArray
    command_topic: Mapping[int, str]


def _values_of(role: int) -> tuple[tuple[str, int, int], ...]:
    if role == STOP_LINE:
        return LOOP_VALUES
    return CALL_VALUES if role == CALL else AREA_VALUES


def priority_topic(intersection: str) -> str:
    """Return the topic on which a box says when buses and trams arrive."""
    return f"priority/{intersection}"


def make_codec(layout: Layout, assets: Assets) -> Codec:
    """Return the meaning of all telegrams of one city: box values, then its groups, then its detectors, as listed."""
    rows: list[tuple[int, str, int, int]] = []
    lengths: list[int] = []
    topics: dict[str, int] = {}
    commands: dict[int, str] = {}
    detectors = layout.detectors
    order = np.argsort(detectors.box, kind="stable")
    order = order[detectors.boxed[order] & (detectors.role[order] != COUNT)]
    at = np.searchsorted(detectors.box[order], np.arange(len(layout.boxes.tls) + 1))
    for box, local in enumerate(layout.boxes.local):
        asset_id = str(assets.id[layout.start + int(local)])
        before = len(rows)
        rows += [(int(local), *value) for value in BOX_VALUES]
        for group in range(int(layout.groups.offsets[box]), int(layout.groups.offsets[box + 1])):
            rows += [(int(layout.groups.local[group]), *value) for value in GROUP_VALUES]
        for row in order[at[box] : at[box + 1]]:
            rows += [(int(detectors.local[row]), *value) for value in _values_of(int(detectors.role[row]))]
        topics[f"box/{asset_id}"] = box
        commands[int(local)] = f"box/{asset_id}/command"
        lengths.append(len(rows) - before)
    before = len(rows)
    for row in np.flatnonzero(detectors.role == COUNT):
        rows += [(int(detectors.local[row]), *value) for value in COUNTER_VALUES]
    topics[COUNTERS] = len(lengths)
    lengths.append(len(rows) - before)
    asking = announced(layout)
    parts = np.split(asking, np.searchsorted(layout.groups.box[asking], np.arange(1, len(layout.boxes.tls))))
    for local, part in zip(layout.boxes.local, parts, strict=False):
        if len(part):
            topics[priority_topic(str(assets.id[layout.start + int(local)]))] = len(lengths)
            rows += [(int(layout.groups.local[group]), *value) for group in part for value in PRIORITY_VALUES]
            lengths.append(len(part) * len(PRIORITY_VALUES))
    every_s = np.ones(len(lengths), np.int64)
    every_s[topics[COUNTERS] + 1 :] = terms.DUE_WINDOW_S
    windows = {quantity.name: quantity.window_min_s for quantity in terms.QUANTITIES}
    columns = (np.array([row[n] for row in rows], dtype=object) for n in range(4))
    local_column, name, units, factor = columns
    return Codec(
        start=layout.start,
        topic=topics,
        offsets=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        lengths=np.array(lengths, np.int64),
        asset=local_column.astype(np.int64) + layout.start,
        quantity=np.array([layout.quantity[str(word)] for word in name], np.int64),
        units_per_step=units.astype(np.int64),
        factor=factor.astype(np.int64),
        window_s=np.array([windows[str(word)] for word in name], np.int64),
        every_s=every_s,
        command_topic=commands,
    )


def decode(readings: Sequence[Reading], prepared: Any) -> bytes:
    """Return canonical frames. A telegram of unknown topic, version or length says nothing: its values age.

    prepared.codec is what `make_codec` returned.
    """
    codec: Codec = prepared.codec
    told: list[tuple[int, int]] = []  # number of the telegram and its clock
    marks: list[bytes] = []
    raw: list[bytes] = []
    for reading in readings:
        number = codec.topic.get(reading.topic)
        if number is None or len(reading.payload) < HEADER.size:
            continue
        version, _, count, clock_s = HEADER.unpack_from(reading.payload)
        values_at = HEADER.size + (count + 7) // 8
        if clock_s % codec.every_s[number]:
            continue
        if version != VERSION or count != codec.lengths[number] or len(reading.payload) != values_at + 4 * count:
            continue
        told.append((number, clock_s))
        marks.append(reading.payload[HEADER.size : values_at])
        raw.append(reading.payload[values_at:])
    return _frames(codec, told, marks, raw) if told else b""


def _frames(codec: Codec, told: Sequence[tuple[int, int]], marks: Sequence[bytes], raw: Sequence[bytes]) -> bytes:
    """Return the frames of well-formed telegrams, all of them at once."""
    number, clock_s = np.array(told, np.int64).T
    count = codec.lengths[number]
    row = np.repeat(np.arange(len(told)), count)
    inside = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    bits_before = 8 * np.concatenate(([0], np.cumsum((count + 7) // 8)[:-1]))
    present = np.unpackbits(np.frombuffer(b"".join(marks), np.uint8), bitorder="little")[bits_before[row] + inside] > 0
    value = np.frombuffer(b"".join(raw), "<u4").astype(np.int64)
    if not present.all():
        row, inside, value = row[present], inside[present], value[present]
    meaning = codec.offsets[number][row] + inside
    rows = np.zeros(len(value), FRAME)
    rows["asset"], rows["quantity"] = codec.asset[meaning], codec.quantity[meaning]
    rows["count"], rows["window"] = 1, clock_s[row] // codec.window_s[meaning] - 1
    steps = value * codec.factor[meaning] // codec.units_per_step[meaning]
    rows["value"] = np.minimum(steps, np.iinfo(np.int32).max)
    return rows.tobytes()


def encode(permits: Permits, prepared: Any) -> list[Message]:
    """Return one command per permitted row; a permit to hand back sends the box to its own programme at once."""
    codec: Codec = prepared.codec
    proposals, rows = permits.proposals, permits.row
    local = proposals.asset[rows] - codec.start
    if proposals.action == HAND_BACK:
        home = COMMAND.pack(VERSION, GO_HOME, 0, 0)
        return [Message(codec.command_topic[int(box)], home) for box in local]
    what = STAY if proposals.action == "hold_stage" else GO_TO
    stage = proposals.values["stage"][rows].astype(np.int64)
    until_s = int(permits.expires_s)
    return [
        Message(codec.command_topic[int(box)], COMMAND.pack(VERSION, what, int(number), until_s))
        for box, number in zip(local, stage, strict=True)
    ]
