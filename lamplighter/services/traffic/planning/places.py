# SPDX-License-Identifier: Apache-2.0
"""Metres of the network as degrees, by fitting the streets that the city has already placed on the earth."""

import numpy as np

from lamplighter.services.traffic.planning.network import RoadNetwork
from lamplighter.terms.city import Streets
from lamplighter.terms.columns import BoolArray, FloatArray

_ROUNDS = 4
_TRIM_DEG = 2e-5  # about 2 m: a street that begins so far from its junction's middle says nothing about the projection


def to_degrees(network: RoadNetwork, streets: Streets, place_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return longitude and latitude (n,) of places (n, 2) in metres of the network.

    A quadratic in both metres, fitted to where streets begin and end, without those whose line is cut at a wide
    junction. Raises ValueError where fewer than six streets begin at a known junction.
    """
    first, last = streets.shape_offsets[:-1], streets.shape_offsets[1:] - 1
    points = np.concatenate([first, last])
    names = np.concatenate([streets.from_node, streets.to_node])
    known = [n for n, name in enumerate(names.tolist()) if name in network.junction_xy_m]
    if len(known) < 6:
        raise ValueError(
            f"only {len(known)} ends of streets lie at a junction of sumo/net.xml, 6 are needed: build the city again"
        )
    ends_m = np.asarray([network.junction_xy_m[str(names[n])] for n in known])
    lon_deg, lat_deg = streets.shape_lon_deg[points[known]], streets.shape_lat_deg[points[known]]
    middle_m = ends_m.mean(axis=0)
    terms = _quadratic(ends_m - middle_m)
    kept: BoolArray = np.ones(len(terms), dtype=np.bool_)
    lon, lat = np.zeros(6), np.zeros(6)
    for done in range(_ROUNDS):
        lon = np.linalg.lstsq(terms[kept], lon_deg[kept], rcond=None)[0]
        lat = np.linalg.lstsq(terms[kept], lat_deg[kept], rcond=None)[0]
        off_deg = np.hypot(terms @ lon - lon_deg, terms @ lat - lat_deg)
        near = off_deg <= max(_TRIM_DEG * 2.0 ** (_ROUNDS - done), float(np.quantile(off_deg, 0.3)))
        kept = near if near.sum() >= 6 else kept
    there = _quadratic(place_m - middle_m)
    return np.round(there @ lon, 7), np.round(there @ lat, 7)


def _quadratic(place_m: FloatArray) -> FloatArray:
    """Return the terms (n, 6) of a quadratic in kilometres."""
    x_km, y_km = place_m[:, 0] / 1000.0, place_m[:, 1] / 1000.0
    return np.stack([np.ones(len(x_km)), x_km, y_km, x_km * x_km, x_km * y_km, y_km * y_km], axis=1)
