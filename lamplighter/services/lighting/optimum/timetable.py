# SPDX-License-Identifier: Apache-2.0
"""The best timetable of a few steps for lamps that nobody can talk to at night: exact, by dynamic programming.

A driver with an astronomical clock knows the middle of its own night and no time of day; what it must give at a quarter-hour of
its night is the most that any night of the year asks for there. A cabinet's clock or ripple control moves many lamps at the
same moments, each to an output of its own.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting.layout import Local
from lamplighter.services.lighting.sun import elevation_deg
from lamplighter.terms.columns import FloatArray, IntArray

DimmingTable = FloatArray  # (series, slots): shares of full output
SLOT_S = 900.0
SLOTS = 80  # quarter-hours around the middle of the night: 10 h to either side, enough up to 60 degrees of latitude
QUARTERS = 96
_SCAN_S = 300.0


@dataclass(frozen=True)
class Nights:
    """The nights of a year in quarter-hours from the middle of each. quarter (nights, SLOTS): local quarter of the day in which
    a slot begins; burning_share (nights, SLOTS): of the slot; middle_s (nights,)."""

    quarter: IntArray
    burning_share: FloatArray
    middle_s: FloatArray

    def hours_h(self) -> FloatArray:
        """Return (SLOTS,) the hours burnt in each slot over all nights."""
        return self.burning_share.sum(axis=0) * SLOT_S / 3600.0


@dataclass(frozen=True)
class Timetable:
    """Steps that begin at slots begin (p,), with an output for each series (s, p); energy is the sum of weight, output and
    hours, bound_kwh the same for the output that is asked slot by slot."""

    begin: IntArray
    dimming_level: DimmingTable
    energy_kwh: float
    bound_kwh: float


def nights_of(year_from_s: float, days: int, place_deg: tuple[float, float], dusk_elevation_deg: float, local: Local) -> Nights:
    """Return the nights that begin within so many days from a moment (a midday, UTC). place_deg: longitude and latitude.

    A night without dusk (high summer in the far north) is left out: nothing burns in it.
    """
    time_s: FloatArray = year_from_s + np.arange(int((days + 1) * 86_400 / _SCAN_S), dtype=np.float64) * _SCAN_S
    dark = elevation_deg(time_s, *place_deg) < dusk_elevation_deg
    on, off = np.flatnonzero(~dark[:-1] & dark[1:]) + 1, np.flatnonzero(dark[:-1] & ~dark[1:]) + 1
    if len(on) and len(off) and off[0] < on[0]:
        off = off[1:]
    count = min(len(on), len(off), days)
    on_s, off_s = time_s[on[:count]], time_s[off[:count]]
    middle = (on_s + off_s) / 2.0
    begin = middle[:, None] + (np.arange(SLOTS) - SLOTS / 2) * SLOT_S
    overlap = np.minimum(begin + SLOT_S, off_s[:, None]) - np.maximum(begin, on_s[:, None])
    zone = np.clip(np.searchsorted(local.begin_s, begin, side="right") - 1, 0, None)
    day_s = (begin + local.offset_s[zone]) % 86_400.0
    return Nights((day_s // SLOT_S).astype(np.int64), np.clip(overlap / SLOT_S, 0.0, 1.0), middle)


def asked_by_night(asked: DimmingTable, nights: Nights) -> DimmingTable:
    """Return (s, SLOTS) the most that any night asks for in each slot, from what each local quarter-hour asks (s, QUARTERS).

    A slot overlaps two quarters of the clock; where no lamp ever burns nothing is asked.
    """
    both = np.maximum(asked, np.roll(asked, -1, axis=1))
    out = np.zeros((len(asked), SLOTS))
    for slot in range(SLOTS):
        burning = nights.burning_share[:, slot] > 0.0
        if burning.any():
            out[:, slot] = both[:, np.unique(nights.quarter[burning, slot])].max(axis=1)
    return out


def best(asked: DimmingTable, power_kw: FloatArray, hours_h: FloatArray, steps: int) -> Timetable:
    """Return the timetable of at most so many steps with the least energy that never gives less than is asked.

    asked (s, q): output that each series of lamps needs in each slot; power_kw (s,): of each; hours_h (q,): of each slot. All
    series change at the same slots. Exact: every division of the slots is compared, by dynamic programming.
    """
    slots = asked.shape[1]
    cost = np.full((slots + 1, slots + 1), np.inf)
    total_h = np.concatenate(([0.0], np.cumsum(hours_h)))
    for i in range(slots):
        most = np.maximum.accumulate(asked[:, i:], axis=1)
        cost[i, i + 1 :] = (power_kw @ most) * (total_h[i + 1 :] - total_h[i])
    reached, source = np.full((steps + 1, slots + 1), np.inf), np.zeros((steps + 1, slots + 1), dtype=np.int64)
    reached[0, 0] = 0.0
    for p in range(1, steps + 1):
        way = reached[p - 1][:, None] + cost
        source[p] = np.argmin(way, axis=0)
        reached[p] = way[source[p], np.arange(slots + 1)]
    used = int(np.argmin(np.round(reached[:, slots], 12)))
    begin: list[int] = []
    end = slots
    for p in range(used, 0, -1):
        end = int(source[p, end])
        begin.insert(0, end)
    ends = [*begin[1:], slots]
    outputs = np.stack([asked[:, a:b].max(axis=1) for a, b in zip(begin, ends, strict=True)], axis=1)
    return Timetable(np.array(begin), outputs, float(reached[used, slots]), float((power_kw @ asked) @ hours_h))
