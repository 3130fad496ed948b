# SPDX-License-Identifier: Apache-2.0
"""The ledger of burn hours and energy: computed from what the record keeps and the register of lamps, beside what was metered.

Anybody with the record and the city's tables gets the same rows. Unmetered supplies are billed by such a computation; where
cabinets are metered the last column says how far it is off.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from lamplighter.services.lighting.layout import DAY_S, Layout, local_s
from lamplighter.services.lighting.photometry.luminaires import GEAR_W
from lamplighter.services.lighting.sun import elevation_deg
from lamplighter.services.lighting.upkeep.finding import CLO_USUAL_RATIO, STANDBY_W
from lamplighter.terms.columns import FloatArray, IntArray

COLUMNS = ("day", "group", "lamps", "burn_h", "full_h", "computed_kwh", "metered_kwh", "difference_percent")
SCAN_S = 60.0


@dataclass(frozen=True)
class Quarters:
    """What the record keeps of groups of cells (a cell, or all of an area where the record keeps no finer): name and cells of
    each; begin_s, window_s, group (n,): position; light_kwh (n,): the window's light as energy at rated power, gear apart;
    metered_kwh (n,): its energy. Both are sums, so that merged cells add up."""

    groups: tuple[tuple[str, IntArray], ...]
    begin_s: FloatArray
    window_s: FloatArray
    group: IntArray
    light_kwh: FloatArray
    metered_kwh: FloatArray


@dataclass(frozen=True)
class Row:
    """One group in one day from noon to noon. full_h: hours at full output that gave the same light."""

    day: str
    group: str
    lamps: int
    burn_h: float
    full_h: float
    computed_kwh: float
    metered_kwh: float

    def cells(self) -> tuple[str, ...]:
        """Return the row as it is written."""
        off = 100.0 * (self.computed_kwh - self.metered_kwh) / self.metered_kwh if self.metered_kwh > 0.0 else 0.0
        figures = (self.burn_h, self.full_h, self.computed_kwh, self.metered_kwh)
        return (self.day, self.group, str(self.lamps), *(f"{v:.3f}" for v in figures), f"{off:.2f}")


def burning_h(begin_s: float, window_s: float, layout: Layout) -> float:
    """Return the hours in which lamps burn within a window, by the sun alone."""
    minutes: FloatArray = begin_s + SCAN_S * np.arange(round(window_s / SCAN_S), dtype=np.float64)
    dark = elevation_deg(minutes, layout.lon_deg, layout.lat_deg) < layout.dusk_elevation_deg
    return float(dark.sum()) * SCAN_S / 3600.0


def ledger(record: Quarters, layout: Layout) -> list[Row]:
    """Return the ledger's rows, by day and group."""
    segments, cells = layout.segments, len(layout.cell_asset)
    light_w = (segments.power_w - GEAR_W) * segments.lamps
    light_kw = np.bincount(segments.cell, weights=light_w, minlength=cells) / 1000.0
    begins = np.unique(record.begin_s)
    burnt = {b: burning_h(b, float(record.window_s[record.begin_s == b][0]), layout) for b in begins.tolist()}
    noon = np.array([int((local_s(b, layout.local) - DAY_S / 2.0) // DAY_S) for b in record.begin_s.tolist()], dtype=np.int64)
    rows: list[Row] = []
    for day in np.unique(noon).tolist():
        name = datetime.fromtimestamp(day * DAY_S, UTC).date().isoformat()
        found: list[int] = np.unique(record.group[noon == day]).tolist()
        for number in found:
            here = (noon == day) & (record.group == number)
            title, members = record.groups[number]
            hours = record.window_s[here] / 3600.0
            burn = float(sum(burnt[b] for b in record.begin_s[here].tolist()))
            light_kwh = float(record.light_kwh[here].sum())
            full = light_kwh / max(float(light_kw[members].sum()), 1e-9)
            lamps = int(layout.cell_lamps[members].sum())
            rest = float(hours.sum()) - burn
            kwh = light_kwh * CLO_USUAL_RATIO + lamps * (GEAR_W * burn + STANDBY_W * rest) / 1000.0
            rows.append(Row(name, title, lamps, burn, full, float(kwh), float(record.metered_kwh[here].sum())))
    return rows


def differing(told: list[list[str]], found: list[tuple[str, ...]]) -> list[str]:
    """Return what differs between a ledger that was handed over and its recomputation, a sentence per row."""
    said = {(row[0], row[1]): row for row in told if len(row) == len(COLUMNS)}
    out: list[str] = []
    for row in found:
        other = said.pop((row[0], row[1]), None)
        if other is None:
            out.append(f"{row[0]} {row[1]}: missing in the ledger")
            continue
        wrong = [f"{c} {a} recomputed {b}" for c, a, b in zip(COLUMNS, other, row, strict=True) if a != b]
        if wrong:
            out.append(f"{row[0]} {row[1]}: {'; '.join(wrong)}")
    return out + [f"{day} {cell}: in the ledger, not in the record" for day, cell in said]
