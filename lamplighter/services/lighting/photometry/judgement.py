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


def meets(found: Quality, name: str) -> bool:
    """Tell whether a road meets every criterion of a class; a P class also has a ceiling. ValueError for no such class."""
    k = classes.code(name)
    return bool(
        found.luminance_cd_m2 >= classes.LUMINANCE_CD_M2[k]
        and found.uniformity_ratio >= classes.UNIFORMITY[k]
        and found.lengthwise_ratio >= classes.LENGTHWISE[k]
        and found.glare_percent <= classes.GLARE_PERCENT[k]
        and found.edge_ratio >= classes.EDGE[k]
        and found.illuminance_lx >= classes.ILLUMINANCE_LX[k]
        and found.illuminance_min_lx >= classes.ILLUMINANCE_MIN_LX[k]
        and found.illuminance_min_lx >= classes.ILLUMINANCE_UNIFORMITY[k] * found.illuminance_lx
        and found.illuminance_lx <= classes.ILLUMINANCE_MAX_LX[k]
    )


def classes_met(found: Quality) -> Met:
    """Return the best class of each family that a road meets."""
    best = {family: next((n for n in classes.CLASSES if n[0] == family and meets(found, n)), None) for family in "MCP"}
    return Met(best["M"], best["C"], best["P"])
