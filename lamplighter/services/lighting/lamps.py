# SPDX-License-Identifier: Apache-2.0
"""The simulated lamps one by one: which are broken and how, what they draw, and the registers that they read out once a day."""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.photometry.luminaires import GEAR_W
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

SOUND, DARK, DEAD, MUTE, STUCK, ALWAYS_ON = range(6)
FAULTS = {
    DARK: "gives no light though its gear answers",
    DEAD: "is without power and says nothing",
    MUTE: "burns as it should but says nothing",
    STUCK: "burns at full output whatever it is told",
    ALWAYS_ON: "burns by day too",
}
STANDBY_W = 0.4  # by day the gear's radio stays on
CLO_NEW_SHARE = 0.9  # constant light output: a new lamp needs this share of the light's power, an old one all of it
METER_DEVIATION_RATIO = 0.003  # of a cabinet's meter of class 1, whose error may reach 1 %


@dataclass(frozen=True)
class Fleet:
    """fault (l,): codes; clo_ratio (l,): of the light's power that constant light output needs at the lamp's age."""

    fault: IntArray
    clo_ratio: FloatArray

    def lit(self) -> BoolArray:
        """Return (l,) the lamps that give light when they should."""
        return (self.fault != DARK) & (self.fault != DEAD)


@dataclass(frozen=True)
class Drawn:
    """What the lamps of each segment draw (s,): gear_w of those with power, light_w at full output of those that follow, fixed_w
    of those that burn at full output, by_day_w of those that never go off; living_count (s,): lamps with power."""

    gear_w: FloatArray
    light_w: FloatArray
    fixed_w: FloatArray
    by_day_w: FloatArray
    living_count: FloatArray

    def power_w(self, mean_output: FloatArray, supplied: BoolArray) -> FloatArray:
        """Return (s,) the power of a minute at these outputs."""
        burning = mean_output > 0.0
        at_night = self.gear_w + self.light_w * mean_output + self.fixed_w
        by_day = self.living_count * STANDBY_W + self.by_day_w
        return np.where(supplied, np.where(burning, at_night, by_day), 0.0)


@dataclass(frozen=True)
class Registers:
    """Since last noon: hours of each segment (s,) with supply, alight, and alight in hours at full output; and what lamps had in
    their registers before they broke (l,): energy_wh, burn_h, light_h."""

    supplied_h: FloatArray
    alight_h: FloatArray
    at_full_h: FloatArray
    energy_wh: FloatArray
    burn_h: FloatArray
    light_h: FloatArray


def drawn(fleet: Fleet, layout: Layout) -> Drawn:
    """Return what the lamps of each segment draw."""
    segment, count = layout.lamp_segment, len(layout.segments.design)
    light_w = (layout.segments.power_w[segment] - GEAR_W) * fleet.clo_ratio
    fault = fleet.fault
    follows, fixed = (fault == SOUND) | (fault == MUTE), (fault == STUCK) | (fault == ALWAYS_ON)

    def per_segment(weight: FloatArray) -> FloatArray:
        return np.bincount(segment, weights=weight, minlength=count).astype(np.float64)

    living = per_segment((fault != DEAD).astype(np.float64))
    always = per_segment((fault == ALWAYS_ON) * (light_w + GEAR_W - STANDBY_W))
    return Drawn(living * GEAR_W, per_segment(follows * light_w), per_segment(fixed * light_w), always, living)


def empty_registers(layout: Layout) -> Registers:
    """Return registers at noon."""
    zero, lamp = np.zeros(len(layout.segments.design)), np.zeros(len(layout.lamp_segment))
    return Registers(zero, zero, zero, lamp, lamp, lamp)


def counted(registers: Registers, mean_output: FloatArray, supplied: BoolArray, hours_h: float) -> Registers:
    """Return the registers after some time at these outputs (s,)."""
    return Registers(
        registers.supplied_h + supplied * hours_h,
        registers.alight_h + (mean_output > 0.0) * hours_h,
        registers.at_full_h + mean_output * hours_h,
        registers.energy_wh,
        registers.burn_h,
        registers.light_h,
    )


def read(registers: Registers, fleet: Fleet, layout: Layout) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return energy in Wh, hours alight and hours at full output of every lamp (l,) since last noon, as its gear counts them."""
    segment, fault = layout.lamp_segment, fleet.fault
    light_w = (layout.segments.power_w[segment] - GEAR_W) * fleet.clo_ratio
    supplied, alight, full = (column[segment] for column in (registers.supplied_h, registers.alight_h, registers.at_full_h))
    burn = np.where(fault == DEAD, 0.0, np.where(fault == ALWAYS_ON, supplied, alight))
    light = np.where(fault == DEAD, 0.0, np.where(fault == ALWAYS_ON, supplied, np.where(fault == STUCK, alight, full)))
    energy = GEAR_W * burn + STANDBY_W * np.maximum(supplied - burn, 0.0) + np.where(fault == DARK, 0.0, light_w * light)
    return registers.energy_wh + np.where(fault == DEAD, 0.0, energy), registers.burn_h + burn, registers.light_h + light


def broken(registers: Registers, before: Fleet, layout: Layout) -> Registers:
    """Return the registers just before some lamps break: what each lamp has counted so far stands in its own."""
    energy_wh, burn_h, light_h = read(registers, before, layout)
    zero = np.zeros_like(registers.supplied_h)
    return Registers(zero, zero, zero, energy_wh, burn_h, light_h)
