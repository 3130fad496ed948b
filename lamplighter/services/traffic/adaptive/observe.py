# SPDX-License-Identifier: Apache-2.0
"""From what lane areas and loops count to the cells in which the planner wants to see vehicles.

An area says how many are on it and how many of them stand. Who enters it follows from the counts and from what left it
downstream (the input-output method, after W. R. McShane, R. P. Roess, Traffic Engineering, 1990); sums per second of entry say
how far those who move can be by now. Whoever came first is taken to be furthest, and nobody nearer than a queue allows.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.adaptive.survey import Areas, Lanes, Pieces
from lamplighter.services.traffic.horizon.scheme import CELL_M, CELLS
from lamplighter.services.traffic.terms import VEHICLE_M
from lamplighter.terms.columns import FloatArray

AGES = 24  # seconds since entry that are told apart; the last one holds all that are longer there


class Sight(NamedTuple):
    """What is carried from second to second, by area. age_veh (a, AGES): vehicles by seconds since they entered it;
    came_veh (a,): who entered in the last second; leaves_veh (a,): who left downstream then, and may still be counted."""

    age_veh: FloatArray
    came_veh: FloatArray
    leaves_veh: FloatArray


def begin(areas: Areas) -> Sight:
    """Return what is carried before the first second."""
    many = len(areas.row)
    return Sight(np.zeros((many, AGES)), np.zeros(many), np.zeros(many))


@njit(cache=True)
def follow(areas: Areas, veh: FloatArray, standing_veh: FloatArray, passed_veh: FloatArray, sight: Sight) -> None:
    """Carry the sums over one second, in place. veh, standing_veh (a,): on each area; passed_veh (l,): over stop lines.

    Who passes a detector may be counted before it a second longer.
    """
    age_veh, came_veh, leaves_veh = sight.age_veh, sight.came_veh, sight.leaves_veh
    near, lane, below, has_below, drive_s = areas.near, areas.lane, areas.below, areas.has_below, areas.drive_s
    for a in range(len(veh)):
        ages, had, over = age_veh[a], 0.0, int(drive_s[a]) + 1
        for n in range(AGES):
            had += ages[n]
        if near[a]:
            left = passed_veh[lane[a]]
        elif has_below[a]:
            left = came_veh[below[a]]
        else:
            left = 0.0
            for n in range(min(over, AGES - 1), AGES):
                left += ages[n]
            left = max(left - standing_veh[a], 0.0)
        fell = max(had - veh[a], 0.0)
        if near[a] or has_below[a]:
            late = max(leaves_veh[a] - fell, 0.0)  # who left a second ago and was replaced since
            leaves_veh[a] = left - min(max(fell - leaves_veh[a], 0.0), left)
        else:
            late = max(left - fell, 0.0)
        entered = min(max(veh[a] - had, 0.0) + late, veh[a])
        gone = had + entered - veh[a]
        ages[AGES - 1] += ages[AGES - 2]
        for n in range(AGES - 2, 0, -1):
            ages[n] = ages[n - 1]
        ages[0] = 0.0
        for n in range(AGES - 1, -1, -1):
            out = min(ages[n], gone)
            ages[n] -= out
            gone -= out
        ages[0] += entered
        came_veh[a] = entered


@njit(cache=True)
def place(
    lanes: Lanes, areas: Areas, pieces: Pieces, standing_veh: FloatArray, age_veh: FloatArray, cell_veh: FloatArray
) -> None:
    """Fill cell_veh (l, CELLS): where the vehicles are that move since they entered, and those that stand."""
    piece_offsets, speed_m_s = lanes.piece_offsets, lanes.speed_m_s
    area, begin_m, end_m, share = pieces.area, pieces.begin_m, pieces.end_m, pieces.share
    for lane in range(len(piece_offsets) - 1):
        before = 0.0
        for c in range(CELLS):
            cell_veh[lane, c] = 0.0
        for p in range(piece_offsets[lane], piece_offsets[lane + 1]):
            stands = standing_veh[area[p]] * share[p]
            for n in range(AGES - 1, -1, -1):
                veh = age_veh[area[p], n] * share[p]
                while veh > 1e-9:
                    unit = min(veh, 1.0)
                    at_m = max(begin_m[p], VEHICLE_M * before)
                    if stands <= 0.0:
                        at_m = max(at_m, end_m[p] - speed_m_s[lane] * (n + 0.5))
                    cell = int(at_m / CELL_M)
                    if cell < CELLS:
                        cell_veh[lane, cell] += unit
                    before += unit
                    stands -= unit
                    veh -= unit
