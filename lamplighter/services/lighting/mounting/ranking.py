# SPDX-License-Identifier: Apache-2.0
"""Which of the designs that meet a class are best: least energy, fewest poles or least cost per kilometre."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lamplighter.services.lighting.mounting.candidates import Ways
from lamplighter.services.lighting.mounting.judging import Asked, Judged, energy_kwh_km
from lamplighter.services.lighting.photometry.energy import HOURS_A_YEAR
from lamplighter.terms.columns import FloatArray, IntArray

Objective = Literal["energy", "poles", "cost"]
OBJECTIVES: tuple[Objective, ...] = ("energy", "poles", "cost")
ALIKE = 1.01  # designs within a per cent of each other count as equal; the second objective decides between them


@dataclass(frozen=True)
class Prices:
    """What a kilometre costs over its life: each pole, each luminaire, each kWh (euros, or any one currency), for span_h."""

    pole_eur: float
    luminaire_eur: float
    kwh_eur: float
    span_h: float


@dataclass(frozen=True)
class Ranked:
    """Designs, best first (m,): family and way of each, kWh and poles per kilometre, and cost per kilometre (0 if not asked)."""

    family: IntArray
    way: IntArray
    energy_kwh_km: FloatArray
    poles_per_km: FloatArray
    cost_per_km: FloatArray


def ranked(found: Judged, ways: Ways, asked: Asked, objective: Objective, prices: Prices | None) -> Ranked:
    """Return the designs that meet the class, best first. ValueError for the objective cost without prices.

    energy: least kWh, then fewest poles; poles: the other way round; cost: least cost over the years, then least kWh. The first
    counts in steps of ALIKE from the best, so that the second has a say. After both: least tilt, overhang and height.
    """
    if objective == "cost" and prices is None:
        raise ValueError("the least cost is asked for and no prices are given")
    family, way = np.nonzero(found.meets)
    energy = energy_kwh_km(found, ways, asked)[family, way]
    poles, lamps = ways.poles_per_km()[way], ways.luminaires_per_km()[way]
    cost = np.zeros(len(way))
    if prices is not None:
        cost = poles * prices.pole_eur + lamps * prices.luminaire_eur + energy * prices.kwh_eur * prices.span_h / HOURS_A_YEAR
    first, second = {"energy": (energy, poles), "poles": (poles, energy), "cost": (cost, energy)}[objective]
    plain = (ways.height_m[way], np.abs(ways.overhang_m[way]), np.abs(ways.tilt_deg[way]))
    order = np.lexsort((*plain, second, _steps(first)))
    return Ranked(
        family[order].astype(np.int64), way[order].astype(np.int64), energy[order], poles[order], cost[order]
    )  # fmt: skip


def _steps(values: FloatArray) -> IntArray:
    """Return (m,) how many steps of ALIKE each value lies above the least."""
    if len(values) == 0:
        return np.zeros(0, dtype=np.int64)
    least = max(float(values.min()), 1e-9)
    return np.floor(np.log(np.maximum(values, 1e-9) / least) / np.log(ALIKE) + 1e-9).astype(np.int64)
