# SPDX-License-Identifier: Apache-2.0
"""Picks the class of a city's road and what to mount beside it: usual heights and arrangements, searched by `mounting`."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from lamplighter.services.lighting.mounting import candidates, catalogue, judging
from lamplighter.services.lighting.mounting.candidates import Figures, Section, Ways
from lamplighter.services.lighting.mounting.judging import Asked, Family
from lamplighter.services.lighting.photometry import classes, luminaires
from lamplighter.services.lighting.photometry.classes import Traffic
from lamplighter.services.lighting.photometry.field import ARRANGEMENTS, Arrangement, RoadField

SPACING_HEIGHTS = (4.5, 4.2, 3.9, 3.6, 3.3, 3.0)  # tried from the widest
MOUNTINGS = ((0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (0.5, 5.0))  # overhang in m, tilt in degrees


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
def _units(
    section: Section, rows: str, spacing_m: float, height_m: float, path: bool
) -> tuple[Ways, tuple[Family, ...], Figures]:
    """Return the usual mountings at a spacing, the optics for them, and their figures per 1000 lm, new; M, C and P alike."""
    mountings = MOUNTINGS[:1] if path else MOUNTINGS
    overhang, tilt = (np.array(column) for column in zip(*mountings, strict=True))
    every = np.ones(len(mountings))
    code = np.full(len(mountings), ARRANGEMENTS.index(rows), dtype=np.int64)  # pyright: ignore[reportArgumentType]  # one of them
    ways = Ways(section, code, spacing_m * every, height_m * every, overhang, tilt)
    families = tuple(catalogue.own(optic) for optic in luminaires.OPTICS)
    return ways, families, candidates.unit_figures(ways, [family.light for family in families], classes.code("M1"))


def _optics(name: str) -> tuple[str, ...]:
    return ("path", "street") if name.startswith("P") else ("street", "avenue")


def _mounted(road: Road, name: str, spacing_m: float, surface: str, maintenance: float) -> Plan | None:
    """Return the plan with the least flux at this spacing, None where no mounting and optic meets the class.

    Glare is judged at full output: the calendar of a lamp that hears nothing gives it.
    """
    height, k = height_m(road, name), classes.code(name)
    section = Section(road.width_m, road.lanes, surface)
    ways, every, unit = _units(section, arrangement(road.width_m, height, name), spacing_m, height, road.path)
    place = [tuple(luminaires.OPTICS).index(optic) for optic in _optics(name)]
    families = [every[f] for f in place]
    found = judging.judged(unit[place], families, Asked(k, maintenance, ((k, 1.0),), full_glare=True))
    needed = np.where(found.meets, found.needed_lm, np.inf).transpose()
    if not np.isfinite(needed).any():
        return None
    way, family = (int(i) for i in np.unravel_index(int(needed.argmin()), needed.shape))
    flux = float(families[family].flux_lm[int(found.product[family, way])])
    return Plan(ways.road(way), _optics(name)[family], flux, meets=True)


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
    height, k = height_m(road, name), classes.code(name)
    section = Section(road.width_m, road.lanes, surface)
    ways, families, unit = _units(section, arrangement(road.width_m, height, name), spacing_m, height, road.path)
    street, half_metre = tuple(luminaires.OPTICS).index("street"), 0 if road.path else 1
    needed = float(judging.brightness_lm(unit[street, half_metre], k, maintenance)) / judging.SURE
    steps = families[street].flux_lm
    flux = float(steps[min(int(np.searchsorted(steps, needed)), len(steps) - 1)])
    return Plan(ways.road(half_metre), "street", flux, meets=False)
