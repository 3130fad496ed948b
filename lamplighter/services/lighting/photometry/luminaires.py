# SPDX-License-Identifier: Apache-2.0
"""Luminaires of our own making: smooth made-up distributions of the usual street optics, in a row of product steps.

No maker's photometry can be shipped, so each optic is a sum of lobes on the sphere of directions (von Mises-Fisher
densities) under a smooth cut-off, scaled so that its integral is the rated flux. The lobes were fitted once against the
requirements of EN 13201-2 for the roads the optic is meant for; the figures below are the result.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from lamplighter.services.lighting.photometry.distribution import Distribution, flux_lm
from lamplighter.terms.columns import FloatArray

C_STEP_DEG, GAMMA_STEP_DEG = 5.0, 2.5
RATED_FLUX_LM = (600, 800, 1000, 1500, 2000, 2500, 3000, 4000, 5000, 6000, 7500, 9000, 11000, 13500, 16000, 20000, 25000, 32000)
EFFICACY_LM_W = 130.0  # of a whole luminaire with its gear, rated: usual for LED street lights of the early 2020s
GEAR_W = 3.0  # what the gear takes whatever the light (driver, surge protection, node)


@dataclass(frozen=True)
class Lobe:
    """A bundle of light: towards the road by aim_deg from the line along the road, tilt from straight down, width, share."""

    aim_deg: float
    gamma_deg: float
    concentration_ratio: float
    weight: float


@dataclass(frozen=True)
class Optic:
    """A family of luminaires of one distribution. Lobes come in mirror pairs, up and down the road."""

    name: str
    doc: str
    lobes: tuple[Lobe, ...]
    cut_deg: float


def shape(lobes: tuple[Lobe, ...], cut_deg: float) -> FloatArray:
    """Return (c, g) intensities in cd per 1000 lm of a sum of mirrored lobes, dark above about cut_deg + 8 degrees."""
    c = np.radians(np.linspace(0.0, 360.0, round(360 / C_STEP_DEG) + 1))[:, None]
    gamma_deg = np.linspace(0.0, 180.0, round(180 / GAMMA_STEP_DEG) + 1)[None, :]
    gamma = np.radians(gamma_deg)
    total = np.zeros((c.shape[0], gamma.shape[1]))
    for lobe in lobes:
        for aim_deg in (lobe.aim_deg, 180.0 - lobe.aim_deg):
            aim, lean = np.radians(aim_deg), np.radians(lobe.gamma_deg)
            cosine = np.sin(gamma) * np.sin(lean) * np.cos(c - aim) + np.cos(gamma) * np.cos(lean)
            total += lobe.weight * np.exp(lobe.concentration_ratio * (cosine - 1.0))
    dimmed = total / (1.0 + np.exp(np.clip((gamma_deg - cut_deg) / 2.0, -50.0, 50.0)))
    dimmed[:, gamma_deg[0] > 90.0] = 0.0
    dimmed[-1] = dimmed[0]
    return dimmed * (1000.0 / flux_lm(dimmed, GAMMA_STEP_DEG))


OPTICS = {
    optic.name: optic
    for optic in (
        Optic(
            "street",
            "one row of luminaires beside two or three lanes",
            (Lobe(13.42, 73.61, 29.01, 1.0), Lobe(18.86, 46.72, 11.74, 0.79), Lobe(61.77, 32.15, 11.42, 0.38)),
            79.2,
        ),
        Optic(
            "avenue",
            "two rows, opposite or staggered, along wide carriageways",
            (Lobe(5.23, 68.12, 50.15, 1.0), Lobe(12.15, 40.48, 20.46, 0.8), Lobe(73.73, 5.61, 11.3, 0.29)),
            79.1,
        ),
        Optic(
            "path",
            "low columns beside paths and narrow residential streets",
            (Lobe(6.94, 63.18, 71.74, 1.0), Lobe(18.37, 64.38, 9.67, 0.65), Lobe(68.2, 49.86, 1.65, 0.15)),
            72.0,
        ),
    )
}


def rated_power_w(rated_flux_lm: FloatArray) -> FloatArray:
    """Return the power of luminaires at full output, gear included, to a tenth of a watt."""
    return np.round(GEAR_W + (rated_flux_lm / EFFICACY_LM_W) * (1.0 - GEAR_W / 60.0), 1)


@cache
def luminaire(optic: str, flux_rated_lm: float) -> Distribution:
    """Return one of our luminaires; ValueError names the optics there are."""
    if optic not in OPTICS:
        raise ValueError(f"optic {optic!r} is not known; known are {', '.join(OPTICS)}")
    made = OPTICS[optic]
    candela = shape(made.lobes, made.cut_deg) * (flux_rated_lm / 1000.0)
    power_w = float(rated_power_w(np.array([flux_rated_lm]))[0])
    return Distribution(f"{optic} {flux_rated_lm:.0f} lm", candela, C_STEP_DEG, GAMMA_STEP_DEG, power_w)
