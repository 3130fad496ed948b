# SPDX-License-Identifier: Apache-2.0
"""Where the sun stands, as a pure formula, good to 0.05 degrees from 1950 to 2050."""

import numpy as np

from lamplighter.terms.columns import FloatArray

_J2000_S = 946_728_000.0  # 2000-01-01 12:00 UTC as POSIX seconds


def elevation_deg(time_s: FloatArray, lon_deg: float, lat_deg: float) -> FloatArray:
    """Return the sun's elevation in degrees, without refraction, at POSIX seconds of any shape.

    Source: the low-precision formulas of the Astronomical Almanac, as given by Michalsky, Solar Energy 40 (1988) 227.
    """
    days = (np.asarray(time_s, dtype=np.float64) - _J2000_S) / 86_400.0
    mean_longitude = 280.460 + 0.9856474 * days
    anomaly = np.radians(357.528 + 0.9856003 * days)
    ecliptic = np.radians(mean_longitude + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2.0 * anomaly))
    tilt = np.radians(23.439 - 4.0e-7 * days)
    right_ascension = np.degrees(np.arctan2(np.cos(tilt) * np.sin(ecliptic), np.cos(ecliptic)))
    declination = np.arcsin(np.sin(tilt) * np.sin(ecliptic))
    sidereal_deg = 280.46062 + 360.985647366 * days + lon_deg
    hour_angle = np.radians(sidereal_deg - right_ascension)
    latitude = np.radians(lat_deg)
    sine = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(hour_angle)
    return np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0)))
