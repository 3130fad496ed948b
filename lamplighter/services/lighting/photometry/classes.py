# SPDX-License-Identifier: Apache-2.0
"""Lighting classes as data: requirements of EN 13201-2:2015, and how CEN/TR 13201-1:2014 picks a class.

A class is a position in CLASSES; the next position of the same family asks for less light. Weights and thresholds of
the selection are examples of the report that nations may replace, hence values here and nowhere else.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.terms.columns import FloatArray, IntArray, frozen

CLASSES = (
    *(f"M{n}" for n in range(1, 7)),
    *(f"C{n}" for n in range(6)),
    *(f"P{n}" for n in range(1, 7)),
)  # fmt: skip
FAMILY_LAST: IntArray = frozen(np.repeat([5, 11, 17], 6))  # the least demanding class of each class's family
_NONE = [0.0] * 6


def _column(m: list[float], c: list[float], p: list[float]) -> FloatArray:
    return frozen(np.array([*m, *c, *p], dtype=np.float64))


# EN 13201-2:2015, tables 1 to 3; one value per class, 0 (or inf for an upper bound) where the class does not ask.
LUMINANCE_CD_M2 = _column([2.0, 1.5, 1.0, 0.75, 0.5, 0.3], _NONE, _NONE)
UNIFORMITY = _column([0.4, 0.4, 0.4, 0.4, 0.35, 0.35], _NONE, _NONE)
LENGTHWISE = _column([0.7, 0.7, 0.6, 0.6, 0.4, 0.4], _NONE, _NONE)
GLARE_PERCENT = _column([10, 10, 15, 15, 15, 20], [np.inf] * 6, [np.inf] * 6)
EDGE = _column([0.35, 0.35, 0.3, 0.3, 0.3, 0.3], _NONE, _NONE)
ILLUMINANCE_LX = _column(_NONE, [50, 30, 20, 15, 10, 7.5], [15, 10, 7.5, 5, 3, 2])
ILLUMINANCE_MIN_LX = _column(_NONE, _NONE, [3, 2, 1.5, 1, 0.6, 0.4])
ILLUMINANCE_UNIFORMITY = _column(_NONE, [0.4] * 6, _NONE)
# EN 13201-2:2015, table 3, note: the maintained average of a P class must not pass 1.5 times its requirement.
ILLUMINANCE_MAX_LX = _column([np.inf] * 6, [np.inf] * 6, [22.5, 15, 11.25, 7.5, 4.5, 3])

# All of them in one table (class, criterion): Lav, Uo, Ul, fTI, REI, Eav, Emin, Emin/Eav, Eav at most.
REQUIRED: FloatArray = frozen(
    np.stack(
        [
            LUMINANCE_CD_M2,
            UNIFORMITY,
            LENGTHWISE,
            GLARE_PERCENT,
            EDGE,
            ILLUMINANCE_LX,
            ILLUMINANCE_MIN_LX,
            ILLUMINANCE_UNIFORMITY,
            ILLUMINANCE_MAX_LX,
        ],
        axis=1,
    )
)
WET_UNIFORMITY = 0.15  # EN 13201-2:2015, table 1: Uow of every M class where the wet road matters
# EN 13201-2:2015, table 3, additional requirements: class, least vertical and least semi-cylindrical illuminance in lx.
UPRIGHT_LX = (
    ("P1", 5.0, 5.0), ("P2", 3.0, 2.0), ("P3", 2.5, 1.5), ("P4", 1.5, 1.0), ("P5", 1.0, 0.6), ("P6", 0.6, 0.2),
)  # fmt: skip

VOLUME_TWO_LANE = (0.15, 0.45)  # share of the largest flow: below the first weight -1, above the second +1
VOLUME_MULTILANE = (0.35, 0.65)


@dataclass(frozen=True)
class Traffic:
    """What CEN/TR 13201-1:2014, table 1, asks of a road for motor vehicles, ambient luminosity moderate."""

    speed_km_h: float
    volume_weight: int
    composition_weight: int
    separated: bool
    dense_junctions: bool
    parked: bool


def code(name: str) -> int:
    """Return the position of a class; ValueError names the classes there are."""
    if name not in CLASSES:
        raise ValueError(f"lighting class {name!r} is not known; known are {', '.join(CLASSES)}")
    return CLASSES.index(name)


def m_class(road: Traffic) -> str:
    """Return the M class of a road, 6 minus the weights of CEN/TR 13201-1:2014, table 1, within M1 to M6."""
    speed = 2 if road.speed_km_h >= 100 else 1 if road.speed_km_h > 70 else -1 if road.speed_km_h > 40 else -2
    total = speed + road.volume_weight + road.composition_weight
    total += (not road.separated) + road.dense_junctions + road.parked
    return f"M{min(max(6 - total, 1), 6)}"


def c_class_beside(m_name: str) -> str:
    """Return the C class as bright as an M class on usual asphalt, 0.05 < Q0 <= 0.08 (CEN/TR 13201-1:2014, table 2)."""
    return f"C{min(int(m_name[1:]), 5)}"


def p_class(speed_weight: int, use_weight: int, composition_weight: int, parked: bool) -> str:
    """Return the P class, 6 minus the weights of CEN/TR 13201-1:2014, table 3 (ambient luminosity moderate)."""
    return f"P{min(max(6 - speed_weight - use_weight - composition_weight - parked, 1), 6)}"


def lowered(design: IntArray, by: IntArray) -> IntArray:
    """Return the classes that ask `by` steps less than `design`, no further than the last of the family."""
    return np.minimum(design + by, FAMILY_LAST[design])
