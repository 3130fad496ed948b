# SPDX-License-Identifier: Apache-2.0
"""Light above the horizon, and the classes of a luminaire by its intensities near it, as it is tilted on its column."""

import math

import numpy as np
from numba import njit

from lamplighter.services.lighting.obtrusive.limits import GLARE_INDEX, INTENSITY_CLASSES
from lamplighter.services.lighting.photometry import columns
from lamplighter.services.lighting.photometry.columns import Lights
from lamplighter.services.lighting.photometry.distribution import Distribution
from lamplighter.services.lighting.photometry.influence import intensity_cd
from lamplighter.terms.columns import FloatArray

STEP_DEG = 0.5
DARK_CD_KLM = 0.05  # what rounding of a file leaves where it means none


@njit(cache=True, error_model="numpy")
def _ring(lights: Lights, tilt_rad: float, gamma_rad: float, count: int) -> FloatArray:
    """Return (count,) intensities at an angle from straight down, round the column, as tilted."""
    out = np.zeros(count)
    for i in range(count):
        turn = (i + 0.5) * 2.0 * math.pi / count
        along, across = math.sin(gamma_rad) * math.cos(turn), math.sin(gamma_rad) * math.sin(turn)
        out[i] = intensity_cd(lights, (0, 1.0, math.cos(tilt_rad), math.sin(tilt_rad)), along, across, -math.cos(gamma_rad))
    return out


def rings_cd(light: Distribution, tilt_deg: float, gamma_deg: FloatArray) -> FloatArray:
    """Return (gammas, 720) intensities in cd at angles from straight down, all round, as the luminaire is tilted."""
    lights = columns.lights_of([light])
    tilt = math.radians(tilt_deg)
    return np.stack([_ring(lights, tilt, math.radians(g), round(360.0 / STEP_DEG)) for g in gamma_deg.tolist()])


def upward_share(light: Distribution, tilt_deg: float) -> float:
    """Return ULR: the share of the luminaire's flux that leaves above the horizontal as it is tilted.

    With absolute photometry, as of every LED luminaire, it is ULOR as well.
    """
    gamma_deg = np.arange(STEP_DEG / 2.0, 180.0, STEP_DEG)
    band_sr = 2.0 * math.pi * (np.cos(np.radians(gamma_deg - STEP_DEG / 2.0)) - np.cos(np.radians(gamma_deg + STEP_DEG / 2.0)))
    flux = rings_cd(light, tilt_deg, gamma_deg).mean(axis=1) * band_sr
    whole = float(flux.sum())
    return float(flux[gamma_deg > 90.0].sum()) / whole if whole > 0.0 else 0.0


def intensity_class(light: Distribution, tilt_deg: float) -> str | None:
    """Return the strictest G* class of EN 13201-2:2015, table A.1, that the luminaire meets as tilted; None where none is."""
    gamma_deg = np.arange(70.0, 180.01, 1.0)
    most = rings_cd(light, tilt_deg, gamma_deg).max(axis=1) / (light.flux_lm() / 1000.0)
    found: str | None = None
    for one in INTENSITY_CLASSES:
        fine = float(most[gamma_deg >= 80.0].max()) <= one.at_80_cd_klm
        fine &= float(most[gamma_deg >= 90.0].max()) <= max(one.at_90_cd_klm, DARK_CD_KLM)
        if one.at_70_cd_klm is not None:
            fine &= float(most.max()) <= one.at_70_cd_klm
        if one.dark_from_deg is not None:
            fine &= float(most[gamma_deg > one.dark_from_deg].max()) <= DARK_CD_KLM
        if fine:
            found = one.name
    return found


def glare_index(light: Distribution, tilt_deg: float, seen_area_m2: float) -> tuple[float, str]:
    """Return the glare index, intensity at 85 degrees over the root of the luminous area seen from there, and the strictest D
    class of EN 13201-2:2015, table A.2, that it meets; ValueError where there is no area."""
    if not seen_area_m2 > 0.0:
        raise ValueError(f"luminous area is {seen_area_m2:g} m2; above 0 is needed")
    index = float(rings_cd(light, tilt_deg, np.array([85.0])).max()) / math.sqrt(seen_area_m2)
    return index, next((name for name, most in reversed(GLARE_INDEX) if index <= most), "D0")
