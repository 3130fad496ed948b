# SPDX-License-Identifier: Apache-2.0
"""Picks a design class, mounting and luminaire for a straight road, as a lighting designer would, from a catalogue."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from lamplighter.services.lighting.photometry import classes, luminaires
from lamplighter.services.lighting.photometry.classes import Traffic
from lamplighter.services.lighting.photometry.field import Arrangement, RoadField
from lamplighter.services.lighting.photometry.quality import Quality, evaluate

SPACING_HEIGHTS = (4.5, 4.2, 3.9, 3.6, 3.3, 3.0)  # tried from the widest
MOUNTINGS = ((0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (0.5, 5.0))  # overhang in m, tilt in degrees
SURE = 1.002  # a requirement counts as met with this little to spare, so that rounding never undoes it


@dataclass(frozen=True)
class Road:
    """What a designer must know of a road. path: no motor vehicles; conflict: too short or too busy for luminance."""

    highway: str
    path: bool
    conflict: bool
    speed_km_h: float
    width_m: float
    lanes: int
    one_way: bool


@dataclass(frozen=True)
class Plan:
    """What stands beside the road. meets: every criterion of the class is met at full output."""

    road: RoadField
    optic: str
    rated_flux_lm: float
    meets: bool


# Per road class: weight of traffic volume in the design (the busiest hour), parked vehicles.
_VOLUME = {"primary": (1, False), "secondary": (1, False), "tertiary": (1, False), "residential": (-1, True)}
_VOLUME_ELSE = (0, False)


def volume_weight(highway: str) -> int:
    """Return the weight that traffic volume has in the design class of a road."""
    return _VOLUME.get(highway.removeprefix("highway.").removesuffix("_link"), _VOLUME_ELSE)[0]


def design_class(road: Road) -> str:
    """Return the class after CEN/TR 13201-1:2014: M above 40 km/h, P below and on paths, C where luminance cannot be."""
    kind = road.highway.removeprefix("highway.").removesuffix("_link").split("|")[0]
    if road.path:
        return {"footway": "P6", "steps": "P5", "pedestrian": "P4"}.get(kind, classes.p_class(1, 0, 1, parked=False))
    if kind == "living_street":
        return classes.p_class(0, 0, 2, parked=False)
    if kind in ("service", "track"):
        return classes.p_class(1, -1, 2, parked=False)
    if road.speed_km_h <= 40.0:
        return classes.p_class(1, 0, 2, parked=True)
    volume, parked = _VOLUME.get(kind, _VOLUME_ELSE)
    name = classes.m_class(
        Traffic(road.speed_km_h, volume, composition_weight=1, separated=road.one_way, dense_junctions=True, parked=parked)
    )
    return classes.c_class_beside(name) if road.conflict else name


def height_m(road: Road, lighting_class: str) -> float:
    """Return the mounting height: 4.5 to 6 m for P classes, 8 m beside collectors, 10 to 12 m beside arterials."""
    if lighting_class.startswith("P"):
        return 4.5 if road.path else 5.0 if road.width_m < 5.0 else 6.0
    return 12.0 if road.width_m > 15.0 else 10.0 if road.width_m > 9.0 else 8.0


def arrangement(width_m: float, mounting_m: float, lighting_class: str) -> Arrangement:
    """Return the usual rows for a width in mounting heights: one below 1, staggered to 1.5, opposite above.

    P classes make do with one row up to 1.5 heights: evenness is no requirement of theirs.
    """
    share = width_m / mounting_m - (0.5 if lighting_class.startswith("P") else 0.0)
    return "single" if share < 1.0 else "staggered" if share <= 1.5 else "opposite"


@cache
def unit_quality(road: RoadField, optic: str, surface: str, maintenance: float) -> Quality:
    """Return the figures of a field per 1000 lm of luminaire; they scale with the flux."""
    return evaluate(road, luminaires.luminaire(optic, 1000.0), surface, maintenance)


def flux_needed_lm(unit: Quality, lighting_class: str) -> float | None:
    """Return the least flux with which a field of this quality meets a class, None where no flux does."""
    k = classes.code(lighting_class)
    needed = 0.0
    for requirement, at_unit in (
        (classes.LUMINANCE_CD_M2[k], unit.luminance_cd_m2),
        (classes.ILLUMINANCE_LX[k], unit.illuminance_lx),
        (classes.ILLUMINANCE_MIN_LX[k], unit.illuminance_min_lx),
    ):
        if requirement > 0.0 and at_unit <= 0.0:
            return None
        needed = max(needed, float(requirement) / at_unit * SURE if requirement > 0.0 else 0.0)
    even = unit.illuminance_min_lx >= classes.ILLUMINANCE_UNIFORMITY[k] * unit.illuminance_lx
    ceiling = unit.illuminance_lx * needed <= classes.ILLUMINANCE_MAX_LX[k]
    shaped = unit.uniformity_ratio >= classes.UNIFORMITY[k] and unit.lengthwise_ratio >= classes.LENGTHWISE[k]
    fine = even and ceiling and shaped and unit.edge_ratio >= classes.EDGE[k]
    return needed * 1000.0 if fine else None


def product_flux_lm(needed_lm: float) -> float:
    """Return the next product step that gives at least this flux, or the largest there is."""
    steps = np.array(luminaires.RATED_FLUX_LM, dtype=np.float64)
    return float(steps[min(int(np.searchsorted(steps, needed_lm)), len(steps) - 1)])


def _mounted(road: Road, name: str, spacing_m: float, surface: str, maintenance: float) -> Plan | None:
    """Return the plan with the least flux at this spacing, None where no mounting and optic meets the class."""
    height = height_m(road, name)
    rows = arrangement(road.width_m, height, name)
    optics = ("path", "street") if name.startswith("P") else ("street", "avenue")
    k = classes.code(name)
    best: tuple[float, Plan] | None = None
    for overhang, tilt in MOUNTINGS[:1] if road.path else MOUNTINGS:
        field = RoadField(rows, spacing_m, road.width_m, road.lanes, height, overhang, tilt)
        for optic in optics:
            unit = unit_quality(field, optic, surface, maintenance)
            needed = flux_needed_lm(unit, name)
            if needed is None or (best is not None and needed >= best[0]):
                continue
            flux = product_flux_lm(needed)
            glare = unit.glare_percent * (flux / 1000.0) ** 0.2
            if flux >= needed and glare <= classes.GLARE_PERCENT[k]:
                best = (needed, Plan(field, optic, flux, meets=True))
    return None if best is None else best[1]


def wide_spacing_m(road: Road, name: str, surface: str, maintenance: float) -> float:
    """Return the widest usual spacing at which some luminaire of the catalogue meets the class, else the narrowest."""
    height = height_m(road, name)
    for heights in SPACING_HEIGHTS:
        if _mounted(road, name, heights * height, surface, maintenance) is not None:
            return heights * height
    return SPACING_HEIGHTS[-1] * height


def plan(road: Road, name: str, spacing_m: float, surface: str, maintenance: float) -> Plan:
    """Return what to mount at a spacing; where nothing meets the class, the street optic with flux for its average."""
    found = _mounted(road, name, spacing_m, surface, maintenance)
    if found is not None:
        return found
    height = height_m(road, name)
    field = RoadField(arrangement(road.width_m, height, name), spacing_m, road.width_m, road.lanes, height, 0.5, 0.0)
    unit = unit_quality(field, "street", surface, maintenance)
    k = classes.code(name)
    asked = (
        (classes.LUMINANCE_CD_M2[k], unit.luminance_cd_m2),
        (classes.ILLUMINANCE_LX[k], unit.illuminance_lx),
        (classes.ILLUMINANCE_MIN_LX[k], unit.illuminance_min_lx),
    )
    needed = max(float(need) / max(at_unit, 1e-6) for need, at_unit in asked)
    return Plan(field, "street", product_flux_lm(needed * 1000.0), meets=False)
