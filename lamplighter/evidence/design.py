# SPDX-License-Identifier: Apache-2.0
"""Which area runs which arm in which hour. Pure: the same design, area and time give the same arm, on any machine.

A switchback (Bojinov, Simchi-Levi and Zhao 2020) draws the arm per area and block of time. Blocks come in pairs:
the same hours of two days in a row, one with each arm, in an order drawn by lot. The beginning of every block is
discarded, because the streets still carry what the arm before left behind.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from lamplighter.terms.columns import BoolArray, FloatArray, IntArray, TextArray

Arm = Literal["adaptive", "baseline"]
DAY_S = 86400


@dataclass(frozen=True)
class Fixed:
    """One arm for every area but those named otherwise, at all times."""

    arm: Arm
    otherwise: Mapping[str, Arm] = field(default_factory=dict[str, Arm])


@dataclass(frozen=True)
class Switchback:
    """Arms by lot from begin_s on, per area and block; before it, baseline. The lot is drawn from `seed` alone."""

    seed: int
    begin_s: int
    block_s: int = 7200
    lead_in_s: int = 1800

    def __post_init__(self) -> None:
        if self.block_s < 900 or DAY_S % self.block_s:
            raise ValueError(f"switchback: block_s {self.block_s} must divide a day and be at least 900; 7200 serves well")
        if not 0 <= self.lead_in_s <= self.block_s // 2:
            raise ValueError(f"switchback: lead_in_s {self.lead_in_s} must lie between 0 and half a block ({self.block_s // 2})")


Design = Fixed | Switchback


def arm(design: Design, area: str, time_s: float) -> Arm:
    """Return the arm of one area at a time."""
    if isinstance(design, Fixed):
        return design.otherwise.get(area, design.arm)
    if time_s < design.begin_s:
        return "baseline"
    block = block_of(design, time_s)
    day, slot = divmod(block, DAY_S // design.block_s)
    return "adaptive" if _lot(design.seed, area, day // 2, slot) ^ (day % 2 == 1) else "baseline"


def arms(design: Design, areas: TextArray, time_s: float) -> BoolArray:
    """Return which of the areas (k,) are in the adaptive arm at a time."""
    names, place = np.unique(areas, return_inverse=True)
    adaptive = np.array([arm(design, str(name), time_s) == "adaptive" for name in names], dtype=np.bool_)
    return adaptive[place] if len(names) else np.zeros(0, dtype=np.bool_)


def block_of(design: Switchback, time_s: float) -> int:
    """Return the number of the block at a time, from 0 at the begin."""
    return int((time_s - design.begin_s) // design.block_s)


def counted(design: Design, time_s: float) -> bool:
    """Return whether what happens at a time counts, or lies in a discarded lead-in (or before the begin)."""
    if isinstance(design, Fixed):
        return True
    return time_s >= design.begin_s and (time_s - design.begin_s) % design.block_s >= design.lead_in_s


def pair_of(design: Switchback, block: IntArray) -> IntArray:
    """Return the number of the pair to which each block (n,) belongs: the same hours of two days in a row."""
    per_day = DAY_S // design.block_s
    day, slot = block // per_day, block % per_day
    return (day // 2) * per_day + slot


def paired_differences(design: Switchback, area: str, block: IntArray, value: FloatArray) -> FloatArray:
    """Return adaptive minus baseline (p,) of every pair of which both blocks have a value (n,), in order of time."""
    pair = pair_of(design, block)
    adaptive = np.array(
        [arm(design, area, design.begin_s + int(b) * design.block_s) == "adaptive" for b in block], dtype=np.bool_
    )
    found = [
        float(value[(pair == each) & adaptive][0] - value[(pair == each) & ~adaptive][0])
        for each in np.unique(pair)
        if np.count_nonzero((pair == each) & adaptive) == 1 and np.count_nonzero((pair == each) & ~adaptive) == 1
    ]
    return np.array(found, dtype=np.float64)


def digest(design: Design) -> str:
    """Return the hash under which a design is registered in the ledger before its first block."""
    if isinstance(design, Fixed):
        text = "fixed|" + design.arm + "".join(f"|{name}={design.otherwise[name]}" for name in sorted(design.otherwise))
    else:
        text = f"switchback|{design.seed}|{design.begin_s}|{design.block_s}|{design.lead_in_s}"
    return hashlib.sha256(text.encode()).hexdigest()


def _lot(seed: int, area: str, pair_of_days: int, slot: int) -> bool:
    """A fair coin that anyone can toss again from the registered design."""
    return bool(hashlib.sha256(f"{seed}|{area}|{pair_of_days}|{slot}".encode()).digest()[0] & 1)
