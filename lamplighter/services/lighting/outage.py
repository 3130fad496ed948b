# SPDX-License-Identifier: Apache-2.0
"""Streets beside an area without power keep the light that they were designed for, where their own lamps still burn.

Who walks or rides around a dark street comes through the ones beside it, and no counter of the dark area tells how many. More
than the design class is never asked, and messages come out of the night's usual few. A cabinet that the grid believes dark is one
outage, not forty broken lamps.
"""

from dataclasses import replace

import numpy as np
from scipy.spatial import KDTree

from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.required import Need
from lamplighter.terms.columns import BoolArray, FloatArray
from lamplighter.terms.snapshot import Snapshot

ENERGISED = "energised"
ENERGISED_FRESH_S = 200.0
BESIDE_M = 150.0  # about one block: who avoids a dark street takes the next
M_PER_DEG = 111_195.0  # of a great circle, earth as a sphere of 6371 km


def dark_assets(snapshot: Snapshot) -> BoolArray:
    """Return which assets of the city (n,) the grid believes to be without power now."""
    value, known = snapshot.citywide(ENERGISED, ENERGISED_FRESH_S)
    return known & (value == 0.0)


def dark_cabinets(snapshot: Snapshot, layout: Layout) -> BoolArray:
    """Return which cabinets (b,) are believed to be without power."""
    return dark_assets(snapshot)[layout.cabinet_asset]


def _places_m(snapshot: Snapshot, layout: Layout, at: BoolArray | slice) -> FloatArray:
    """Return metres east and north (k, 2) of some assets."""
    east = M_PER_DEG * np.cos(np.radians(layout.lat_deg)) * (snapshot.assets.lon_deg[at] - layout.lon_deg)
    return np.stack([east, M_PER_DEG * (snapshot.assets.lat_deg[at] - layout.lat_deg)], axis=1)


def beside(snapshot: Snapshot, layout: Layout) -> BoolArray:
    """Return which segments (s,) have power and lie within a block of anything that has none."""
    dark = dark_assets(snapshot)
    if not dark.any():
        return np.zeros(len(layout.segments.design), dtype=np.bool_)
    places = _places_m(snapshot, layout, slice(None))
    away_m, _ = KDTree(places[dark]).query(places[layout.segments.asset], distance_upper_bound=BESIDE_M)
    lit = ~dark[layout.cabinet_asset][layout.segments.cabinet]
    return lit & np.isfinite(np.asarray(away_m, dtype=np.float64))


def raised(needed: Need, near: BoolArray) -> Need:
    """Return the need with the design class on the segments (s,) beside an area without power."""
    if not near.any():
        return needed
    return replace(needed, relax=np.where(near, 0, needed.relax), given=np.where(near, 0, needed.given))
