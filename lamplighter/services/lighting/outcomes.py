# SPDX-License-Identifier: Apache-2.0
"""What residents would notice, from aggregates alone: energy by the cabinets' meters, light by what lamps report.

Light is computed for the stated r-table and maintenance factor with every lamp alive; a dead lamp is in the truth of a
simulated city and not here, and the difference is what a real city could not see either.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting import outage, required
from lamplighter.services.lighting.flows.estimate import estimate
from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.photometry import classes
from lamplighter.services.lighting.plan import AVERAGE, least_output, shaped
from lamplighter.services.lighting.sun import elevation_deg
from lamplighter.services.lighting.terms import BELOW, CADENCE_S, ENERGY, LEVEL_STEP, OVER, UNLIT
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.outcome import OutcomeRows, no_rows
from lamplighter.terms.snapshot import Snapshot

FRESH_S = 2.5 * CADENCE_S


@dataclass(frozen=True)
class Clock:
    """When the last contribution was made."""

    last_s: float


def _own(snapshot: Snapshot, quantity: str, asset: IntArray, layout: Layout) -> tuple[FloatArray, BoolArray]:
    """Return the latest value and freshness of one of the service's quantities at the given city positions."""
    column = snapshot.latest.get(quantity)
    if column is None:
        return np.zeros(len(asset)), np.zeros(len(asset), dtype=np.bool_)
    local = asset - layout.start
    return column.value[local], column.fresh(snapshot.now_s, FRESH_S)[local]


def _short(dimming_level: FloatArray, needed: IntArray, layout: Layout) -> tuple[BoolArray, BoolArray]:
    """Return whether segments at these outputs (s,) have too little light for these classes, and whether paths too much."""
    figures = layout.segments.figures
    least = least_output(figures, needed)
    below = (dimming_level < least - LEVEL_STEP / 2) | ~shaped(figures, needed)
    return below, figures[:, AVERAGE] * dimming_level > classes.ILLUMINANCE_MAX_LX[needed] * 1.0005


def compute(snapshot: Snapshot, state: Clock | None, layout: Layout) -> tuple[OutcomeRows, Clock]:
    """Return the contributions since the last tick, sums per area. Values that are not fresh add nothing."""
    clock = Clock(snapshot.now_s)
    if state is None:
        return no_rows(), clock
    passed_s = min(max(snapshot.now_s - state.last_s, 0.0), FRESH_S)
    segments = layout.segments
    areas = int(max(segments.area.max(initial=-1), layout.cabinet_area.max(initial=-1))) + 1
    p_kw, metered = _own(snapshot, "p_kw", layout.cabinet_asset, layout)
    energy = np.bincount(layout.cabinet_area[metered], weights=p_kw[metered], minlength=areas) * passed_s / 3600.0
    sums: list[tuple[int, FloatArray]] = [(ENERGY, energy.astype(np.float64))]
    dimming_level, told = _own(snapshot, "dimming_level", segments.asset, layout)
    height = elevation_deg(np.array(snapshot.now_s - CADENCE_S), layout.lon_deg, layout.lat_deg)
    if float(height) < layout.dusk_elevation_deg:
        found = estimate(*required.counted(snapshot, layout), layout.sites)
        move = required.surroundings(snapshot, layout)
        needed = required.need(required.surely(found, layout), found, move, snapshot.now_s - 1.0, layout)
        below, over = _short(dimming_level, classes.lowered(segments.design, needed.relax), layout)
        for code, mask in ((BELOW, below & told), (OVER, over & told)):
            sums.append((code, np.bincount(segments.area, weights=mask, minlength=areas).astype(np.float64) * passed_s / 60.0))
        unlit = outage.dark_cabinets(snapshot, layout)[segments.cabinet] * segments.length_m / 1000.0
        sums.append((UNLIT, np.bincount(segments.area, weights=unlit, minlength=areas).astype(np.float64) * passed_s / 3600.0))
    value: FloatArray = np.concatenate([column for _, column in sums])
    outcome = np.concatenate([np.full(areas, code, dtype=np.int64) for code, _ in sums])
    area = np.tile(np.arange(areas, dtype=np.int64), len(sums))
    return OutcomeRows(outcome, area, value, np.ones(len(value))), clock
