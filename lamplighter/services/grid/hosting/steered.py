# SPDX-License-Identifier: Apache-2.0
"""A night steered by operating envelopes from aggregate data alone.

What is read: power of stations and feeders, voltage at feeder ends, counts of connections with their contracted energy,
and of each group of ten points or more its sums. What a group's cars want is known inside its own box only.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.grid.envelopes import station
from lamplighter.services.grid.envelopes.envelope import (
    Bounds,
    Members,
    below,
    envelopes,
    shrink,
    spread,
    thermal_headroom,
    voltage_headroom,
)
from lamplighter.services.grid.envelopes.plan import Needs, service_shares, with_floor
from lamplighter.services.grid.envelopes.radial import Radial, flat, loadings, sweep
from lamplighter.services.grid.envelopes.reactive import POWER_FACTOR, TAN_MAX, set_points, spread_kvar
from lamplighter.services.grid.hosting import cars as drawn
from lamplighter.services.grid.hosting.cars import FULL_KW, STEP_H, STEPS, Cars, by_row
from lamplighter.services.grid.hosting.grouping import depth_pu, grouped
from lamplighter.services.grid.hosting.margins import voltage_margins
from lamplighter.services.grid.hosting.night import Night, gains_of, metered, usual
from lamplighter.services.grid.hosting.ways import Late, Now, Way, bounds_of
from lamplighter.services.grid.interlock.reactive import holds
from lamplighter.services.grid.network.sharing import share
from lamplighter.services.grid.terms import POINT_MIN_KW, POINTS_REPORTED_MIN
from lamplighter.terms.columns import AnyArray, FloatArray, IntArray

BLOCKS = np.array([1] * 8 + [2] * 44, dtype=np.int64)  # quarters of an hour, then half hours
POINT = (POINT_MIN_KW, FULL_KW)
UNTOLD_KWH, UNTOLD_H = 12.0, 2.0  # a point of a group too small to tell: a usual car's energy, due in two hours
PRESENT_LIMIT = 1.004  # the mean of a quarter of an hour follows the meters to a part in a thousand; 1.005 is the bound
U_MARGIN_PU = 0.0005
U_ANY_PU = 0.5  # where voltage is left out
WORTH_SHARE = 0.01  # reactive power heats cables too: it is used where it lets groups draw so much more
U_BAND_PU, LOADING_CHECKED = (0.95, 1.10), 1.006  # of the check; its power flow and the planner's agree to a part in a thousand
FADES_STEPS = 8.0  # what differs from usual today is half gone after two hours
MET_KW = 0.5
ROUNDS = 2
SHARES = (
    0.955,
    0.995,
)  # of its energy a car gets at least and at most as needed; what is wanted beyond follows where there is room
CAREFUL = 0.93  # share of later headroom that is counted on: what is due early then comes first in good time
LATE_LOADING = 0.95  # what changes until late meters say so stays free, beside the usual gain of demand
LATE_U_MIN_PU = 0.92  # a line phase may be 0.90 pu (EN 50160); the rest is for what changes until the meter says so
REMEMBERED = 8  # quarters of an hour whose corrections count
LATE_RAMP_KW = 11.0  # a group rises by one point in a quarter of an hour, so that what it really loads shows in time
FORGETS = 0.99
GUARD_H = 0.5
SECOND_H = 100.0  # ranks what is not pressing behind what is


@dataclass(frozen=True)
class Asked:
    """What steering keeps besides. floor_kw: guaranteed to each point that wants power, as far as all of them fit (4.2 kW
    where German law gives it to private points); volt_var: points' inverters supply reactive power where voltage binds."""

    floor_kw: float = 0.0
    volt_var: bool = False


def block_ends_h(step: int) -> FloatArray:
    """Return the ends of the blocks (k,) in hours from the beginning of a step; the last reaches the next noon."""
    ends = np.cumsum(BLOCKS)
    ends = ends[ends < STEPS - step]
    return np.append(ends, max(STEPS - step, 1)) * STEP_H


def usual_needs(samples: int = 4000) -> tuple[FloatArray, FloatArray]:
    """Return what other nights' sums show of one car: share still to come at each step (t,), energy due by each step (t + 1,)."""
    one = drawn.draw(0xF0CA, samples, np.zeros(1, np.int64))
    to_come = np.array([(one.first > step).mean() for step in range(STEPS)])
    ends = np.arange(STEPS + 1)
    away = np.maximum(one.last[None, :] - ends[:, None], 0) * STEP_H
    return to_come, np.maximum(0.0, one.energy_kwh[None, :] - FULL_KW * away).mean(axis=1)


@dataclass(frozen=True)
class Ahead:
    """Forecast of a night: usual_kw (t + 1, n) power through branches summed over steps, full_kw (n,) what may pass at most."""

    summed_kw: FloatArray
    full_kw: FloatArray

    def headroom(self, away_kw: FloatArray, step: int, at: IntArray) -> FloatArray:
        """Return headroom (n, k) of the blocks that end at steps `at`; away_kw (n,): today's difference from usual."""
        begins = np.append(step, at[:-1])
        mean = (self.summed_kw[at] - self.summed_kw[begins]) / np.maximum(at - begins, 1)[:, None]
        fading = 0.5 ** ((0.5 * (begins + at) - step) / FADES_STEPS)
        return np.maximum(self.full_kw[:, None] - mean.T - fading[None, :] * away_kw[:, None], 0.0)


def _ahead(night: Night, members: Members, size: FloatArray, bounds: Bounds, volt_var: bool) -> tuple[Ahead, FloatArray]:
    """Return the forecast, and what usually passes each branch (t, n)."""
    real = usual(night)
    parent = night.tree.parent
    sums = np.stack([below(parent, row.copy()) for row in real])
    groups = len(size)
    wide = np.full((len(parent), 1), 1e12)
    needs = Needs(np.full((groups, 1), 1e6), np.zeros((groups, 1)), FULL_KW * size, FULL_KW * size, size, 0.0)
    mean = real.mean(axis=0)
    ahead = (wide, np.array([STEP_H]))
    if volt_var:
        _, head, _ = with_inverters(night.tree, mean + 0j, members, ahead, needs, bounds)
    else:
        _, head = envelopes(night.tree, mean + 0j, members, ahead, needs, bounds)
    total = np.vstack([np.zeros(len(parent)), np.cumsum(sums, axis=0)])
    return Ahead(total, head + below(parent, mean.copy())), sums


def with_inverters(
    tree: Radial, base_kva: AnyArray, members: Members, ahead: tuple[FloatArray, FloatArray], needs: Needs, bounds: Bounds
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return limits (g,) and headroom (n,) as `envelopes` does, and the reactive power (g,) in kvar that lifts voltages for them:
    first what heat alone would allow, then the least reactive power for that, then the limits that hold with it."""
    rows = len(tree.parent)
    heat_alone = Bounds(bounds.loading_max_ratio, np.full(rows, U_ANY_PU))
    wish, _ = envelopes(tree, base_kva, members, ahead, needs, heat_alone)
    kvar = set_points(tree, base_kva, members, wish, TAN_MAX * wish, bounds)
    limit, head = envelopes(tree, base_kva - 1j * spread_kvar(members, wish, kvar, rows), members, ahead, needs, bounds)
    kvar = np.minimum(kvar, TAN_MAX * limit)
    limit = shrink(tree, base_kva - 1j * spread_kvar(members, limit, kvar, rows), members, limit, bounds)
    return limit, head, np.minimum(kvar, TAN_MAX * limit)


class Steering:
    """The steering of one night: what never changes in it, and one call per quarter of an hour."""

    def __init__(self, night: Night, cars: Cars, asked: Asked | None = None) -> None:
        """Form the groups and look at the night ahead."""
        self._night, self._cars, self._asked = night, cars, asked or Asked()
        many = len(night.tree.parent)
        points = np.bincount(cars.row, minlength=many).astype(np.float64)
        self._members, of_row = grouped(night.tree, points)
        self._group = of_row[cars.row]
        self._size = np.bincount(self._group, minlength=len(self._members.attach)).astype(np.float64)
        self._to_come, self._due_usual = usual_needs()
        head = night.feeder
        self._meters = np.unique(np.append(head, np.flatnonzero(~night.tree.is_line)))
        depth = depth_pu(night.tree.parent, night.tree.z_pu)
        order = np.lexsort((depth, head))
        last = np.append(np.flatnonzero(np.diff(head[order])), len(order) - 1)
        end_of = np.arange(many)
        end_of[head[order][last]] = order[last]
        self._is_meter = np.isin(np.arange(many), self._meters)
        self._factors: list[FloatArray] = []
        self._sags: list[FloatArray] = []
        self._before_kw = np.zeros(len(self._size))
        self.refused = 0  # sets of limits and reactive power that the check refused
        self._predicted: FloatArray | None = None
        self._excess, self._steady = np.zeros(many), np.ones(many)
        self._gains = gains_of(night)
        self._end = end_of[head]  # the farthest row of each row's feeder, where a voltage meter is
        self._bounds = bounds_of(night, PRESENT_LIMIT, U_MARGIN_PU + voltage_margins(night, self._end))
        self._ahead, self._usual = _ahead(night, self._members, self._size, self._bounds, self._asked.volt_var)

    def power(self, now: Now) -> AnyArray:
        """Return what every car (m,) draws in a step, in kW; with volt-var in kVA, what it supplies negative."""
        cars, groups = self._cars, len(self._size)
        bounds = self._bounds
        if now.late is None:
            seen = metered(self._night, now.base_kva)
        else:
            seen, bounds = self._from_late(now, now.late)
        ends = block_ends_h(now.step)
        leaves = np.asarray((cars.last - now.step) * STEP_H, np.float64)
        left = np.where(now.here, now.left_kwh, 0.0)
        at = now.step + np.round(ends / STEP_H).astype(np.int64)
        through = below(self._night.tree.parent, np.real(seen).copy())
        headroom = self._ahead.headroom(through - self._usual[now.step], now.step, at)
        headroom[:, 1:] *= CAREFUL
        hours = np.diff(ends, prepend=0.0)
        least, full = (self._needs(now, leaves, ends, self._core(left, share)) for share in SHARES)
        wanting, usable = full.weight, full.usable_kw
        if not bool((wanting > 0).any()):
            return np.zeros(len(left))
        aim = service_shares(self._night.tree.parent, self._members.attach, headroom, hours, (least, full), np.array(SHARES))
        part = ((aim - SHARES[0]) / (SHARES[1] - SHARES[0]))[:, None]
        needs = full._replace(
            due_kwh=least.due_kwh + part * (full.due_kwh - least.due_kwh), coming_kwh=aim[:, None] * full.coming_kwh
        )
        limit, kvar = self._permitted(seen, (headroom, hours), needs, bounds)
        if now.late is not None:
            limit = np.minimum(limit, self._before_kw + LATE_RAMP_KW)
            self._before_kw = limit
            u, i, _ = sweep(self._night.tree, seen + spread(self._members, limit, len(seen)), flat(self._night.tree))
            self._predicted = loadings(self._night.tree, u, i) / np.maximum(self._steady, 0.1)
        spare = self._spare_h(now, leaves, self._core(left, aim[self._group]))
        power = self._chosen(limit, spare, self._can(now.usable_kw(), kvar))
        for _ in range(ROUNDS if now.late is None else 0):  # late meters correct nothing within the quarter of an hour
            drawn_kw = np.bincount(self._group, power, groups).astype(np.float64)
            usable = np.where(drawn_kw < limit - MET_KW, drawn_kw, usable)
            kvar = np.minimum(kvar, TAN_MAX * drawn_kw)
            lifted = self._lifted(seen, drawn_kw, kvar)
            bounds = self._corrected(now, lifted, self._supplying(power, kvar), drawn_kw)
            limit = self._filled(lifted, drawn_kw, (usable, wanting), bounds)
            power = self._chosen(limit, spare, self._can(now.usable_kw(), kvar))
        return self._supplying(power, kvar)

    def _permitted(
        self, seen: AnyArray, ahead: tuple[FloatArray, FloatArray], needs: Needs, bounds: Bounds
    ) -> tuple[FloatArray, FloatArray]:
        """Return limits (g,) and the reactive power (g,) that inverters supply: none where the check's own power flow of both
        does not hold."""
        tree, members = self._night.tree, self._members
        wants = (needs.usable_kw, needs.weight)
        limit, _ = envelopes(tree, seen, members, ahead, needs, bounds)
        limit = self._filled(seen, limit, wants, bounds)
        none = np.zeros(len(limit))
        if not self._asked.volt_var:
            return limit, none
        more, _, kvar = with_inverters(tree, seen, members, ahead, needs, bounds)
        more = self._filled(self._lifted(seen, more, kvar), more, wants, bounds)
        if float(more.sum()) <= (1.0 + WORTH_SHARE) * float(limit.sum()):
            return limit, none
        drawn, supplied = spread(members, more, len(seen)), spread_kvar(members, more, kvar, len(seen))
        if holds(tree, seen + tree.shunt_kva, (drawn, supplied), U_BAND_PU, LOADING_CHECKED):
            return more, kvar
        self.refused += 1
        return limit, none

    def _can(self, usable_kw: FloatArray, kvar: FloatArray) -> FloatArray:
        """Return what cars (m,) can draw: an inverter's rating is the point's full power, less is left beside reactive power."""
        return np.where(kvar[self._group] > 0.0, np.minimum(usable_kw, POWER_FACTOR * FULL_KW), usable_kw)

    def _chosen(self, limit: FloatArray, spare_h: FloatArray, can_kw: FloatArray) -> FloatArray:
        """Return what cars (m,) draw within their groups' limits: first what is guaranteed to each, then who is pressed most."""
        if self._asked.floor_kw <= 0.0:
            return station.choose(self._group, limit, spare_h, can_kw, POINT)
        first = station.choose(self._group, limit, spare_h, np.minimum(can_kw, self._asked.floor_kw), POINT)
        left = limit - np.bincount(self._group, first, len(limit))
        return first + station.choose(self._group, left, spare_h, can_kw - first, (0.0, FULL_KW))

    def _lifted(self, seen: AnyArray, limit: FloatArray, kvar: FloatArray) -> AnyArray:
        """Return what is believed of rows (n,) with what groups supply of reactive power."""
        return seen - 1j * spread_kvar(self._members, limit, kvar, len(seen)) if bool(kvar.any()) else seen

    def _supplying(self, power: FloatArray, kvar: FloatArray) -> AnyArray:
        """Return kVA (m,) of every car: within a group reactive power goes with what each draws."""
        if not self._asked.volt_var:
            return power
        drawn = np.bincount(self._group, power, len(kvar))
        ratio = np.minimum(kvar / np.maximum(drawn, 1e-9), TAN_MAX)
        return power * (1.0 - 1j * ratio[self._group])

    def _from_late(self, now: Now, late: Late) -> tuple[AnyArray, Bounds]:
        """Return what is believed of rows (n,) now, and the bounds, both as late meters show them.

        A feeder's meter less what its groups drew then is not charging (chargers that do not obey among it); what such
        a reading usually gains in a quarter of an hour is added. A meter that shows more than the model lowers its bound.
        """
        night, tree = self._night, self._night.tree
        many = len(tree.parent)
        drawn_kw = np.bincount(self._group, late.steered_kw, len(self._size)).astype(np.float64)
        own = spread(self._members, drawn_kw, many)
        by_feeder = np.zeros(many)
        np.add.at(by_feeder, night.feeder, own)
        heads = night.feeder == np.arange(many)
        inner = np.zeros(many, np.complex128)
        np.add.at(inner, np.maximum(tree.parent, 0), np.where(heads & tree.is_line, late.through_kva, 0.0))
        rest = np.where(heads, late.through_kva - by_feeder - np.where(tree.is_line, 0.0, inner), 0.0)
        then = np.where(tree.parent < 0, 0.0, rest[night.feeder] * night.share)
        gains = np.maximum(self._gains[now.step], 0.0)
        seen = then + gains
        u, i, settled = sweep(tree, then + own, flat(tree))
        if not settled:
            return seen, self._bounds
        believed = loadings(tree, u, i)
        factor = np.where(late.loading > 0.1, np.minimum(believed / np.maximum(late.loading, 0.05), 1.0), 1.0)
        lower = np.minimum(late.lowest_pu - np.abs(u), 0.0)[self._end]
        self._factors.append(np.where(self._is_meter, factor, 1.0)[night.feeder])
        self._sags.append(lower)
        if self._predicted is not None:  # what a meter showed beyond what the plan allowed for will happen again
            beyond = np.where(self._is_meter, late.loading - self._predicted, 0.0)[night.feeder]
            self._excess = np.maximum(FORGETS * self._excess, beyond)
        steady = np.array(self._factors[-REMEMBERED:]).min(axis=0)
        self._steady = steady
        sag = np.array(self._sags[-REMEMBERED:]).min(axis=0)
        return seen, Bounds(np.maximum(LATE_LOADING - self._excess, 0.1) * steady, LATE_U_MIN_PU - sag)

    def _core(self, left_kwh: FloatArray, share: FloatArray | float) -> FloatArray:
        """Return the energy (m,) that cars lack of a share of what they want."""
        return np.maximum(left_kwh - (1.0 - share) * self._cars.energy_kwh, 0.0)

    def _needs(self, now: Now, leaves_h: FloatArray, ends_h: FloatArray, core_kwh: FloatArray) -> Needs:
        """Return what groups tell, and what they leave to be assumed: below five points that want power they tell nothing."""
        left = np.where(now.here, now.left_kwh, 0.0)
        due, usable, wanting = station.sums(self._group, len(self._size), core_kwh, left, leaves_h, (ends_h, FULL_KW))
        told = wanting >= POINTS_REPORTED_MIN
        few = np.where(told, 0.0, wanting)
        if float(few.sum()) >= POINTS_REPORTED_MIN:  # together they may tell; each is taken to have its part of it
            part = few / few.sum()
            due = np.where(told[:, None], due, part[:, None] * due[~told].sum(axis=0))
        else:
            due = np.where(told[:, None], due, few[:, None] * UNTOLD_KWH * np.minimum(ends_h / UNTOLD_H, 1.0))
        usable = np.where(told, usable, wanting * FULL_KW)
        at = now.step + np.round(ends_h / STEP_H).astype(np.int64)
        coming = (self._size * self._to_come[now.step])[:, None] * self._due_usual[at][None, :]
        needs = Needs(due, coming, usable, FULL_KW * self._size, wanting, POINT_MIN_KW)
        return with_floor(needs, self._asked.floor_kw * wanting, STEP_H) if self._asked.floor_kw > 0.0 else needs

    def _spare_h(self, now: Now, leaves_h: FloatArray, core_kwh: FloatArray) -> FloatArray:
        """Return by what (m,) a group's box ranks its cars: who leaves first, but before that whoever would soon lack time.

        Who leaves first is right where the grid is short, time to spare where the point is (the most urgent goes first).
        """
        first = np.where(now.here, now.left_kwh - (1.0 - station.FIRST_SHARE) * self._cars.energy_kwh, 0.0)
        rest = np.where(core_kwh > 0.0, SECOND_H + leaves_h, 2.0 * SECOND_H + leaves_h)
        slack = leaves_h - first / FULL_KW
        return np.where(first > 0.0, np.where(slack < GUARD_H, slack - SECOND_H, leaves_h), rest)

    def _filled(self, seen: AnyArray, limit: FloatArray, wants: tuple[FloatArray, FloatArray], bounds: Bounds) -> FloatArray:
        """Share what is left max-min fair among points that still want power."""
        usable, wanting = wants
        tree = self._night.tree
        for _ in range(3):
            own = spread(self._members, limit, len(seen))
            u, i, settled = sweep(tree, seen + own, flat(tree))
            if not settled:
                break
            passes = below(tree.parent, own)
            room = np.minimum(thermal_headroom(tree, u, i, passes, bounds), voltage_headroom(tree, u, i, passes, bounds)) - passes
            weight = np.where(limit >= POINT_MIN_KW - 1e-6, wanting, 0.0)
            more, _ = share(tree.parent, np.maximum(room, 0.0), self._members.attach, weight, np.maximum(usable - limit, 0.0))
            if float(more.max(initial=0.0)) < 0.05:
                break
            limit = limit + more
        return shrink(tree, seen, self._members, limit, bounds)

    def _corrected(self, now: Now, seen: AnyArray, power: AnyArray, drawn_kw: FloatArray) -> Bounds:
        """Return the bounds as the meters of the running quarter of an hour correct them: stations, feeders, feeder ends."""
        tree = self._night.tree
        many = len(seen)
        u, i, _ = sweep(tree, seen + spread(self._members, drawn_kw, many), flat(tree))
        true_u, true_i, settled = sweep(tree, now.base_kva + by_row(self._cars.row, power, many), flat(tree))
        if not settled:
            return self._bounds
        believed, metered_now = loadings(tree, u, i), loadings(tree, true_u, true_i)
        factor = np.ones(many)
        meters = self._meters[metered_now[self._meters] > 0.2]
        factor[meters] = np.clip(believed[meters] / metered_now[meters], 0.95, 1.05)
        shift = np.clip(np.abs(true_u) - np.abs(u), -0.02, 0.02)[self._end]
        # An end that is higher than believed may be so because cars stand elsewhere on the street: that relieves no other row.
        shift = np.where(self._end == np.arange(many), shift, np.minimum(shift, 0.0))
        return Bounds(self._bounds.loading_max_ratio * factor, self._bounds.u_min_pu - shift)


def adaptive(night: Night, cars: Cars, asked: Asked | None = None) -> Way:
    """Operating envelopes per group from meters, counts and sums over groups; the group's own box shares by time to spare."""
    return Steering(night, cars, asked).power
