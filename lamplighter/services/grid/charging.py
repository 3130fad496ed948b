# SPDX-License-Identifier: Apache-2.0
"""Charging boxes in software: who plugs in when (simulated, never told to anybody) and how a box shares its limit.

What leaves this module are sums over a group: power, points that want some, energy due in buckets of time.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.grid.network.model import Grid
from lamplighter.services.grid.terms import DUE_H, POINT_MIN_KW, POINTS_REPORTED_MIN
from lamplighter.terms.columns import AnyArray, BoolArray, FloatArray, IntArray

DAY_S = 86400.0
SLOT_S = 900.0  # who charges changes at quarters of an hour, so that no contactor wears out
PUBLIC_ARRIVALS_H = 0.22  # cars an hour that look for a public point, per point, by day
PUBLIC_ENERGY_KWH = (4.0, 4.5)  # Gamma: shape, scale


@dataclass
class Points:
    """Charging points (m,) with at most one car each: energy it lacks, when it leaves, power drawn now."""

    group: IntArray
    node: IntArray
    public: BoolArray
    most_kw: FloatArray
    lacks_kwh: FloatArray
    leaves_s: FloatArray
    plugged: BoolArray
    p_kw: FloatArray


@dataclass
class Boxes:
    """One box per group (g,). installed: the permanent maximum is in effect, and stays (safe_kw)."""

    limit_kw: FloatArray
    until_s: FloatArray
    installed: BoolArray
    safe_kw: FloatArray
    full_kw: FloatArray
    deaf: BoolArray

    def obeyed_kw(self, now_s: float) -> FloatArray:
        """Return the limit (g,) that each box obeys at a time: its lease, else its permanent maximum, else its points' own."""
        own = np.where(self.installed, self.safe_kw, self.full_kw)
        return np.where(now_s < self.until_s, np.minimum(self.limit_kw, self.full_kw), own)

    def take(self, number: IntArray, limit_kw: FloatArray, until_s: FloatArray, back: BoolArray) -> None:
        """Obey orders: a lease with its limit, or the return to the own programme. Deaf boxes hear nothing."""
        hears = ~self.deaf[number]
        leased = number[hears & ~back]
        self.limit_kw[leased], self.until_s[leased] = limit_kw[hears & ~back], until_s[hears & ~back]
        self.until_s[number[hears & back]] = -np.inf

    def install(self, number: IntArray, safe_kw: FloatArray) -> None:
        """Keep a permanent maximum from now on, whatever leases come and go."""
        hears = ~self.deaf[number]
        self.safe_kw[number[hears]], self.installed[number[hears]] = safe_kw[hears], True


def open_points(grid: Grid) -> Points:
    """Return all points of a grid, nobody plugged in."""
    groups = grid.groups
    each = groups.point_count.astype(np.int64)
    group, node = np.repeat(groups.point_group, each), np.repeat(groups.point_node, each)
    many = len(group)
    return Points(
        group,
        node,
        groups.access[group] == "public",
        groups.p_point_kw[group],
        np.zeros(many),
        np.zeros(many),
        np.zeros(many, np.bool_),
        np.zeros(many),
    )


def open_boxes(grid: Grid) -> Boxes:
    """Return all boxes on their own programme: a car charges at once with full power."""
    many = len(grid.groups.id)
    full = grid.groups.points_count * grid.groups.p_point_kw
    return Boxes(
        np.zeros(many),
        np.full(many, -np.inf),
        np.zeros(many, np.bool_),
        np.zeros(many),
        full,
        np.zeros(many, np.bool_),
    )


@dataclass(frozen=True)
class Evening:
    """When the cars of the private points come home on one day, and until when they need how much (m,)."""

    comes_s: FloatArray
    leaves_s: FloatArray
    wants_kwh: FloatArray


def evening_of(seed: int, day: int, midnight_s: float, many: int) -> Evening:
    """Return one day's homecomings: N(18:00, 1.5 h), away again N(07:15, 1 h), energy Gamma(4, 3 kWh) within 3 and 45."""
    dice = np.random.default_rng((seed, day, 0xCA2))
    comes = midnight_s + np.clip(dice.normal(18.0, 1.5, many), 12.0, 23.9) * 3600.0
    leaves = midnight_s + DAY_S + np.clip(dice.normal(7.25, 1.0, many), 4.5, 11.0) * 3600.0
    return Evening(comes, leaves, np.clip(dice.gamma(4.0, 3.0, many), 3.0, 45.0))


def plug_in_private(points: Points, evening: Evening, from_s: float, to_s: float) -> None:
    """Plug in the private cars that come home in (from_s, to_s]."""
    comes = ~points.public & (evening.comes_s > from_s) & (evening.comes_s <= to_s) & ~points.plugged
    points.plugged |= comes
    points.lacks_kwh[comes], points.leaves_s[comes] = evening.wants_kwh[comes], evening.leaves_s[comes]


def plug_in_public(points: Points, seed: int, minute: int, factor: FloatArray) -> None:
    """Plug in cars at free public points; `factor` (g,) scales how many come to each group."""
    dice = np.random.default_rng((seed, minute, 0xBEE))
    public = np.flatnonzero(points.public)
    draw, energy, stay = (
        dice.random(len(public)),
        dice.gamma(*PUBLIC_ENERGY_KWH, len(public)),
        dice.uniform(1.0, 3.5, len(public)),
    )
    comes = (draw < PUBLIC_ARRIVALS_H / 60.0 * factor[points.group[public]]) & ~points.plugged[public]
    where = public[comes]
    points.plugged[where] = True
    # Nobody asks a public point for more than it could give at full power in four fifths of the stay.
    points.lacks_kwh[where] = np.minimum(np.clip(energy[comes], 3.0, 45.0), 0.8 * stay[comes] * points.most_kw[where])
    points.leaves_s[where] = minute * 60.0 + stay[comes] * 3600.0


def share_limits(points: Points, boxes: Boxes, now_s: float) -> None:
    """Set every point's power for the coming minute: each 0 or at least 6 A, the most pressing first, turn and turn about.

    A box knows when its own cars leave; it never says so. Pressing is who has least time to spare, looked at
    anew every quarter of an hour, so that turns last.
    """
    wants = points.plugged & (points.lacks_kwh > 1e-6)
    limit = boxes.obeyed_kw(now_s)
    many = len(limit)
    wanting = np.bincount(points.group[wants], minlength=many)
    on = np.minimum(wanting, np.floor(limit / POINT_MIN_KW + 1e-9))
    slot = np.floor(now_s / SLOT_S) * SLOT_S
    spare: FloatArray = points.leaves_s - slot - points.lacks_kwh / points.most_kw * 3600.0
    spare = np.asarray(np.round(spare / SLOT_S), np.float64)  # within a quarter of an hour the order stands
    order = np.lexsort((spare, ~wants, points.group))
    first = np.searchsorted(points.group[order], np.arange(many))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - first[points.group[order]]
    charges = wants & (rank < on[points.group])
    each = limit / np.maximum(on, 1.0)
    points.p_kw = np.where(charges, np.minimum(points.most_kw, each[points.group]), 0.0)


def charge(points: Points, seconds: float, now_s: float) -> FloatArray:
    """Charge for some seconds, let cars whose time is up leave, and return the energy they still lacked, per point (m,)."""
    points.lacks_kwh = np.maximum(points.lacks_kwh - points.p_kw * seconds / 3600.0, 0.0)
    leaves = points.plugged & (points.leaves_s <= now_s)
    late = np.where(leaves, points.lacks_kwh, 0.0)
    points.plugged &= ~leaves
    points.lacks_kwh[leaves] = 0.0
    return late


def sums(points: Points, many: int, now_s: float) -> dict[str, AnyArray]:
    """Return what a box says of its group (g,): power, points wanting, energy due within some hours and in all, and
    whether it tells the energies. Below five points that want power it does not: they would be one driver's.

    Due within some hours is what even full power after them could not bring before each car leaves.
    """
    wants = points.plugged & (points.lacks_kwh > 1e-6)
    stays_h = (points.leaves_s - now_s) / 3600.0

    def total(weights: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(points.group, weights=np.where(wants, weights, 0.0), minlength=many), np.float64)

    wanting = np.bincount(points.group[wants], minlength=many)
    said: dict[str, AnyArray] = {
        "p_kw": np.bincount(points.group, weights=points.p_kw, minlength=many),
        "wanting": wanting,
        "told": (wanting >= POINTS_REPORTED_MIN).astype(np.int64),
        "wanted_kwh": total(points.lacks_kwh),
    }
    for hours in DUE_H:
        later_kwh = points.most_kw * np.maximum(stays_h - hours, 0.0)
        said[f"due_{hours}h_kwh"] = total(np.maximum(points.lacks_kwh - later_kwh, 0.0))
    return said
