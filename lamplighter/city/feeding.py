# SPDX-License-Identifier: Apache-2.0
"""Hangs every asset that needs power on the nearest asset that feeds."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from lamplighter.city.geodesy import local_metres
from lamplighter.terms.asset import Assets
from lamplighter.terms.city import Place
from lamplighter.terms.columns import BoolArray, FloatArray
from lamplighter.terms.service import Service


def feed(assets: Assets, services: Sequence[Service], place: Place) -> tuple[Assets, tuple[str, ...]]:
    """Return the assets with `fed_by` filled in where it was empty, and report lines.

    Distance is as the crow flies in local metres. Where no service at hand feeds, nothing is filled in.
    """
    needs = _of_kinds(assets, [kind.name for service in services for kind in service.kinds if kind.needs_power])
    feeds = _of_kinds(assets, [kind.name for service in services for kind in service.kinds if kind.feeds])
    hungry = np.flatnonzero(needs & (assets.fed_by == ""))
    nodes = np.flatnonzero(feeds)
    if len(hungry) == 0 or len(nodes) == 0:
        return assets, ()
    x, y = local_metres(assets.lon_deg, assets.lat_deg, place)
    points: FloatArray = np.stack([x, y], axis=1)
    found: Any = KDTree(points[nodes]).query(points[hungry])
    distance_m: FloatArray = np.asarray(found[0], dtype=np.float64)
    nearest = np.asarray(found[1], dtype=np.int64)
    fed_by = assets.fed_by.astype(object)
    fed_by[hungry] = assets.id[nodes][nearest]
    line = (
        f"{len(hungry)} assets that need power hang on the nearest of {len(nodes)} nodes, "
        f"{np.median(distance_m):.0f} m away in the median and {distance_m.max():.0f} m at most."
    )
    return replace(assets, fed_by=fed_by.astype(np.str_)), (line,)


def _of_kinds(assets: Assets, names: list[str]) -> BoolArray:
    return np.isin(assets.kind, np.array(names, dtype=np.str_))
