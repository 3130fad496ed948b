# SPDX-License-Identifier: Apache-2.0
"""Why no design meets a class: the nearest one, which criteria it misses, and how far any design comes in each of them."""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting.mounting.candidates import Figures
from lamplighter.services.lighting.mounting.judging import (
    AVERAGE,
    EDGE,
    LEAST,
    LENGTHWISE,
    LUMINANCE,
    UNIFORMITY,
    Asked,
    Family,
    Judged,
    brightness_lm,
    glare_percent,
)
from lamplighter.services.lighting.photometry import classes
from lamplighter.terms.columns import FloatArray


@dataclass(frozen=True)
class Missing:
    """A criterion that the nearest design misses: its figure, the limit, and `value`, the best that any design has alone."""

    criterion: str
    unit: str
    observed: float
    limit: float
    low: bool  # the figure must not be below the limit, else not above
    value: float

    def short_percent(self) -> float:
        """Return by how much the figure misses its limit, in per cent of the limit."""
        gap = self.limit - self.observed if self.low else self.observed - self.limit
        return gap / self.limit * 100.0


@dataclass(frozen=True)
class Nearest:
    """The design that comes nearest to a class, and what it misses."""

    family: int
    way: int
    flux_lm: float
    missing: tuple[Missing, ...]


@dataclass(frozen=True)
class _Criterion:
    name: str
    unit: str
    value: FloatArray
    limit: float
    low: bool

    def margin(self) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            share = self.value / self.limit if self.low else self.limit / self.value
        return np.nan_to_num(share, nan=0.0, posinf=1e9)


def _criteria(unit: Figures, flux_lm: FloatArray, asked: Asked) -> list[_Criterion]:
    k, maintenance = asked.lighting_class, asked.maintenance_ratio
    lit = unit[..., AVERAGE] * flux_lm / 1000.0 * maintenance
    with np.errstate(divide="ignore", invalid="ignore"):
        even = np.where(unit[..., AVERAGE] > 0.0, unit[..., LEAST] / unit[..., AVERAGE], 0.0)
    rows = (
        ("Lav", "cd/m2", unit[..., LUMINANCE] * flux_lm / 1000.0 * maintenance, classes.LUMINANCE_CD_M2[k], True),
        ("Uo", "", unit[..., UNIFORMITY], classes.UNIFORMITY[k], True),
        ("Ul", "", unit[..., LENGTHWISE], classes.LENGTHWISE[k], True),
        ("fTI", "%", glare_percent(unit, flux_lm), classes.GLARE_PERCENT[k], False),
        ("REI", "", unit[..., EDGE], classes.EDGE[k], True),
        ("Eav", "lx", lit, classes.ILLUMINANCE_LX[k], True),
        ("Emin", "lx", unit[..., LEAST] * flux_lm / 1000.0 * maintenance, classes.ILLUMINANCE_MIN_LX[k], True),
        ("Emin/Eav", "", even, classes.ILLUMINANCE_UNIFORMITY[k], True),
        ("Eav at most", "lx", lit, classes.ILLUMINANCE_MAX_LX[k], False),
    )
    return [_Criterion(name, mark, value, float(limit), low) for name, mark, value, limit, low in rows if 0.0 < limit < np.inf]


def nearest(unit: Figures, families: list[Family], found: Judged, asked: Asked) -> Nearest:
    """Return the design whose most missed criterion is missed least, at the flux that its averages need (or the most)."""
    bright = brightness_lm(unit, asked.lighting_class, asked.maintenance_ratio)
    most = np.array([float(family.flux_lm[-1]) for family in families])[:, None]
    step = np.stack([family.flux_lm[found.product[f]] for f, family in enumerate(families)])
    flux = np.minimum(bright, most)
    if asked.full_glare:
        flux = np.minimum(np.maximum(flux, step), most)
    every = _criteria(unit, flux, asked)
    margins = np.stack([one.margin() for one in every])
    worst = np.where(np.isfinite(flux), margins.min(axis=0), 0.0)
    family, way = (int(i) for i in np.unravel_index(int(worst.argmax()), worst.shape))
    missing = tuple(
        Missing(
            one.name, one.unit, float(one.value[family, way]), one.limit, one.low,
            float(np.nanmax(one.value) if one.low else np.nanmin(one.value)),
        )
        for one, share in zip(every, margins[:, family, way].tolist(), strict=True)
        if share < 1.0
    )  # fmt: skip
    return Nearest(family, way, float(flux[family, way]), missing)
