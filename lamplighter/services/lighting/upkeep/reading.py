# SPDX-License-Identifier: Apache-2.0
"""The registers of a day, out of what the twin knows. Pure."""

import numpy as np

from lamplighter.services.lighting.layout import DAY_S, Layout, calendar_output, local_s
from lamplighter.services.lighting.sun import elevation_deg
from lamplighter.services.lighting.upkeep.finding import Day, Reported
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.snapshot import Snapshot

SCAN_S = 300.0
REPORTED_AGE_MAX_S = 600.0
DAY_AGE_MAX_S = 90_000.0  # registers are read once a day, within an hour of noon


def _told(snapshot: Snapshot, quantity: str, asset: IntArray, layout: Layout) -> tuple[FloatArray, BoolArray]:
    column = snapshot.latest.get(quantity)
    if column is None:
        return np.zeros(len(asset)), np.zeros(len(asset), dtype=np.bool_)
    local = asset - layout.start
    return column.value[local], column.fresh(snapshot.now_s, DAY_AGE_MAX_S)[local]


def reported(snapshot: Snapshot, layout: Layout) -> Reported | None:
    """Return what gear and cabinets say of themselves now; None where the field tells of nothing itself."""
    at = layout.cabinet_asset - layout.start
    said: list[IntArray] = []
    for name in ("failed_lamps", "unreached_lamps", "supply_lost"):
        column = snapshot.latest.get(name)
        if column is None or not column.present[at].any():
            return None
        fresh = column.fresh(snapshot.now_s, REPORTED_AGE_MAX_S)[at]
        said.append(np.where(fresh, np.rint(column.value[at]), 0.0).astype(np.int64))
    return Reported(said[0], said[1], said[2] > 0)


def planned_h(noon_s: float, layout: Layout) -> FloatArray:
    """Return (s,) the hours at full output that the stored calendars ask of each segment in the day that ends at a noon."""
    at_s: FloatArray = noon_s - DAY_S + SCAN_S * (np.arange(int(DAY_S / SCAN_S), dtype=np.float64) + 0.5)
    burning = elevation_deg(at_s, layout.lon_deg, layout.lat_deg) < layout.dusk_elevation_deg
    out = np.zeros(len(layout.segments.design))
    for moment in at_s[burning].tolist():
        out += calendar_output(moment, layout) * SCAN_S / 3600.0
    return out


def burnt_h(noon_s: float, layout: Layout) -> float:
    """Return the hours of darkness in the day that ends at a noon."""
    at_s: FloatArray = noon_s - DAY_S + SCAN_S * (np.arange(int(DAY_S / SCAN_S), dtype=np.float64) + 0.5)
    return float((elevation_deg(at_s, layout.lon_deg, layout.lat_deg) < layout.dusk_elevation_deg).sum()) * SCAN_S / 3600.0


def day_of(snapshot: Snapshot, layout: Layout) -> Day | None:
    """Return the registers of the day that ended at the last noon; None where nothing has been read yet."""
    energy, heard = _told(snapshot, "lamp_energy_kwh", layout.lamp_asset, layout)
    burn, _ = _told(snapshot, "lamp_burn_h", layout.lamp_asset, layout)
    light, _ = _told(snapshot, "lamp_light_h", layout.lamp_asset, layout)
    metered_kwh, metered = _told(snapshot, "cabinet_energy_kwh", layout.cabinet_asset, layout)
    if not heard.any() and not metered.any():
        return None
    _, spoke = _told(snapshot, "dimming_level", layout.segments.asset, layout)
    lately = np.zeros(len(layout.cabinet_asset), dtype=np.bool_)
    column = snapshot.latest.get("dimming_level")
    if column is not None:
        fresh = column.fresh(snapshot.now_s, 600.0)[layout.segments.asset - layout.start] & spoke
        lately[layout.segments.cabinet[fresh]] = True
    noon_s = snapshot.now_s - (local_s(snapshot.now_s, layout.local) - DAY_S / 2.0) % DAY_S
    return Day(energy, burn, light, heard, metered_kwh, metered, lately, planned_h(noon_s, layout), reported(snapshot, layout))
