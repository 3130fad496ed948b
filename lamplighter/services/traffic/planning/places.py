# SPDX-License-Identifier: Apache-2.0
"""Metres of the network as degrees, by fitting the streets that the city has already placed on the earth."""

import numpy as np

from lamplighter.services.traffic.planning.network import RoadNetwork
from lamplighter.terms.city import Streets
from lamplighter.terms.columns import BoolArray, FloatArray

_ROUNDS = 3
_FAR_DEG = 2e-4  # about 20 m: an end so far off is drawn otherwise and says nothing about the projection


def to_degrees(network: RoadNetwork, streets: Streets, place_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return longitude and latitude (n,) of places (n, 2) in metres of the network.

    A quadratic in both metres, fitted by least squares to where streets begin and end. A street's line may lie beside
    its lanes by half a carriageway; both directions together cancel that. Raises ValueError where fewer than three
    streets are in the network.
    """
    known = [n for n, street in enumerate(streets.id.tolist()) if street in network.edges]
    if len(known) < 3:
        raise ValueError(f"only {len(known)} streets are in sumo/net.xml, 3 are needed: build the city again")
    lanes = [network.edges[str(streets.id[n])].lanes for n in known]
    ends_m = np.asarray([np.mean([lane.shape_m[end] for lane in mine], axis=0) for end in (0, -1) for mine in lanes])
    points = np.concatenate([streets.shape_offsets[:-1][known], streets.shape_offsets[1:][known] - 1])
    lon_deg, lat_deg = streets.shape_lon_deg[points], streets.shape_lat_deg[points]
    middle_m = ends_m.mean(axis=0)
    terms = _quadratic(ends_m - middle_m)
    kept: BoolArray = np.ones(len(terms), dtype=np.bool_)
    lon, lat = np.zeros(6), np.zeros(6)
    for _ in range(_ROUNDS):
        lon = np.linalg.lstsq(terms[kept], lon_deg[kept], rcond=None)[0]
        lat = np.linalg.lstsq(terms[kept], lat_deg[kept], rcond=None)[0]
        near = np.hypot(terms @ lon - lon_deg, terms @ lat - lat_deg) <= _FAR_DEG
        kept = near if near.sum() >= 6 else kept
    there = _quadratic(place_m - middle_m)
    return np.round(there @ lon, 7), np.round(there @ lat, 7)


def _quadratic(place_m: FloatArray) -> FloatArray:
    """Return the terms (n, 6) of a quadratic in kilometres."""
    x_km, y_km = place_m[:, 0] / 1000.0, place_m[:, 1] / 1000.0
    return np.stack([np.ones(len(x_km)), x_km, y_km, x_km * x_km, x_km * y_km, y_km * y_km], axis=1)
