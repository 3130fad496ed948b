# SPDX-License-Identifier: Apache-2.0
"""Which lighting classes of EN 13201-2 a road meets."""

from dataclasses import dataclass

from lamplighter.services.lighting.photometry import classes
from lamplighter.services.lighting.photometry.quality import Quality


@dataclass(frozen=True)
class Met:
    """The most demanding class met of each family; None where none is."""

    m_class: str | None
    c_class: str | None
    p_class: str | None


def meets(found: Quality, name: str, wet_ratio: float | None = None) -> bool:
    """Tell whether a road meets every criterion of a class; a P class also has a ceiling. ValueError for no such class.

    wet_ratio: overall uniformity of the wet road, where the wet road matters; it then binds the M classes.
    """
    k = classes.code(name)
    if name.startswith("M") and wet_ratio is not None and wet_ratio < classes.WET_UNIFORMITY:
        return False
    return bool(
        found.luminance_cd_m2 >= classes.LUMINANCE_CD_M2[k]
        and found.uniformity_ratio >= classes.UNIFORMITY[k]
        and found.lengthwise_ratio >= classes.LENGTHWISE[k]
        and found.glare_percent <= classes.GLARE_PERCENT[k]
        and found.edge_ratio >= classes.EDGE[k]
        and meets_illuminance(found.illuminance_lx, found.illuminance_min_lx, name)
    )


def meets_illuminance(mean_lx: float, least_lx: float, name: str) -> bool:
    """Tell whether average and least illuminance, maintained, meet what a class asks of them."""
    k = classes.code(name)
    return bool(
        mean_lx >= classes.ILLUMINANCE_LX[k]
        and least_lx >= classes.ILLUMINANCE_MIN_LX[k]
        and least_lx >= classes.ILLUMINANCE_UNIFORMITY[k] * mean_lx
        and mean_lx <= classes.ILLUMINANCE_MAX_LX[k]
    )


def classes_met(found: Quality, wet_ratio: float | None = None) -> Met:
    """Return the best class of each family that a road meets; wet_ratio as in `meets`."""
    best = {family: next((n for n in classes.CLASSES if n[0] == family and meets(found, n, wet_ratio)), None) for family in "MCP"}
    return Met(best["M"], best["C"], best["P"])


def upright_classes_met(vertical_lx: float, semicylindrical_lx: float) -> tuple[str | None, str | None]:
    """Return the best P class whose additional vertical, and whose semi-cylindrical, illuminance is met: where faces must be made
    out (EN 13201-2:2015, table 3; these values are known figures, to be checked against a bought copy)."""
    vertical = next((name for name, least, _ in classes.UPRIGHT_LX if vertical_lx >= least), None)
    return vertical, next((name for name, _, least in classes.UPRIGHT_LX if semicylindrical_lx >= least), None)


def illuminance_classes_met(mean_lx: float, least_lx: float) -> Met:
    """Return the best C and P class that illuminance alone meets; luminance is not known, hence no M class."""
    best = {
        family: next((n for n in classes.CLASSES if n[0] == family and meets_illuminance(mean_lx, least_lx, n)), None)
        for family in "CP"
    }
    return Met(None, best["C"], best["P"])
