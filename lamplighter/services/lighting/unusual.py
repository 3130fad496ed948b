# SPDX-License-Identifier: Apache-2.0
"""Whether something is on in the city that past nights do not know. Pure.

Two signs: counts plainly ask for more light than the timetables of several streets give; or many counters rise at once, each
by more than a draw explains, at an hour at which traffic as a whole does not grow like that. The second comes a quarter-hour
or two before the first. While something is on, what a street without a sound counter usually carries says nothing.
"""

import numpy as np

from lamplighter.services.lighting.layout import Layout, calendar_lower
from lamplighter.services.lighting.required import Need
from lamplighter.terms.columns import BoolArray, FloatArray

SEGMENTS_LEAST = 5  # with counters of their own; half of them where there are fewer
RISE = 2.5  # standard deviations of the difference of two draws
RISEN_LEAST, RISEN_SURELY = 3, 6  # counters: where traffic as a whole grows as it never did, and where it merely does not fall
FALLING_RATIO = 0.95
CARS_PER_VEH_H = 0.25
LASTS_QUARTERS = 1  # for which a sign holds


def against_timetables(plain: Need, now_s: float, layout: Layout) -> bool:
    """Tell whether counts speak against the timetables in several places at once."""
    stored = layout.timetables.stored[layout.segments.cell]
    counted = plain.own & plain.known & stored
    least = min(SEGMENTS_LEAST, max(int(plain.own.sum()) // 2, 1))
    return int((counted & (plain.relax < calendar_lower(now_s, layout))).sum()) >= least


def rising(flow_veh_h: FloatArray, before_veh_h: FloatArray, both: BoolArray, growth_ratio: float) -> bool:
    """Tell whether counters (m,) rise together as they never do at this hour. both (m,): sound now and a quarter-hour ago;
    growth_ratio: what the whole city's flow exceeds in one past quarter-hour of twenty."""
    cars, before = flow_veh_h[both] * CARS_PER_VEH_H, before_veh_h[both] * CARS_PER_VEH_H
    if before.sum() <= 0.0:
        return False
    common = float(cars.sum() / before.sum())
    risen = int(((cars - common * before) > RISE * np.sqrt(cars + common**2 * before + 1.0)).sum())
    return (risen >= RISEN_LEAST and common > growth_ratio) or (risen >= RISEN_SURELY and common > FALLING_RATIO)


def left(before: int, sign: bool) -> int:
    """Return for how many quarter-hours more it is taken to last."""
    return LASTS_QUARTERS if sign else max(before - 1, 0)
