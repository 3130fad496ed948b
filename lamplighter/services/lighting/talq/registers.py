# SPDX-License-Identifier: Apache-2.0
"""What meters and lamps counted from noon to noon, out of counters that only ever grow: the day's registers of the fault finder.

No attribute of TALQ says how long a lamp burned at full output; it is added up here from the light that it reports, minute by
minute.
"""

from typing import NamedTuple

import numpy as np

from lamplighter.services.lighting import wire
from lamplighter.services.lighting.layout import DAY_S, Layout, local_s
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.measurement import FrameArray

NOON_S = 43_200
MINUTES_PER_HOUR = 60.0
# A lamp is off at noon, and many are without supply by day: what it counted in the early morning is what it has counted.
LAMP_OLD_S = 8 * 3600.0
HEARD_LEAST_RATIO = 0.95  # of the hours that a lamp burned, its light must be known
WH_MOST, CH_MOST = 2.0**32 - 1.0, 2.0**16 - 1.0


class Counters(NamedTuple):
    """What counters (n,) say: of which asset (place), energy in Wh and hours alight since they were installed, and whether each
    was told lately enough. Meters say no hours."""

    place: IntArray
    energy_wh: FloatArray
    hours_h: FloatArray
    told: BoolArray


class Registers:
    """Holds what was counted at the last noon, and the light of lamps since then."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        cabinets, lamps = len(layout.cabinet_asset), len(layout.lamp_asset)
        self._meter_wh, self._meter_known = np.zeros(cabinets), np.zeros(cabinets, dtype=np.bool_)
        self._lamp_wh, self._lamp_h, self._lamp_known = np.zeros(lamps), np.zeros(lamps), np.zeros(lamps, dtype=np.bool_)
        self._light_h, self._heard_h = np.zeros(lamps), np.zeros(lamps)
        self._day: int | None = None

    def lit(self, lamp: IntArray, share: FloatArray) -> None:
        """Add a minute of light: lamp (n,) positions of the lamps that said it, share (n,) of full output."""
        self._light_h[lamp] += share / MINUTES_PER_HOUR
        self._heard_h[lamp] += (share > 0.0) / MINUTES_PER_HOUR

    def due(self, now_s: float) -> bool:
        """Tell whether a day has ended since this was asked last."""
        return self._number(now_s) != self._day

    def _number(self, now_s: float) -> int:
        return int((local_s(now_s, self._layout.local) - NOON_S) // DAY_S)

    def rows(self, meters: Counters, lamps: Counters, now_s: float) -> tuple[FrameArray, FrameArray]:
        """Return the registers of meters and of lamps for the day that ends now, as rows of the service's own wire, and begin the
        next one. A day that was not seen from its beginning, or a counter that was set back, says nothing."""
        number = self._number(now_s)
        whole = self._day == number - 1
        first, self._day = self._day is None, number
        of_meters = self._meters(meters, whole, first)
        of_lamps = self._lamps(lamps, whole, first)
        self._light_h[:], self._heard_h[:] = 0.0, 0.0
        return of_meters, of_lamps

    def _meters(self, meters: Counters, whole: bool, first: bool) -> FrameArray:
        count = len(self._meter_wh)
        told = np.bincount(meters.place[meters.told], minlength=count)
        every = np.bincount(meters.place, minlength=count)
        wh = np.bincount(meters.place[meters.told], weights=meters.energy_wh[meters.told], minlength=count)
        known = (told == every) & (every > 0)
        day_wh = wh - self._meter_wh
        sound = np.flatnonzero(known & self._meter_known & (day_wh >= 0.0) & whole)
        self._meter_wh, self._meter_known = wh, known & (not first)
        rows = np.zeros(len(sound), dtype=wire.REGISTER_ROW)
        rows["number"], rows["energy_wh"] = sound, np.rint(np.minimum(day_wh[sound], WH_MOST))
        return rows

    def _lamps(self, lamps: Counters, whole: bool, first: bool) -> FrameArray:
        known = np.zeros(len(self._lamp_wh), dtype=np.bool_)
        wh, hours = self._lamp_wh.copy(), self._lamp_h.copy()
        here = lamps.place[lamps.told]
        known[here], wh[here], hours[here] = True, lamps.energy_wh[lamps.told], lamps.hours_h[lamps.told]
        day_wh, day_h = wh - self._lamp_wh, hours - self._lamp_h
        sound = known & self._lamp_known & (day_wh >= 0.0) & (day_h >= 0.0) & whole
        rest = np.flatnonzero(sound & (self._heard_h >= HEARD_LEAST_RATIO * day_h - 1.0 / MINUTES_PER_HOUR))
        rows = np.zeros(len(rest), dtype=wire.LAMP_ROW)
        rows["number"], rows["energy_wh"] = rest, np.rint(np.minimum(day_wh[rest], WH_MOST))
        rows["burn_ch"] = np.rint(np.minimum(day_h[rest] * 100.0, CH_MOST))
        rows["light_ch"] = np.rint(np.minimum(self._light_h[rest] * 100.0, CH_MOST))
        self._lamp_wh, self._lamp_h, self._lamp_known = wh, hours, known & (not first)
        return rows
