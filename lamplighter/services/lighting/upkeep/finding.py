# SPDX-License-Identifier: Apache-2.0
"""Which lamps and cabinets are broken, from the registers of one day. Pure.

A lamp that says nothing is not a broken lamp: its radio may be. What tells them apart is its cabinet's meter: a lamp that burns
draws power. A cabinet without supply is one fault, not forty.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.photometry.luminaires import GEAR_W
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

FINE, DARK, WITHOUT_POWER, UNDIMMED, BY_DAY, UNHEARD, DARK_CABINET, UNHEARD_METER, ONE_OF = range(9)
NAMES = (
    "fine",
    "gives no light",
    "without power",
    "does not dim",
    "burns by day",
    "cannot be heard",
    "cabinet without supply",
    "meter cannot be heard",
    "silent, and some beside it are without power",
)
TO_MEND = (DARK, WITHOUT_POWER, UNDIMMED, BY_DAY, DARK_CABINET)
STANDBY_W = 0.4
CLO_USUAL_RATIO = 0.95  # of the light's power at half the lamp's life, where constant light output makes up for fading
LIGHT_LEAST_RATIO = 0.5  # less of the light's energy than that and the light is out
LIGHT_MOST_RATIO = 1.25  # more: it burned brighter than its own register says
UNDIMMED_RATIO = 0.98  # of its hours alight at full output
DIMMED_RATIO = 0.9  # at most, by the timetable: else there is no telling
DAY_APART_H = 3.0  # longer alight than its fellows
BURN_LEAST_H = 1.0  # a shorter night proves nothing
SURE_RATIO = 0.6  # of the energy of a silent lamp, missing at its cabinet's meter
SILENT_MOST = 12  # more silent lamps in a cabinet: too many ways to add up
METER_RATIO = 0.01  # how far a meter of class 1 may be off
AGE_RATIO = 0.08  # how far constant light output moves what a lamp of unknown age draws


@dataclass(frozen=True)
class Reported:
    """What gear, gateway and cabinets say themselves, by cabinet (b,): lamps that report a failure, lamps that are not reached
    (which says nothing about the lamp), and whether supply is lost."""

    failed: IntArray
    unreached: IntArray
    lost: BoolArray


@dataclass(frozen=True)
class Day:
    """Registers of the day that ended at noon. energy_kwh, burn_h, light_h (l,) of lamps, heard (l,); metered_kwh, metered (b,)
    of cabinets; spoke (b,): whether any segment of a cabinet reported in the night; planned_h (s,): hours at full output that the
    timetable asks of each segment; reported: where the field tells of failures itself."""

    energy_kwh: FloatArray
    burn_h: FloatArray
    light_h: FloatArray
    heard: BoolArray
    metered_kwh: FloatArray
    metered: BoolArray
    spoke: BoolArray
    planned_h: FloatArray
    reported: Reported | None = None


@dataclass(frozen=True)
class Found:
    """lamp (l,), cabinet (b,): codes as in NAMES; among (b,): how many of its lamps with code ONE_OF are without power; told
    (b,): how many more of its lamps report a failure themselves than were found by registers."""

    lamp: IntArray
    cabinet: IntArray
    among: IntArray
    told: IntArray


def expected_kwh(burn_h: FloatArray, light_h: FloatArray, layout: Layout) -> FloatArray:
    """Return (l,) what a sound lamp of usual age draws in a day: gear while alight, light at full output, its radio by day."""
    light_w = (layout.segments.power_w[layout.lamp_segment] - GEAR_W) * CLO_USUAL_RATIO
    return (GEAR_W * burn_h + light_w * light_h + STANDBY_W * np.maximum(24.0 - burn_h, 0.0)) / 1000.0


def _fellows(value: FloatArray, heard: BoolArray, group: IntArray, groups: int) -> tuple[FloatArray, BoolArray]:
    """Return (g,) the median of what the heard lamps of each group say, and whether any does."""
    out, known = np.zeros(groups), np.zeros(groups, dtype=np.bool_)
    rows = np.flatnonzero(heard)
    order = rows[np.lexsort((value[rows], group[rows]))]
    count = np.bincount(group[order], minlength=groups)
    begin = np.concatenate(([0], np.cumsum(count)))[:-1]
    some = np.flatnonzero(count > 0)
    low, high = begin[some] + (count[some] - 1) // 2, begin[some] + count[some] // 2
    out[some], known[some] = (value[order][low] + value[order][high]) / 2.0, True
    return out, known


def _usual(day: Day, layout: Layout) -> tuple[FloatArray, FloatArray]:
    """Return hours alight and hours at full output that are usual beside each lamp (l,): the median of its cabinet, and that of
    its segment where three or more are heard, else what the timetable asks."""
    segment = layout.lamp_segment
    cabinet = layout.segments.cabinet[segment]
    burn, _ = _fellows(day.burn_h, day.heard, cabinet, len(layout.cabinet_asset))
    light, _ = _fellows(day.light_h, day.heard, segment, len(day.planned_h))
    many = np.bincount(segment, weights=day.heard, minlength=len(light)) >= 3
    return burn[cabinet], np.where(many, light, day.planned_h)[segment]


def find(day: Day, layout: Layout) -> Found:
    """Return what is wrong with each lamp and cabinet."""
    cabinet_of = layout.segments.cabinet[layout.lamp_segment]
    cabinets = len(layout.cabinet_asset)
    silent = np.bincount(cabinet_of, weights=~day.heard, minlength=cabinets) == np.bincount(cabinet_of, minlength=cabinets)
    dark = silent & ~day.metered & ~day.spoke
    dark |= np.zeros(cabinets, dtype=np.bool_) if day.reported is None else day.reported.lost
    cabinet = np.where(dark, DARK_CABINET, np.where(day.metered, FINE, UNHEARD_METER))
    burn, light = _usual(day, layout)
    lamp = _spoken(day, burn, layout)
    lamp[~day.heard] = UNHEARD
    lamp[dark[cabinet_of]] = FINE  # one fault, and it is the cabinet's
    silent_lamp, among = _missing_power(day, expected_kwh(burn, light, layout), layout)
    lamp = np.where(day.heard | dark[cabinet_of], lamp, silent_lamp)
    among = np.where(dark, 0, among).astype(np.int64)
    broken = np.bincount(cabinet_of, weights=np.isin(lamp, TO_MEND), minlength=cabinets).astype(np.int64) + among
    failed = np.zeros(cabinets, dtype=np.int64) if day.reported is None else day.reported.failed
    told = np.where(dark, 0, np.maximum(failed - broken, 0)).astype(np.int64)
    return Found(lamp.astype(np.int64), cabinet.astype(np.int64), among, told)


def _spoken(day: Day, burn_h: FloatArray, layout: Layout) -> IntArray:
    """Return (l,) what the registers of lamps that are heard say of them."""
    light_w = (layout.segments.power_w[layout.lamp_segment] - GEAR_W) * CLO_USUAL_RATIO
    standing = (GEAR_W * day.burn_h + STANDBY_W * np.maximum(24.0 - day.burn_h, 0.0)) / 1000.0
    lit = (day.energy_kwh - standing) / np.maximum(light_w * day.light_h / 1000.0, 1e-9)
    night = day.burn_h >= BURN_LEAST_H
    found = np.full(len(lit), FINE, dtype=np.int64)
    dimmed = day.planned_h[layout.lamp_segment] < DIMMED_RATIO * burn_h
    found[night & ((dimmed & (day.light_h > UNDIMMED_RATIO * day.burn_h)) | (lit > LIGHT_MOST_RATIO))] = UNDIMMED
    found[day.burn_h > burn_h + DAY_APART_H] = BY_DAY
    found[night & (lit < LIGHT_LEAST_RATIO)] = DARK
    return found


def _missing_power(day: Day, usual_kwh: FloatArray, layout: Layout) -> tuple[IntArray, IntArray]:
    """Return what silent lamps (l,) are, and how many of each cabinet's (b,) draw nothing without being told apart.

    So much is missing at their cabinet's meter. Of several silent lamps those are without power whose energy adds up to what is
    missing; where more than one answer fits, lamps that all answers name are, and of the others it is known how many.
    """
    cabinet_of = layout.segments.cabinet[layout.lamp_segment]
    told = np.bincount(cabinet_of, weights=np.where(day.heard, day.energy_kwh, 0.0), minlength=len(day.metered_kwh))
    left_kwh = day.metered_kwh - told  # what the silent lamps drew
    out = np.full(len(usual_kwh), UNHEARD, dtype=np.int64)
    among = np.zeros(len(left_kwh), dtype=np.int64)
    for cabinet in np.unique(cabinet_of[~day.heard]).tolist():
        rows = np.flatnonzero((cabinet_of == cabinet) & ~day.heard)
        if not day.metered[cabinet]:
            continue
        error_kwh = METER_RATIO * float(day.metered_kwh[cabinet])
        if len(rows) > SILENT_MOST:
            if left_kwh[cabinet] < (1.0 - SURE_RATIO) * float(usual_kwh[rows].min()):
                out[rows] = WITHOUT_POWER
            continue
        missing = float(usual_kwh[rows].sum() - left_kwh[cabinet])
        out[rows], among[cabinet] = _adding_up(usual_kwh[rows], missing, error_kwh)
    return out, among


def _adding_up(usual_kwh: FloatArray, missing_kwh: float, error_kwh: float) -> tuple[IntArray, int]:
    """Return the codes of silent lamps whose energy adds up to what is missing, and how many among those not told apart."""
    count = len(usual_kwh)
    choice = (np.arange(1 << count)[:, None] >> np.arange(count)) & 1
    total = choice @ usual_kwh
    off = np.abs(total - missing_kwh)
    # A meter may be off, and each silent lamp that burns is of an age that nobody knows.
    give = np.minimum(error_kwh, 0.4 * float(usual_kwh.min())) + AGE_RATIO * (float(usual_kwh.sum()) - total)
    fits = choice[off - give <= max(float((off - give).min()), 0.0)].astype(np.bool_)
    if float((off - give).min()) > 0.4 * float(usual_kwh.min()):
        return np.full(count, UNHEARD, dtype=np.int64), 0
    every, some = fits.all(axis=0), fits.any(axis=0)
    others = int(fits.sum(axis=1).min()) - int(every.sum())
    code = np.where(every, WITHOUT_POWER, np.where(some & (others > 0), ONE_OF, UNHEARD))
    return code.astype(np.int64), max(others, 0)
