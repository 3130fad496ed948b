# SPDX-License-Identifier: Apache-2.0
"""The luminous intensity distribution of a luminaire, on a regular grid of C planes and gamma angles.

C0 points along the road, C90 towards the road, gamma 0 straight down (EN 13201-3, C planes of CIE 121).
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.terms.columns import FloatArray

STEPS_DEG = (15.0, 10.0, 7.5, 5.0, 2.5, 2.0, 1.5, 1.0, 0.5, 0.25, 0.2)
C_STEP_LEAST_DEG, GAMMA_STEP_LEAST_DEG = 0.5, 0.1  # for angles on no regular grid


@dataclass(frozen=True)
class Distribution:
    """One luminaire's light: intensity_cd (c, g) over C = 0 to 360 and gamma = 0 to 180 degrees, both ends included.

    intensity_cd is at full output and new; power_w is the rated power of the luminaire with its gear.
    """

    name: str
    intensity_cd: FloatArray
    c_step_deg: float
    gamma_step_deg: float
    power_w: float

    def flux_lm(self) -> float:
        """Return the luminous flux: the exact integral of the bilinear interpolation in gamma, trapezoid in C."""
        return flux_lm(self.intensity_cd, self.gamma_step_deg)

    def turned(self, by_deg: float) -> "Distribution":
        """Return the same light with every C angle raised by `by_deg`, a multiple of the C step."""
        planes = len(self.intensity_cd) - 1
        shift = by_deg / self.c_step_deg
        if abs(shift - round(shift)) > 1e-9:
            raise ValueError(f"luminaire {self.name}: a turn of {by_deg} degrees is no multiple of its C step {self.c_step_deg}")
        rolled = np.roll(self.intensity_cd[:planes], round(shift), axis=0)
        closed = np.concatenate([rolled, rolled[:1]])
        return Distribution(self.name, closed, self.c_step_deg, self.gamma_step_deg, self.power_w)

    def flux_of_planes_lm(self) -> FloatArray:
        """Return (c - 1,) the flux in lm around each C plane from 0 to below 360; their sum is the luminaire's."""
        planes = len(self.intensity_cd) - 1
        per_plane = self.intensity_cd[:planes] @ _gamma_weights(self.intensity_cd.shape[1], self.gamma_step_deg)
        return per_plane * (2.0 * np.pi / planes)

    def road_share(self) -> FloatArray:
        """Return (4,) shares of flux in the quarters around C0, C90, C180 and C270: where the luminaire throws its light."""
        planes = len(self.intensity_cd) - 1
        c_deg = np.arange(planes) * self.c_step_deg
        per_plane = self.flux_of_planes_lm()
        total = float(per_plane.sum())
        off = np.abs((c_deg[None, :] - np.arange(4)[:, None] * 90.0 + 180.0) % 360.0 - 180.0)
        weight = np.clip((45.0 + self.c_step_deg / 2 - off) / self.c_step_deg, 0.0, 1.0)
        return (weight @ per_plane) / total if total > 0 else np.zeros(4)


def _gamma_weights(rows: int, step_deg: float) -> FloatArray:
    """Return (rows,) weights so that sum(weight * I) is the integral of I sin(gamma) for I piecewise linear in gamma."""
    gamma = np.radians(np.arange(rows) * step_deg)
    width = np.diff(gamma)
    whole = np.cos(gamma[:-1]) - np.cos(gamma[1:])
    rising = (np.sin(gamma[1:]) - np.sin(gamma[:-1])) / width - np.cos(gamma[1:])
    weights = np.zeros(rows)
    weights[1:] += rising
    weights[:-1] += whole - rising
    return weights


def flux_lm(intensity_cd: FloatArray, gamma_step_deg: float) -> float:
    """Return the flux in lm of intensities (c, g) whose first and last plane are the same direction."""
    planes = len(intensity_cd) - 1
    per_plane = intensity_cd[:planes] @ _gamma_weights(intensity_cd.shape[1], gamma_step_deg)
    return float(per_plane.sum() * 2.0 * np.pi / planes)


def _regular_step(angles_deg: FloatArray, least_deg: float) -> float:
    """Return the coarsest regular step whose grid holds every given angle, else the least."""
    for step in STEPS_DEG:
        if step >= least_deg and bool(np.all(np.abs(angles_deg / step - np.round(angles_deg / step)) < 1e-6)):
            return step
    return least_deg


def from_planes(name: str, c_deg: FloatArray, gamma_deg: FloatArray, intensity_cd: FloatArray, power_w: float) -> Distribution:
    """Return a distribution from intensities (c, g) at rising angles; C must run from 0 to 360, gamma starts at 0.

    Between angles interpolation is linear; above the last gamma angle there is no light.
    """
    c_step, gamma_step = _regular_step(c_deg, C_STEP_LEAST_DEG), _regular_step(gamma_deg, GAMMA_STEP_LEAST_DEG)
    c_grid = np.linspace(0.0, 360.0, round(360.0 / c_step) + 1)
    gamma_grid = np.linspace(0.0, 180.0, round(180.0 / gamma_step) + 1)
    planes: list[FloatArray] = [np.interp(gamma_grid, gamma_deg, plane, right=0.0) for plane in intensity_cd]
    along_gamma: FloatArray = np.array(planes)
    columns: list[FloatArray] = [np.interp(c_grid, c_deg, column) for column in along_gamma.transpose()]
    grid: FloatArray = np.ascontiguousarray(np.array(columns).transpose())
    return Distribution(name, grid, c_step, gamma_step, power_w)
