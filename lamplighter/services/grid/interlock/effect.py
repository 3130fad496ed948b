# SPDX-License-Identifier: Apache-2.0
"""What each group may draw at worst: what is asked, what is in force, what a box says, and what a lapsing lease uncovers."""

import numpy as np

from lamplighter.services.grid.interlock.flow import FRESH_S
from lamplighter.services.grid.network.prepared import Prepared, latest
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.snapshot import Snapshot

FOLLOWS_AFTER_S = 60.0  # by the next window a box has been asked, has obeyed and has said so
ARRIVALS = 3.0  # points of a group that may start within a lease (99 in 100 with 25 points at the evening's peak)


def groups_of(snapshot: Snapshot, asset: IntArray, prepared: Prepared) -> IntArray:
    """Return the number of the group of each asset; those that are none were refused before."""
    back = np.zeros(snapshot.span.stop - snapshot.span.start, np.int64)
    back[prepared.group_at] = np.arange(len(prepared.group_at))
    return back[asset - snapshot.span.start]


def permanent(snapshot: Snapshot, prepared: Prepared) -> tuple[FloatArray, BoolArray]:
    """Return the permanent maximum (g,) as each box read it back, and whether one is known to be installed."""
    return latest(snapshot, "charging_safe_kw", prepared.group_at, FRESH_S)


def in_effect(snapshot: Snapshot, prepared: Prepared) -> tuple[FloatArray, FloatArray]:
    """Return per group (g,) the limit that its box obeys now at worst, and what it may draw within a lease, in kW."""
    at = prepared.group_at
    told, told_fresh = latest(snapshot, "charging_limit_kw", at, FRESH_S)
    drawn, drawn_fresh = latest(snapshot, "charging_p_kw", at, FRESH_S)
    force = snapshot.in_force["limit_charging"]
    active, granted = force.active[at], force.values["p_max_kw"][at]
    stated = np.where(told_fresh, np.minimum(told, prepared.installed_kw), prepared.installed_kw)
    settled = snapshot.now_s - force.since_s[at] >= FOLLOWS_AFTER_S
    # A young lease may not have arrived yet: until it must have, the worse of what was said and what was granted.
    obeyed = np.where(active, np.where(settled & told_fresh, stated, np.maximum(stated, granted)), stated)
    grows = np.minimum(drawn + ARRIVALS * prepared.grid.groups.p_point_kw, obeyed)
    return obeyed, np.where(active | ~drawn_fresh, obeyed, grows)


def uncovered(snapshot: Snapshot, prepared: Prepared) -> FloatArray:
    """Return what each group (g,) may draw once its lease has lapsed: its permanent maximum, as far as cars can be there."""
    groups = prepared.grid.groups
    safe, told = permanent(snapshot, prepared)
    wanting, counted = latest(snapshot, "charging_wanting", prepared.group_at, FRESH_S)
    there = np.where(counted, np.minimum(wanting + ARRIVALS, groups.points_count), groups.points_count) * groups.p_point_kw
    return np.minimum(np.where(told, safe, prepared.installed_kw), there)


def worst_case(snapshot: Snapshot, asked: FloatArray, is_asked: BoolArray, prepared: Prepared) -> FloatArray:
    """Return the most (g,) that each group may draw if the proposals are permitted, their leases kept or lapsed."""
    told, told_fresh = latest(snapshot, "charging_limit_kw", prepared.group_at, FRESH_S)
    force, at = snapshot.in_force["limit_charging"], prepared.group_at
    granted, active = force.values["p_max_kw"][at], force.active[at]
    overdue = active & (snapshot.now_s - force.since_s[at] >= FOLLOWS_AFTER_S)
    # A box that says it stands above what it was granted long ago does not follow: no proposal lowers it.
    deaf = overdue & (~told_fresh | (told > granted + 0.1))
    obeyed, others = in_effect(snapshot, prepared)
    most = np.where(is_asked, np.where(deaf, np.maximum(obeyed, asked), asked), others)
    return np.maximum(most, uncovered(snapshot, prepared))


def operators(snapshot: Snapshot, prepared: Prepared, name: str, at: IntArray) -> tuple[FloatArray, BoolArray, BoolArray]:
    """Return the operator's limit at own positions, whether it is fresh, and whether one was ever told."""
    column = snapshot.latest.get(name)
    if column is None:
        return np.zeros(len(at)), np.zeros(len(at), np.bool_), np.zeros(len(at), np.bool_)
    fresh = column.present[at] & (snapshot.now_s - column.known_at_s[at] <= FRESH_S)
    return column.value[at], fresh, column.present[at]
