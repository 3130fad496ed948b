# SPDX-License-Identifier: Apache-2.0
"""How traffic spreads over a working day: share of the day's trips per hour.

Motor vehicles: loops at signals of the city of Münster, Tuesdays to Thursdays of 2015 and 2016 outside the summer,
mean of 188 days (Stadt Münster, Datenlizenz Deutschland Namensnennung 2.0). Bicycles and people on foot: Münster's
bicycle counters, Tuesdays to Thursdays of November to February. Published counts, rounded here to tenths of a percent.
"""

import numpy as np

from lamplighter.terms.columns import FloatArray

_MOTOR_PERMILLE = (5, 3, 2, 2, 4, 13, 41, 73, 70, 57, 55, 56, 60, 62, 65, 73, 79, 77, 66, 49, 33, 25, 20, 10)
_ACTIVE_PERMILLE = (5, 3, 2, 2, 2, 7, 23, 81, 78, 54, 47, 50, 60, 68, 67, 75, 84, 84, 69, 50, 33, 23, 21, 12)
_SERVICE_PERMILLE = (17, 8, 8, 8, 25, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 42, 42, 25)

MOTOR, ACTIVE, TIMETABLE = "motor", "active", "timetable"


def hourly_share(profile: str) -> FloatArray:
    """Return the share (24,) of the day's trips that start in each hour; they add up to 1."""
    permille = {MOTOR: _MOTOR_PERMILLE, ACTIVE: _ACTIVE_PERMILLE, TIMETABLE: _SERVICE_PERMILLE}[profile]
    share = np.asarray(permille, dtype=np.float64)
    return share / share.sum()


def peak_share(profile: str) -> float:
    """Return the share of the day's trips in the busiest hour."""
    return float(hourly_share(profile).max())
