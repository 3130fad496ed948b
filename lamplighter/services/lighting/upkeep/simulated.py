# SPDX-License-Identifier: Apache-2.0
"""A day of a simulated city's registers, read as the gateway sends them."""

from collections.abc import Callable

import numpy as np

from lamplighter.services.lighting import wire
from lamplighter.services.lighting.layout import DAY_S, Layout, local_s
from lamplighter.services.lighting.simulator import LightingField
from lamplighter.services.lighting.terms import BOUNDARY_S
from lamplighter.services.lighting.upkeep.finding import Day
from lamplighter.services.lighting.upkeep.reading import planned_h
from lamplighter.terms.columns import FloatArray, IntArray
from lamplighter.terms.measurement import FRAME, FrameArray

Listener = Callable[[FrameArray], None]
HOUR_S = 3600.0
STEP_KWH, STEP_H = 0.001, 0.01


def noon_after(at_s: float, layout: Layout) -> float:
    """Return the next local noon, as POSIX seconds."""
    local = local_s(at_s, layout.local)
    ahead = (DAY_S / 2.0 - local % DAY_S) % DAY_S or DAY_S
    noon_s = at_s + ahead
    return noon_s + local + ahead - local_s(noon_s, layout.local)  # where the clock changes on the way


def _column(frames: FrameArray, name: str, asset: IntArray, step: float, layout: Layout) -> FloatArray:
    """Return what was said of a quantity by assets (k,), NaN where nothing was."""
    rows = frames[frames["quantity"] == layout.vocabulary.index(name)]
    place = np.full(layout.start + layout.size, -1, dtype=np.int64)
    place[asset] = np.arange(len(asset))
    out = np.full(len(asset), np.nan)
    out[place[rows["asset"].astype(np.int64)]] = rows["value"] * step
    return out


def day_of(field: LightingField, noon_s: float, layout: Layout, listen: Listener | None = None) -> Day:
    """Run the field to an hour past a noon, nobody commanding, and return the registers of the day that ended then; `listen` is
    handed the frames of cells."""
    parts: list[bytes] = []
    night: list[bytes] = []
    while True:
        at_s = min((field.now_s() // BOUNDARY_S + 1) * BOUNDARY_S, noon_s + HOUR_S)
        readings = field.advance(at_s, (), {}).readings
        if listen is not None:
            cells = wire.decode([r for r in readings if r.topic == "cells"], layout)
            listen(np.frombuffer(cells, dtype=FRAME))
        daily = [r for r in readings if r.topic in ("lamps", "registers")]
        parts.append(wire.decode(daily if at_s >= noon_s else [], layout))
        if noon_s - 14.0 * HOUR_S < at_s <= noon_s - 5.0 * HOUR_S:
            night.append(wire.decode([r for r in readings if r.topic == "segments"], layout))
        if at_s >= noon_s + HOUR_S:
            break
    frames = np.frombuffer(b"".join(parts), dtype=FRAME)
    energy = _column(frames, "lamp_energy_kwh", layout.lamp_asset, STEP_KWH, layout)
    burn = _column(frames, "lamp_burn_h", layout.lamp_asset, STEP_H, layout)
    light = _column(frames, "lamp_light_h", layout.lamp_asset, STEP_H, layout)
    metered = _column(frames, "cabinet_energy_kwh", layout.cabinet_asset, STEP_KWH, layout)
    said = np.frombuffer(b"".join(night), dtype=FRAME)
    seen = ~np.isnan(_column(said, "dimming_level", layout.segments.asset, 1.0, layout))
    spoke = np.bincount(layout.segments.cabinet, weights=seen, minlength=len(metered)) > 0
    heard, told = ~np.isnan(energy), ~np.isnan(metered)
    columns = [np.nan_to_num(c) for c in (energy, burn, light)]
    return Day(columns[0], columns[1], columns[2], heard, np.nan_to_num(metered), told, spoke, planned_h(noon_s, layout))
