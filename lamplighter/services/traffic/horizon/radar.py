# SPDX-License-Identifier: Apache-2.0
"""From counts in cells to when vehicles can be at the stop line.

Cells carry counts only. What enters and leaves a cell in a second follows from the counts and from what crossed the stop
line, cell by cell upstream (the input-output method, after W. R. McShane, R. P. Roess, Traffic Engineering, 1990), and so
does for how long the vehicles in a cell have been there. Who has been there longer than driving through takes is slow or
stands. Only sums per cell and second of entry are kept; nothing says which vehicle is which.
"""

from numba import njit

from lamplighter.services.traffic.horizon.scheme import CELLS
from lamplighter.terms.columns import FloatArray

AGES = 8  # seconds since entry that are told apart within a cell; the last one holds all that are longer there


@njit(cache=True)
def fold(cell_veh: FloatArray, passed_veh: FloatArray, age_veh: FloatArray, inflow_veh: FloatArray) -> None:
    """Carry age_veh (l, CELLS, AGES), vehicles by cell and seconds since they entered it, over one second.

    cell_veh (l, CELLS) and passed_veh (l,) are what is seen; inflow_veh (l,) is filled with the vehicles that came to the lane.
    """
    for lane in range(len(passed_veh)):
        out = passed_veh[lane]
        came = 0.0
        for c in range(CELLS):
            ages = age_veh[lane, c]
            had = 0.0
            for a in range(AGES):
                had += ages[a]
            seen = cell_veh[lane, c]
            came += seen - had
            ages[AGES - 1] += ages[AGES - 2]
            for a in range(AGES - 2, 0, -1):
                ages[a] = ages[a - 1]
            ages[0] = 0.0
            left = min(max(out, had - seen), had)
            through = max(out - left, 0.0)
            for a in range(AGES - 1, -1, -1):
                gone = min(ages[a], left)
                ages[a] -= gone
                left -= gone
            stays = had - min(max(out, had - seen), had)
            entered = max(seen - stays, 0.0)
            ages[0] = entered
            out = entered + through
            above = 0.0
            if c + 1 < CELLS:
                for a in range(AGES):
                    above += age_veh[lane, c + 1, a]
            out = min(out, above)
        inflow_veh[lane] = came + passed_veh[lane]
