# SPDX-License-Identifier: Apache-2.0
"""The calculation field of a straight road after EN 13201-3:2015: geometry, grids and the lamps that count.

x runs along the road in the direction of travel, y across it from the kerb on the right. The field lies between two
consecutive luminaires of one row, 0 <= x < spacing.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lamplighter.terms.columns import FloatArray, IntArray

Arrangement = Literal["single", "opposite", "staggered", "central"]
ARRANGEMENTS: tuple[Arrangement, ...] = ("single", "opposite", "staggered", "central")

EYE_HEIGHT_M = 1.5  # EN 13201-3:2015, position of the observer
OBSERVER_BEFORE_M = 60.0  # EN 13201-3:2015, position of the observer
GLARE_AHEAD_M = 500.0  # EN 13201-3:2015, 8.5
SCREEN_TAN = 1.0 / 2.75  # the vehicle's roof hides what is more than 20 degrees up
BEHIND_HEIGHTS, AHEAD_HEIGHTS, ASIDE_HEIGHTS = 5.0, 12.0, 5.0


@dataclass(frozen=True)
class RoadField:
    """A straight road and its luminaires. overhang_m: luminaire beyond its own kerb, towards the road.

    Central: columns on the middle line, each with two luminaires that face the kerbs, overhang_m from the middle line.
    """

    arrangement: Arrangement
    spacing_m: float
    width_m: float
    lanes: int
    height_m: float
    overhang_m: float = 0.0
    tilt_deg: float = 0.0

    def __post_init__(self) -> None:
        bounds = (
            ("spacing_m", self.spacing_m, 3.0, 200.0),
            ("width_m", self.width_m, 0.5, 60.0),
            ("lanes", self.lanes, 1, 12),
            ("height_m", self.height_m, 2.0, 40.0),
            ("overhang_m", self.overhang_m, -10.0, 10.0),
            ("tilt_deg", self.tilt_deg, -30.0, 45.0),
        )
        for name, value, low, high in bounds:
            if not low <= value <= high:
                raise ValueError(f"road field: {name} is {value:g}, allowed is {low:g} to {high:g}; mend the geometry")
        if self.arrangement not in ARRANGEMENTS:
            raise ValueError(f"road field: arrangement {self.arrangement!r} is not one of {', '.join(ARRANGEMENTS)}")

    def rows(self) -> int:
        """Return the number of luminaires per spacing."""
        return 1 if self.arrangement == "single" else 2


@dataclass(frozen=True)
class Lamps:
    """The luminaires of a road, columns (k,): position, and side +1 facing +y, -1 facing -y."""

    x_m: FloatArray
    y_m: FloatArray
    side: IntArray


def points_along(spacing_m: float) -> int:
    """Return the number of grid points along the field: 10 up to 30 m, above it the least with steps of 3 m at most."""
    return 10 if spacing_m <= 30.0 else math.ceil(spacing_m / 3.0 - 1e-9)


def points_across(width_m: float) -> int:
    """Return the number of illuminance grid points across a strip: at least 3, with steps of 1.5 m at most."""
    return max(3, math.ceil(width_m / 1.5 - 1e-9))


def grid_x(road: RoadField) -> FloatArray:
    """Return (n,) positions of the grid points along the field."""
    count = points_along(road.spacing_m)
    return (np.arange(count) + 0.5) * road.spacing_m / count


def luminance_y(road: RoadField) -> FloatArray:
    """Return (3 lanes,) positions of the luminance grid points across the carriageway, three in each lane."""
    return (np.arange(3 * road.lanes) + 0.5) * road.width_m / (3 * road.lanes)


def lane_centre_y(road: RoadField) -> FloatArray:
    """Return (lanes,) positions of the lanes' centre lines, where the observers are."""
    return (np.arange(road.lanes) + 0.5) * road.width_m / road.lanes


def illuminance_y(road: RoadField) -> FloatArray:
    """Return (m,) positions of the illuminance grid points across the carriageway."""
    count = points_across(road.width_m)
    return (np.arange(count) + 0.5) * road.width_m / count


def strips_y(road: RoadField) -> FloatArray:
    """Return (4, m) positions across the strips of the edge ratio, each one lane wide.

    In order: outside right, inside right, inside left, outside left (EN 13201-3:2015, 8.6; a carriageway of one lane
    has strips of half its width, so that the two inside do not overlap).
    """
    strip = min(road.width_m / road.lanes, road.width_m / 2.0)
    count = points_across(strip)
    offset = (np.arange(count) + 0.5) * strip / count
    return np.stack([offset - strip, offset, road.width_m - strip + offset, road.width_m + offset])


def lamps_of(road: RoadField) -> Lamps:
    """Return every luminaire that may count for any point, observer or glare position of the field."""
    first = -math.ceil((AHEAD_HEIGHTS * road.height_m + OBSERVER_BEFORE_M) / road.spacing_m) - 1
    last = math.ceil((GLARE_AHEAD_M + road.spacing_m) / road.spacing_m) + 1
    x = np.arange(first, last + 1, dtype=np.float64) * road.spacing_m
    ones = np.ones(len(x))
    right = np.ones(len(x), dtype=np.int64)
    if road.arrangement == "single":
        return Lamps(x, ones * road.overhang_m, right)
    if road.arrangement == "central":
        middle = road.width_m / 2.0
        out = np.concatenate([ones * (middle + road.overhang_m), ones * (middle - road.overhang_m)])
        return Lamps(np.concatenate([x, x]), out, np.concatenate([right, -right]))
    other = x + (road.spacing_m / 2.0 if road.arrangement == "staggered" else 0.0)
    far = ones * (road.width_m - road.overhang_m)
    return Lamps(np.concatenate([x, other]), np.concatenate([ones * road.overhang_m, far]), np.concatenate([right, -right]))
