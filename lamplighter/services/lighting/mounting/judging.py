# SPDX-License-Identifier: Apache-2.0
"""What flux a mounting needs for a class, the product that gives it, and how far it must be dimmed.

Luminance and illuminance grow with the flux, ratios stay, and fTI grows with its fifth root up to 5 cd/m2 (EN 13201-3:2015,
8.5): so one computation per 1000 lm tells every flux.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting.mounting.candidates import Figures, Ways
from lamplighter.services.lighting.photometry import classes
from lamplighter.services.lighting.photometry.distribution import Distribution
from lamplighter.services.lighting.terms import LEVEL_MIN
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

SURE = 1.002  # a requirement counts as met with this little to spare, so that rounding never undoes it
LUMINANCE, UNIFORMITY, LENGTHWISE, GLARE, EDGE, AVERAGE, LEAST = range(7)
BRIGHT_CD_M2 = 5.0  # EN 13201-3:2015, 8.5: above it fTI follows another power of the luminance


@dataclass(frozen=True)
class Family:
    """One distribution and the products it comes in: flux_lm (p,) rising, power_w (p,) of each at full output, and what of it
    its gear draws whatever the light (p,)."""

    light: Distribution
    flux_lm: FloatArray
    power_w: FloatArray
    gear_w: FloatArray


@dataclass(frozen=True)
class Asked:
    """What a design must meet: its class, maintenance factor, and hours of a year in it and in classes below (k, hours).

    full_glare: glare is judged at full output instead of the output that the class needs.
    """

    lighting_class: int
    maintenance_ratio: float
    hours: tuple[tuple[int, float], ...]
    full_glare: bool = False


@dataclass(frozen=True)
class Judged:
    """Every family (f) on every way (n): what it needs and takes. needed_lm: inf where no flux meets the class; product:
    position in the family's fluxes; share: output in the class; glare_percent at it; meets; power_w (f, n, hours): per
    luminaire in each of the hours' classes."""

    needed_lm: FloatArray
    product: IntArray
    share: FloatArray
    glare_percent: FloatArray
    meets: BoolArray
    power_w: FloatArray


def flux_needed_lm(unit: Figures, lighting_class: int, maintenance: float) -> FloatArray:
    """Return (...,) the least flux with which figures (..., 7) per 1000 lm, new, meet a class, glare apart; inf where none."""
    k = lighting_class
    needed = brightness_lm(unit, k, maintenance)
    even = unit[..., LEAST] >= classes.ILLUMINANCE_UNIFORMITY[k] * unit[..., AVERAGE]
    with np.errstate(invalid="ignore"):
        top = unit[..., AVERAGE] * maintenance * needed / 1000.0 <= classes.ILLUMINANCE_MAX_LX[k]
    shaped = (unit[..., UNIFORMITY] >= classes.UNIFORMITY[k]) & (unit[..., LENGTHWISE] >= classes.LENGTHWISE[k])
    return np.where(even & top & shaped & (unit[..., EDGE] >= classes.EDGE[k]), needed, np.inf)


def brightness_lm(unit: Figures, lighting_class: int, maintenance: float) -> FloatArray:
    """Return (...,) the flux that brings averages and least values of a class, whatever the ratios; inf in the dark."""
    k = lighting_class
    needed = np.zeros(unit.shape[:-1])
    for asked, column in (
        (classes.LUMINANCE_CD_M2[k], LUMINANCE),
        (classes.ILLUMINANCE_LX[k], AVERAGE),
        (classes.ILLUMINANCE_MIN_LX[k], LEAST),
    ):
        if asked > 0.0:
            with np.errstate(divide="ignore"):
                needed = np.maximum(needed, asked / (unit[..., column] * maintenance) * SURE * 1000.0)
    return needed


def glare_percent(unit: Figures, flux_lm: FloatArray) -> FloatArray:
    """Return (...,) fTI at a flux from figures per 1000 lm, new."""
    klm = flux_lm / 1000.0
    with np.errstate(invalid="ignore", over="ignore"):
        usual = unit[..., GLARE] * klm**0.2
        mean = np.maximum(unit[..., LUMINANCE] * klm, 1e-9)
        return np.where(mean > BRIGHT_CD_M2, usual * (95.0 / 65.0) / mean**0.25, usual)


def judged(unit: Figures, families: list[Family], asked: Asked) -> Judged:
    """Return what every family needs and takes on every way; unit (f, n, 7): figures per 1000 lm, new."""
    k, maintenance = asked.lighting_class, asked.maintenance_ratio
    needed = flux_needed_lm(unit, k, maintenance)
    product = np.zeros(needed.shape, dtype=np.int64)
    flux, power, gear = (np.zeros(needed.shape) for _ in range(3))
    for f, family in enumerate(families):
        step = (needed[f][:, None] > family.flux_lm).sum(axis=1)
        product[f] = np.minimum(step, len(family.flux_lm) - 1)
        flux[f], power[f], gear[f] = (column[product[f]] for column in (family.flux_lm, family.power_w, family.gear_w))
    share = np.clip(needed / flux, LEVEL_MIN, 1.0)
    glare = glare_percent(unit, flux if asked.full_glare else flux * share)
    ceiling = unit[..., AVERAGE] * maintenance * flux * share / 1000.0 <= classes.ILLUMINANCE_MAX_LX[k]
    meets = (needed <= flux) & (glare <= classes.GLARE_PERCENT[k]) & ceiling
    drawn = np.zeros((*needed.shape, len(asked.hours)))
    for h, (lower, _) in enumerate(asked.hours):
        in_it = flux_needed_lm(unit, lower, maintenance)
        meets &= in_it <= flux
        drawn[..., h] = gear + (power - gear) * np.clip(np.where(in_it <= flux, in_it, flux) / flux, LEVEL_MIN, 1.0)
    return Judged(needed, product, share, glare, meets, drawn)


def energy_kwh_km(found: Judged, ways: Ways, asked: Asked) -> FloatArray:
    """Return (f, n) kWh that a kilometre of road takes in a year."""
    hours = np.array([h for _, h in asked.hours])
    return found.power_w @ hours / 1000.0 * ways.luminaires_per_km()
