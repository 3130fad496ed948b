# SPDX-License-Identifier: Apache-2.0
"""Bytes of the pumps to frames and back: pressure comes in millibar, speed goes out in per mille."""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamplighter.terms.decision import HAND_BACK, Permits
from lamplighter.terms.measurement import FRAME
from lamplighter.terms.reading import Message, Reading

ROW = np.dtype([("pump", "<u2"), ("pressure_mbar", "<u4"), ("speed_pm", "<u2")])


def decode(readings: Sequence[Reading], prepared: Any) -> bytes:
    """Return canonical frames of every pump report."""
    parts: list[bytes] = []
    for reading in readings:
        rows = np.frombuffer(reading.payload, ROW)
        for quantity, value in (
            (prepared.pressure, np.round(rows["pressure_mbar"] / 10.0)),
            (prepared.speed, np.round(rows["speed_pm"] / 10.0)),
        ):
            frames = np.zeros(len(rows), FRAME)
            frames["asset"] = rows["pump"].astype(np.int64) + prepared.start
            frames["quantity"], frames["count"] = quantity, 1
            frames["window"] = int(reading.received_s // 60) - 1
            frames["value"] = value
            parts.append(frames.tobytes())
    return b"".join(parts)


def encode(permits: Permits, prepared: Any) -> Sequence[Message]:
    """Return one message per pump: speed in per mille and seconds it holds; handing back is a speed of none."""
    table = permits.proposals
    pumps = table.asset[permits.row] - prepared.start
    if table.action == HAND_BACK:
        return [Message(f"pump/{pump}", b"local") for pump in pumps]
    speeds = np.round(table.values["speed_share"][permits.row] * 1000).astype(int)
    return [Message(f"pump/{p}", struct.pack("<HI", s, int(table.lease_s))) for p, s in zip(pumps, speeds, strict=True)]
