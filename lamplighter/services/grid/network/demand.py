# SPDX-License-Identifier: Apache-2.0
"""What classes of consumers draw over a day: smooth curves, no household's own.

The curves are our own: a base and a few bell-shaped humps at the hours at which the published standard profiles of
the German energy industry (H0 and G0, winter working day) have theirs, scaled so that 1 is the mean power of the
year (yearly energy / 8760 h). The household curve peaks at 19:00 at 1.94 times the mean of the year.
"""

import numpy as np

from lamplighter.terms.columns import FloatArray

HOURS_A_YEAR = 8760.0
# (hour of the hump, width in hours, height) on top of a base.
HOUSEHOLD_BASE = 0.42
HOUSEHOLD_HUMPS = ((7.2, 1.1, 0.62), (12.4, 1.9, 0.72), (16.0, 1.8, 0.30), (19.0, 1.9, 1.42), (21.8, 1.2, 0.42))
COMMERCE_BASE = 0.46
COMMERCE_HUMPS = ((10.0, 2.2, 1.25), (14.0, 2.4, 0.90), (17.4, 1.6, 0.85))
POWER_FACTOR_TAN = 0.2  # reactive share of homes and shops: cos phi 0.98, inductive


def _curve(hour: FloatArray, base: float, humps: tuple[tuple[float, float, float], ...]) -> FloatArray:
    total = np.full(hour.shape, base)
    for at, width, height in humps:
        away = (hour - at + 12.0) % 24.0 - 12.0
        total = total + height * np.exp(-0.5 * (away / width) ** 2)
    return total


def household(hour: FloatArray) -> FloatArray:
    """Return power over the yearly mean at local hours of a winter working day, same shape as `hour`."""
    return _curve(np.asarray(hour, np.float64), HOUSEHOLD_BASE, HOUSEHOLD_HUMPS)


def commerce(hour: FloatArray) -> FloatArray:
    """Return power over the yearly mean of shops and offices at local hours of a winter working day."""
    return _curve(np.asarray(hour, np.float64), COMMERCE_BASE, COMMERCE_HUMPS)


def sun_share(day_of_year: int, hour_utc: float, lat_deg: float, lon_deg: float) -> float:
    """Return output over rating of photovoltaics under a mean sky: 0.75 times the sine of the sun's height.

    Declination and equation of time after Spencer (1971) shortened to the first harmonic: within half a degree.
    """
    angle = 2.0 * np.pi * (day_of_year - 81) / 365.0
    declination = np.radians(23.45) * np.sin(angle)
    shift_h = (9.87 * np.sin(2 * angle) - 7.53 * np.cos(angle) - 1.5 * np.sin(angle)) / 60.0
    solar_hour = hour_utc + lon_deg / 15.0 + shift_h
    latitude = np.radians(lat_deg)
    height = np.sin(latitude) * np.sin(declination)
    height += np.cos(latitude) * np.cos(declination) * np.cos(np.radians(15.0 * (solar_hour - 12.0)))
    return float(max(0.0, 0.75 * height))


def nodes_kw(household_kwh: FloatArray, commerce_kwh: FloatArray, hour: float) -> FloatArray:
    """Return the class power of each node (n,) at a local hour, from yearly energies (n,)."""
    at = np.array([hour])
    return household_kwh / HOURS_A_YEAR * float(household(at)[0]) + commerce_kwh / HOURS_A_YEAR * float(commerce(at)[0])
