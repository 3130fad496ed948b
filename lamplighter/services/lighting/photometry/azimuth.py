# SPDX-License-Identifier: Apache-2.0
"""Which way a photometry file faces: the azimuth check, and the reading of a file of either format.

EULUMDAT puts C0 along the road and C90 towards it; IES road files as a rule put C0 towards the road. A file that is taken the
wrong way round falls by classes, so the flux of the half-spaces decides, and what was decided is shown.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lamplighter.services.lighting.photometry.distribution import Distribution
from lamplighter.services.lighting.photometry.ies import ROAD_TURN_DEG, read_ies
from lamplighter.services.lighting.photometry.ldt import read_ldt

PLAIN_SHARE = 0.04  # a difference of flux between two half-spaces below this is symmetry, above it a direction


@dataclass(frozen=True)
class Facing:
    """A luminaire as it is used. turned_deg: added to every C angle of the file; halves_lm (4,): flux of the half-spaces
    around C0, C90 (the road), C180 and C270 after the turn; why: what decided; doubt: what speaks against it, or empty."""

    light: Distribution
    turned_deg: float
    halves_lm: tuple[float, ...]
    why: str
    doubt: str


def halves_lm(light: Distribution) -> tuple[float, ...]:
    """Return the flux in lm of the half-spaces around C0, C90, C180 and C270."""
    plane_lm = light.flux_of_planes_lm()
    c_deg = np.arange(len(plane_lm)) * light.c_step_deg
    found: list[float] = []
    for middle_deg in (0.0, 90.0, 180.0, 270.0):
        off = np.abs((c_deg - middle_deg + 180.0) % 360.0 - 180.0)
        weight = np.where(off < 90.0 - 1e-6, 1.0, np.where(off < 90.0 + 1e-6, 0.5, 0.0))
        found.append(float(weight @ plane_lm))
    return tuple(found)


def _leaning(light: Distribution) -> str:
    """Return the axis along which the flux is lopsided, "C0" or "C90", and "none" where no axis stands out."""
    half = halves_lm(light)
    total = half[0] + half[2]
    over_c0, over_c90 = abs(half[0] - half[2]) / total, abs(half[1] - half[3]) / total
    if abs(over_c0 - over_c90) < PLAIN_SHARE:
        return "none"
    return "C0" if over_c0 > over_c90 else "C90"


def _turned(light: Distribution, by_deg: float, why: str) -> Facing:
    made = light.turned(by_deg) if by_deg else light
    half = halves_lm(made)
    doubt = ""
    if half[3] > half[1] * (1.0 + PLAIN_SHARE):
        doubt = f"more light goes behind the luminaire ({half[3]:.0f} lm) than to the road ({half[1]:.0f} lm)"
    elif _leaning(made) == "C0":
        doubt = f"the light is uneven along the road ({half[0]:.0f} lm ahead, {half[2]:.0f} lm back)"
    return Facing(made, by_deg, half, why, doubt)


def open_photometry(path: Path, turn: bool | None) -> Facing:
    """Return the luminaire of an IES or EULUMDAT file (by its name's end), facing the road.

    turn: add 90 degrees to every C angle, or not; None lets the flux decide, and the format's habit where it says nothing.
    Errors: PhotometryError.
    """
    is_ldt = path.suffix.lower() in (".ldt", ".eul")
    light = read_ldt(path) if is_ldt else read_ies(path, turn=False)
    if turn is not None:
        return _turned(light, ROAD_TURN_DEG if turn else 0.0, "as asked")
    lopsided = _leaning(light)
    if lopsided == "C0":
        return _turned(light, ROAD_TURN_DEG, "the file's flux leans along C0: that is its road side")
    if lopsided == "C90":
        return _turned(light, 0.0, "the file's flux leans along C90: that is its road side")
    if is_ldt:
        return _turned(light, 0.0, "EULUMDAT has its road side at C90; the flux leans to neither axis")
    return _turned(light, ROAD_TURN_DEG, "IES road files have their road side at C0; the flux leans to neither axis")
