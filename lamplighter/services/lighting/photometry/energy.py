# SPDX-License-Identifier: Apache-2.0
"""Energy figures of a lit road after EN 13201-5:2015: power density DP and annual energy DE."""

from dataclasses import dataclass

from lamplighter.terms.columns import FloatArray

HOURS_A_YEAR = 8760.0


@dataclass(frozen=True)
class Period:
    """A part of the year: hours_h burnt at power_share of full power; detected_share of it at full power all the same."""

    hours_h: float
    power_share: float
    detected_share: float = 0.0


def power_density_w_lx_m2(power_w: float, illuminance_lx: FloatArray, area_m2: FloatArray) -> float | None:
    """Return DP in W/(lx m2): system power over the sum of each lit area times its maintained average; None in the dark."""
    light = float((illuminance_lx * area_m2).sum())
    return power_w / light if light > 0.0 else None


def annual_energy_kwh_m2(power_w: float, standby_w: float, periods: tuple[Period, ...], area_m2: float) -> float:
    """Return DE in kWh per m2 and year: power by period, and what the controls draw while the lamps are off.

    ValueError for shares outside 0 to 1, more hours than the year has, or no area.
    """
    if not area_m2 > 0.0:
        raise ValueError(f"lit area is {area_m2:g} m2; it must be above 0")
    for period in periods:
        if not (0.0 <= period.power_share <= 1.0 and 0.0 <= period.detected_share <= 1.0 and period.hours_h >= 0.0):
            raise ValueError(
                f"period of {period.hours_h:g} h at power share {period.power_share:g}, {period.detected_share:g} detected: "
                "hours must not be negative, and shares lie from 0 to 1"
            )
    burnt = sum(period.hours_h for period in periods)
    if burnt > HOURS_A_YEAR:
        raise ValueError(f"periods add up to {burnt:g} hours; a year has {HOURS_A_YEAR:g}")
    mean = (p.hours_h * (p.detected_share + (1.0 - p.detected_share) * p.power_share) for p in periods)
    energy_wh = power_w * sum(mean) + standby_w * (HOURS_A_YEAR - burnt)
    return energy_wh / area_m2 / 1000.0
