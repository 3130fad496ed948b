# SPDX-License-Identifier: Apache-2.0
"""Ways of steering a night: each says, step by step, how much every plugged-in car draws."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lamplighter.services.grid.envelopes.envelope import Bounds, below, thermal_headroom, violates
from lamplighter.services.grid.envelopes.radial import flat, sweep
from lamplighter.services.grid.hosting.cars import FULL_KW, STEP_H, Cars
from lamplighter.services.grid.hosting.night import Night
from lamplighter.services.grid.network.sharing import share
from lamplighter.services.grid.terms import POINT_MIN_KW
from lamplighter.terms.columns import AnyArray, FloatArray

TIMER_STEP = 44  # 23:00


@dataclass(frozen=True)
class Now:
    """What a step begins with: its number, what is plugged in (m,), energy still wanted (m,), what is not charging (n,).

    late: what meters said before, where they are late; then nothing newer is known.
    """

    step: int
    here: AnyArray
    left_kwh: FloatArray
    base_kva: AnyArray
    late: "Late | None" = None

    def usable_kw(self) -> FloatArray:
        """Return what each car (m,) can draw on average in this step."""
        return np.where(self.here, np.minimum(FULL_KW, self.left_kwh / STEP_H), 0.0)


@dataclass(frozen=True)
class Late:
    """Meters of the quarter of an hour before, at the head of each feeder and at transformers (values elsewhere are not read).

    through_kva (n,): power into the feeder; loading (n,): of the fullest line phase; lowest_pu (n,): of the lowest line
    phase, read at feeder ends; steered_kw (m,): what steered cars drew, summed by their groups before anybody reads it.
    """

    through_kva: AnyArray
    loading: FloatArray
    lowest_pu: FloatArray
    steered_kw: FloatArray


Way = Callable[[Now], AnyArray]  # kW of every car (m,), or kVA where inverters supply reactive power


def uncontrolled(night: Night, cars: Cars) -> Way:
    """Charge at full power as soon as plugged in."""
    return lambda now: now.usable_kw()


def timer(night: Night, cars: Cars) -> Way:
    """Charge at full power from 23:00 on."""
    return lambda now: now.usable_kw() if now.step >= TIMER_STEP else np.zeros(len(now.here))


def bounds_of(night: Night, loading: float = 1.0, u_margin: FloatArray | float = 0.0) -> Bounds:
    """Return a night's bounds: loading (share of rating) and voltage, with a margin (n,) in pu above 0.95."""
    many = len(night.tree.parent)
    return Bounds(np.full(many, loading), np.full(many, 0.95) + u_margin)


def cap(night: Night, cars: Cars) -> Way:
    """Charge at a fixed power that is safe if all cars charge at once at the worst moment; nothing below 6 A."""
    many = len(night.tree.parent)
    at = np.bincount(cars.row, minlength=many).astype(np.float64)
    hour = int(np.argmax(np.real(night.base_kva).sum(axis=1)))
    low, high = 0.0, FULL_KW
    bounds = bounds_of(night)
    for _ in range(30):
        middle = 0.5 * (low + high)
        u, i, settled = sweep(night.tree, night.base_kva[hour] + middle * at, flat(night.tree))
        good = settled and not _broken(night, u, i, bounds)
        low, high = (middle, high) if good else (low, middle)
    power = low if low >= POINT_MIN_KW else 0.0
    return lambda now: np.minimum(now.usable_kw(), power)


def _broken(night: Night, u: AnyArray, i: AnyArray, bounds: Bounds) -> bool:
    return bool(violates(night.tree, u, i, bounds).any())


def droop(night: Night, cars: Cars) -> Way:
    """Charge at full power from 1.00 pu of local voltage up, nothing at 0.95 pu, evenly between; nothing below 6 A."""

    def power(now: Now) -> FloatArray:
        usable, given = now.usable_kw(), np.zeros(len(now.here))
        u = flat(night.tree)
        for turn in range(60):
            s = now.base_kva + np.bincount(cars.row, weights=given, minlength=len(u))
            u, _, _ = sweep(night.tree, s, flat(night.tree))
            wish = FULL_KW * np.clip((np.abs(u[cars.row]) - 0.95) / 0.05, 0.0, 1.0)
            given += (np.minimum(usable, wish) - given) * (0.5 if turn < 40 else 0.2)
        return np.where(given >= np.minimum(POINT_MIN_KW, usable) - 1e-6, given, 0.0)

    return power


def _headroom(night: Night, base_kva: AnyArray, only_transformers: bool) -> FloatArray:
    u, i, _ = sweep(night.tree, base_kva, flat(night.tree))
    head = thermal_headroom(night.tree, u, i, np.zeros(len(u)), bounds_of(night))
    return np.where(night.tree.is_line, 1e12, head) if only_transformers else head


def equal_share(night: Night, cars: Cars, only_transformers: bool) -> Way:
    """Share what transformers (or every branch) have left, max-min fair by cars; power flow tells the losses."""
    attach = cars.row

    def power(now: Now) -> FloatArray:
        usable = now.usable_kw()
        given = np.zeros(len(usable))
        head = _headroom(night, now.base_kva, only_transformers)
        for _ in range(4):
            given, _ = share(night.tree.parent, head, attach, (usable > 0).astype(np.float64), usable)
            own = np.bincount(cars.row, weights=given, minlength=len(head))
            u, i, settled = sweep(night.tree, now.base_kva + own, flat(night.tree))
            if not settled:
                break
            head = thermal_headroom(night.tree, u, i, below(night.tree.parent, own), bounds_of(night))
            head = np.where(night.tree.is_line, 1e12, head) if only_transformers else head
        return given

    return power
