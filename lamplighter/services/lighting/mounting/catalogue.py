# SPDX-License-Identifier: Apache-2.0
"""The luminaires a search may pick from: our own optics in their product steps, or makers' files as they are."""

from functools import cache

import numpy as np

from lamplighter.services.lighting.mounting.candidates import UNIT_LM
from lamplighter.services.lighting.mounting.judging import Family
from lamplighter.services.lighting.photometry import luminaires
from lamplighter.services.lighting.photometry.distribution import Distribution

FILE_GEAR_SHARE = 0.06  # of the rated power: what gear draws whatever the light, where a file does not say


@cache
def own(optic: str) -> Family:
    """Return one of our own optics in all its product steps; ValueError names the optics there are."""
    flux = np.array(luminaires.RATED_FLUX_LM, dtype=np.float64)
    light = luminaires.luminaire(optic, UNIT_LM)
    return Family(light, flux, luminaires.rated_power_w(flux), np.full(len(flux), luminaires.GEAR_W))


def single(light: Distribution) -> Family:
    """Return a luminaire that comes in one flux; ValueError where it gives no power, so that no energy can be told."""
    if not light.power_w > 0.0:
        raise ValueError(f"luminaire {light.name}: its power is {light.power_w:g} W, so its energy is not known; state its watts")
    one = np.array([light.power_w])
    return Family(light, np.array([light.flux_lm()]), one, one * FILE_GEAR_SHARE)
