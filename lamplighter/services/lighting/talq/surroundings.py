# SPDX-License-Identifier: Apache-2.0
"""Ambient light and rain of a cell, from sensors that somebody has set up to speak for it: their asset id is that of the cell.

Any other sensor of light or rain is let be: most of them look at the sky to switch a lamp, and what they see by night says
nothing of the street.
"""

import numpy as np

from lamplighter.services.lighting import wire
from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.sun import elevation_deg
from lamplighter.services.lighting.terms import BOUNDARY_S, CADENCE_S
from lamplighter.terms.columns import FloatArray, IntArray
from lamplighter.terms.measurement import FrameArray

MINUTES = BOUNDARY_S // CADENCE_S
OLD_S = 900.0  # a sensor that has said nothing for so long is not asked
WET_AFTER_S = 1800.0  # a road stays wet for a while after rain
AMBIENT_MOST_DLX = 65_535.0


class Surroundings:
    """Adds up minutes to quarter-hours, cell by cell."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        cells = len(layout.cell_asset)
        self._ambient_lx, self._lit_minutes = np.zeros(cells), np.zeros(cells, dtype=np.int64)
        self._wet_minutes, self._told_minutes = np.zeros(cells, dtype=np.int64), np.zeros(cells, dtype=np.int64)
        self._rained_s: FloatArray = np.full(cells, -np.inf)

    def ambient(self, cell: IntArray, light_lx: FloatArray, now_s: float) -> None:
        """Take what light sensors (n,) say this minute; by day it is the sun's, and is not counted."""
        about = self._layout
        if elevation_deg(np.array([now_s]), about.lon_deg, about.lat_deg)[0] >= about.dusk_elevation_deg:
            return
        count = np.bincount(cell, minlength=len(self._ambient_lx))
        mean = np.bincount(cell, weights=light_lx, minlength=len(self._ambient_lx)) / np.maximum(count, 1)
        self._ambient_lx += mean
        self._lit_minutes += count > 0

    def rain(self, cell: IntArray, rate_mm_h: FloatArray, now_s: float) -> None:
        """Take what rain sensors (n,) say this minute."""
        self._rained_s[cell[rate_mm_h > 0.0]] = now_s
        told = np.bincount(cell, minlength=len(self._told_minutes)) > 0
        self._told_minutes += told
        self._wet_minutes += told & (now_s - self._rained_s <= WET_AFTER_S)

    def rows(self) -> tuple[FrameArray, FrameArray]:
        """Return the rows of ambient light and of wet roads for the quarter-hour that ends now, of cells that were told of in
        every minute of it, and begin the next one."""
        lit, told = np.flatnonzero(self._lit_minutes == MINUTES), np.flatnonzero(self._told_minutes == MINUTES)
        ambient, wet = np.zeros(len(lit), dtype=wire.AMBIENT_ROW), np.zeros(len(told), dtype=wire.WET_ROW)
        ambient["number"] = lit
        ambient["ambient_dlx"] = np.clip(np.rint(self._ambient_lx[lit] / MINUTES * 10.0), 0.0, AMBIENT_MOST_DLX)
        wet["number"], wet["wet_percent"] = told, np.rint(self._wet_minutes[told] / MINUTES * 100.0)
        self._ambient_lx[:], self._lit_minutes[:], self._wet_minutes[:], self._told_minutes[:] = 0.0, 0, 0, 0
        return ambient, wet
