# SPDX-License-Identifier: Apache-2.0
"""From a road network's metres to WGS84 and to local metres, without a projection library.

Transverse Mercator by Krueger's series to the fourth order in the third flattening (C. F. F. Karney, Transverse
Mercator with an accuracy of a few nanometers, J. Geodesy 85, 2011, eq. 7-11 and 35-36), good to a few
nanometres within a zone. Datum shifts are not applied: ETRS89 and WGS84 are taken as one, as in OpenStreetMap.
"""

import math
from dataclasses import dataclass

import numpy as np

from lamplighter.terms.city import Place
from lamplighter.terms.columns import FloatArray

ELLIPSOIDS = {"WGS84": (6378137.0, 298.257223563), "GRS80": (6378137.0, 298.257222101)}  # semi-major axis in m, 1 / flattening
METRES_PER_DEGREE = math.pi / 180 * 6371008.8  # mean earth radius, IUGG


@dataclass(frozen=True)
class TransverseMercator:
    """One projection: origin, scale on the central meridian, false easting and northing, ellipsoid."""

    lon0_deg: float
    lat0_deg: float
    scale_ratio: float
    false_east_m: float
    false_north_m: float
    axis_m: float
    flattening_ratio: float


def _series(flattening: float) -> tuple[float, tuple[float, ...], tuple[float, ...]]:
    """Return A/a and the coefficients alpha (forward) and beta (inverse) of the series in the third flattening."""
    n = flattening / (2 - flattening)
    n2, n3, n4 = n * n, n**3, n**4
    rectifying = (1 + n2 / 4 + n4 / 64) / (1 + n)
    alpha = (
        n / 2 - 2 * n2 / 3 + 5 * n3 / 16 + 41 * n4 / 180,
        13 * n2 / 48 - 3 * n3 / 5 + 557 * n4 / 1440,
        61 * n3 / 240 - 103 * n4 / 140,
        49561 * n4 / 161280,
    )
    beta = (
        n / 2 - 2 * n2 / 3 + 37 * n3 / 96 - n4 / 360,
        n2 / 48 + n3 / 15 - 437 * n4 / 1440,
        17 * n3 / 480 - 37 * n4 / 840,
        4397 * n4 / 161280,
    )
    return rectifying, alpha, beta


def _northing_of_origin(p: TransverseMercator) -> float:
    centre = TransverseMercator(p.lon0_deg, 0.0, p.scale_ratio, 0.0, 0.0, p.axis_m, p.flattening_ratio)
    return float(project(np.array([p.lon0_deg]), np.array([p.lat0_deg]), centre)[1][0]) if p.lat0_deg else 0.0


def project(lon_deg: FloatArray, lat_deg: FloatArray, p: TransverseMercator) -> tuple[FloatArray, FloatArray]:
    """Return easting and northing in metres, shapes as given."""
    rectifying, alpha, _ = _series(p.flattening_ratio)
    e = math.sqrt(p.flattening_ratio * (2 - p.flattening_ratio))
    sine = np.sin(np.radians(lat_deg))
    conformal = np.sinh(np.arctanh(sine) - e * np.arctanh(e * sine))
    turn = np.radians(lon_deg - p.lon0_deg)
    xi0 = np.arctan2(conformal, np.cos(turn))
    eta0 = np.arcsinh(np.sin(turn) / np.hypot(conformal, np.cos(turn)))
    xi, eta = xi0.copy(), eta0.copy()
    for order, a in enumerate(alpha, start=1):
        xi += a * np.sin(2 * order * xi0) * np.cosh(2 * order * eta0)
        eta += a * np.cos(2 * order * xi0) * np.sinh(2 * order * eta0)
    radius = p.scale_ratio * p.axis_m * rectifying
    return p.false_east_m + radius * eta, p.false_north_m + radius * xi - _northing_of_origin(p)


def unproject(east_m: FloatArray, north_m: FloatArray, p: TransverseMercator) -> tuple[FloatArray, FloatArray]:
    """Return longitude and latitude in degrees, shapes as given."""
    rectifying, _, beta = _series(p.flattening_ratio)
    e = math.sqrt(p.flattening_ratio * (2 - p.flattening_ratio))
    radius = p.scale_ratio * p.axis_m * rectifying
    xi0 = (north_m - p.false_north_m + _northing_of_origin(p)) / radius
    eta0 = (east_m - p.false_east_m) / radius
    xi, eta = xi0.copy(), eta0.copy()
    for order, b in enumerate(beta, start=1):
        xi -= b * np.sin(2 * order * xi0) * np.cosh(2 * order * eta0)
        eta -= b * np.cos(2 * order * xi0) * np.sinh(2 * order * eta0)
    conformal = np.sin(xi) / np.hypot(np.sinh(eta), np.cos(xi))
    tangent = conformal.copy()
    for _ in range(5):  # Newton's method on eq. 7-9; converges quadratically, three rounds reach machine precision
        sigma = np.sinh(e * np.arctanh(e * tangent / np.sqrt(1 + tangent**2)))
        guess = tangent * np.sqrt(1 + sigma**2) - sigma * np.sqrt(1 + tangent**2)
        slope = (1 - e * e) * np.sqrt(1 + guess**2) * np.sqrt(1 + tangent**2) / (1 + (1 - e * e) * tangent**2)
        tangent = tangent + (conformal - guess) / slope
    return p.lon0_deg + np.degrees(np.arctan2(np.sinh(eta), np.cos(xi))), np.degrees(np.arctan(tangent))


def from_parameters(parameters: str) -> TransverseMercator | None:
    """Return the projection of a `projParameter` text of a SUMO net, None where it is not a transverse Mercator
    on WGS84 or GRS80."""
    given: dict[str, str] = {}
    for word in parameters.split():
        key, _, value = word.lstrip("+").partition("=")
        given[key] = value
    ellipsoid = ELLIPSOIDS.get(given.get("ellps") or given.get("datum") or "WGS84")
    if ellipsoid is None:
        return None
    axis_m, flattening = ellipsoid[0], 1 / ellipsoid[1]
    if given.get("proj") == "utm" and given.get("zone", "").isdigit():
        north_m = 10_000_000.0 if "south" in given else 0.0
        return TransverseMercator(6.0 * int(given["zone"]) - 183.0, 0.0, 0.9996, 500_000.0, north_m, axis_m, flattening)
    if given.get("proj") == "tmerc" and not given.get("towgs84", "").strip("0,"):
        scale = float(given.get("k") or given.get("k_0") or 1.0)
        origin = (float(given.get("lon_0", "0")), float(given.get("lat_0", "0")))
        false = (float(given.get("x_0", "0")), float(given.get("y_0", "0")))
        return TransverseMercator(origin[0], origin[1], scale, false[0], false[1], axis_m, flattening)
    return None


def around(lon0_deg: float, lat0_deg: float) -> TransverseMercator:
    """Return a plane of true metres around a stated origin, for a network that carries no geographic reference."""
    axis_m, inverse = ELLIPSOIDS["WGS84"]
    return TransverseMercator(lon0_deg, lat0_deg, 1.0, 0.0, 0.0, axis_m, 1 / inverse)


def local_metres(lon_deg: FloatArray, lat_deg: FloatArray, place: Place) -> tuple[FloatArray, FloatArray]:
    """Return metres east and north of the city's origin (plate carree, within 0.1 % across a city)."""
    east = (lon_deg - place.lon0_deg) * METRES_PER_DEGREE * math.cos(math.radians(place.lat0_deg))
    return east, (lat_deg - place.lat0_deg) * METRES_PER_DEGREE


def from_local_metres(east_m: FloatArray, north_m: FloatArray, place: Place) -> tuple[FloatArray, FloatArray]:
    """Return longitude and latitude of metres east and north of the city's origin."""
    lon = place.lon0_deg + east_m / (METRES_PER_DEGREE * math.cos(math.radians(place.lat0_deg)))
    return lon, place.lat0_deg + north_m / METRES_PER_DEGREE
