# SPDX-License-Identifier: Apache-2.0
"""Ways to mount luminaires along one road, as columns, and what each way and each optic gives per 1000 lm."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

from lamplighter.services.lighting.photometry import columns, verdict
from lamplighter.services.lighting.photometry.distribution import Distribution
from lamplighter.services.lighting.photometry.field import ARRANGEMENTS, RoadField
from lamplighter.services.lighting.photometry.influence import BLOCKS, LIT
from lamplighter.terms.columns import FloatArray, IntArray

UNIT_LM = 1000.0
BATCH = 1024  # ways judged between two words of progress
MOST = 1_000_000  # ways times families that one search may try
Figures = FloatArray  # (families, ways, verdict.FIGURES): per 1000 lm of each luminaire, new


@dataclass(frozen=True)
class Section:
    """The road to be lit: carriageway, lanes, r-table."""

    width_m: float
    lanes: int
    surface: str


@dataclass(frozen=True)
class Ways:
    """Mountings, columns (n,): arrangement as codes of ARRANGEMENTS, and the numbers of a `RoadField`."""

    section: Section
    arrangement: IntArray
    spacing_m: FloatArray
    height_m: FloatArray
    overhang_m: FloatArray
    tilt_deg: FloatArray

    def __len__(self) -> int:
        return len(self.arrangement)

    def road(self, way: int) -> RoadField:
        """Return one of them; ValueError where its geometry cannot be."""
        return RoadField(
            ARRANGEMENTS[int(self.arrangement[way])],
            float(self.spacing_m[way]),
            self.section.width_m,
            self.section.lanes,
            float(self.height_m[way]),
            float(self.overhang_m[way]),
            float(self.tilt_deg[way]),
        )

    def luminaires_per_km(self) -> FloatArray:
        """Return (n,) luminaires per kilometre of road."""
        rows = np.where(self.arrangement == ARRANGEMENTS.index("single"), 1.0, 2.0)
        return rows * 1000.0 / self.spacing_m

    def poles_per_km(self) -> FloatArray:
        """Return (n,) columns per kilometre of road; one in the middle carries two luminaires."""
        central = self.arrangement == ARRANGEMENTS.index("central")
        return np.where(central, 0.5, 1.0) * self.luminaires_per_km()


@dataclass(frozen=True)
class Choices:
    """What may be chosen of each part of a mounting; every combination is tried."""

    arrangement: tuple[str, ...]
    spacing_m: tuple[float, ...]
    height_m: tuple[float, ...]
    overhang_m: tuple[float, ...]
    tilt_deg: tuple[float, ...]

    def count(self) -> int:
        """Return the number of combinations."""
        return len(self.arrangement) * len(self.spacing_m) * len(self.height_m) * len(self.overhang_m) * len(self.tilt_deg)


def ways_of(section: Section, choices: Choices) -> Ways:
    """Return every combination of the choices; ValueError names a number that no road has."""
    low, high = (
        RoadField(
            "single", pick(choices.spacing_m), section.width_m, section.lanes, pick(choices.height_m),
            pick(choices.overhang_m), pick(choices.tilt_deg),
        )
        for pick in (min, max)
    )  # fmt: skip
    del low, high  # made only so that bounds outside of what a road field allows are refused by name
    code = [float(ARRANGEMENTS.index(name)) for name in choices.arrangement]  # pyright: ignore[reportArgumentType]
    rows = np.array(list(product(code, choices.spacing_m, choices.height_m, choices.overhang_m, choices.tilt_deg)))
    return Ways(section, rows[:, 0].astype(np.int64), rows[:, 1], rows[:, 2], rows[:, 3], rows[:, 4])


def unit_figures(
    ways: Ways, lights: list[Distribution], lighting_class: int, progress: Callable[[float], None] | None = None
) -> Figures:
    """Return the figures of every way with every light scaled to 1000 lm, new: those that the class asks for, others 0.

    progress: told the share done, 0 to 1. ValueError for an unknown surface.
    """
    stack = columns.lights_of([scaled(light, UNIT_LM) for light in lights])
    optics = (stack, columns.surfaces_of([ways.section.surface]))
    luminance = int(verdict.blocks_for(np.array([lighting_class]))[0, LIT] == 0)
    found = np.zeros((len(lights), len(ways), verdict.FIGURES))
    done, whole = 0, max(len(lights) * len(ways), 1)
    for kind in range(len(lights)):
        for begin in range(0, len(ways), BATCH):
            part = slice(begin, min(begin + BATCH, len(ways)))
            found[kind, part] = _figures(ways, part, kind, optics, luminance)
            done += part.stop - part.start
            if progress is not None:
                progress(done / whole)
    return found


def _figures(ways: Ways, part: slice, kind: int, optics: tuple[columns.Lights, columns.Surfaces], luminance: int) -> FloatArray:
    count = part.stop - part.start
    number = {
        "spacing_m": ways.spacing_m[part],
        "width_m": np.full(count, ways.section.width_m),
        "lanes": np.full(count, float(ways.section.lanes)),
        "height_m": ways.height_m[part],
        "overhang_m": ways.overhang_m[part],
        "tilt_deg": ways.tilt_deg[part],
    }
    zero = np.zeros(count, dtype=np.int64)
    fields, poles = columns.fields_of_columns(ways.arrangement[part], number, zero, zero + kind, zero + luminance)
    wanted = np.zeros((count, BLOCKS), dtype=np.int64)
    wanted[:, LIT] = 1
    if luminance:
        wanted[:] = 1
    return verdict.cold_figures(fields, poles, optics, wanted)


def scaled(light: Distribution, flux_lm: float) -> Distribution:
    """Return the same distribution with another flux; its power is as it was."""
    share = flux_lm / light.flux_lm()
    return Distribution(light.name, light.intensity_cd * share, light.c_step_deg, light.gamma_step_deg, light.power_w)
