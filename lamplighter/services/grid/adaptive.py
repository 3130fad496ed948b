# SPDX-License-Identifier: Apache-2.0
"""Shares what every cable and transformer has left among all points that want to charge, max-min fair.

Estimate the state, subtract charging, keep free what the estimate may be wrong by, and fill: the power per point
rises for all together until a branch is full. The guaranteed power of private points comes before public charging.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lamplighter.services.grid.network.estimate import FRESH_S, METER_SHARE, Estimate, estimate
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.prepared import Prepared, latest
from lamplighter.services.grid.network.sharing import share, sums_below
from lamplighter.services.grid.terms import (
    BELOW_GUARANTEE,
    CABLE,
    FULL,
    MEDIUM_VOLTAGE,
    POINT_MIN_KW,
    RAMP,
    TRANSFORMER,
    VOLTAGE,
)
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.decision import Cites, Proposals
from lamplighter.terms.snapshot import Snapshot

SPARE_POINTS = 2.0  # room for cars that plug in before the next decision
CARE_RATIO = 1.15  # the margins of the safety check, and some: what is proposed should not be refused for a rounding
U_DROP_PU = 0.025  # how far voltage may fall below the estimate when all that is granted is drawn
FLOOR_ROUNDS = 4
DUE_H = 1.0  # energy wanted within two hours is due in one on average
UNTOLD_KW = 6.0  # per public point of a group that is too small to say what it wants
LOSS_METERED = 0.9  # of the losses of homes alone, so much is surely in the station's meter


@dataclass(frozen=True)
class Wish:
    """What the groups want (g,): points that want power (and room for new ones), most they can use, what is due soon,
    what is guaranteed by law, which may be steered now, and the limit that each box says it obeys."""

    wanting_count: FloatArray
    wanted_kw: FloatArray
    due_kw: FloatArray
    guaranteed_kw: FloatArray
    steered: BoolArray
    reported_kw: FloatArray


def start(prepared: Prepared) -> None:
    """Return the first state: this decider remembers nothing, what is in force stands in the snapshot."""
    return


def wishes(snapshot: Snapshot, prepared: Prepared, found: Estimate) -> Wish:
    """Return what each group wants. One that does not say counts as wanting everything."""
    groups = prepared.grid.groups
    wanting, told = latest(snapshot, "charging_wanting", prepared.group_at, FRESH_S)
    limit, limit_told = latest(snapshot, "charging_limit_kw", prepared.group_at, FRESH_S)
    wanting = np.where(told, np.minimum(wanting, groups.points_count), groups.points_count)
    room = np.minimum(wanting + SPARE_POINTS, groups.points_count)
    steered = (prepared.attach != ABSENT) & found.known[groups.station] & found.reported & limit_told
    soon, soon_told = latest(snapshot, "energy_soon_kwh", prepared.group_at, FRESH_S)
    private = groups.access == "private"
    due = np.where(soon_told, soon / DUE_H, np.where(private, 0.0, wanting * UNTOLD_KW))
    return Wish(
        wanting_count=np.maximum(room, 1.0),
        wanted_kw=room * groups.p_point_kw,
        due_kw=np.minimum(due, wanting * groups.p_point_kw),
        guaranteed_kw=np.where(private, wanting * np.minimum(prepared.settings.guaranteed_point_kw, groups.p_point_kw), 0.0),
        steered=steered,
        reported_kw=np.where(limit_told, limit, prepared.installed_kw),
    )


def headrooms(prepared: Prepared, found: Estimate) -> FloatArray:
    """Return the active power (n,) that charging may take through the branch above each row, before losses."""
    tree, settings = prepared.grid.tree, prepared.settings
    low_u = np.maximum(found.u_pu - U_DROP_PU, 0.5)
    rating = np.where(np.isfinite(tree.rating_kva), tree.rating_kva, 1e12)
    apparent = rating * np.where(tree.is_line, np.minimum(low_u, 1.0), 1.0)
    active = np.sqrt(np.maximum(apparent**2 - found.q_kvar**2, 0.0))
    sigma = np.hypot(prepared.sigma_kw, np.where(np.isfinite(tree.rating_kva), METER_SHARE * rating, 0.0))
    margin = CARE_RATIO * (settings.confidence_ratio * sigma + settings.growth_share * np.where(rating < 1e12, rating, 0.0))
    return np.maximum(active - found.base_kw - margin, 0.0)


def group_bounds(prepared: Prepared, found: Estimate, headroom: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return two bounds (g,) of each group alone: by cables inside its reach, and by voltage at its farthest point.

    A group's box chooses which points charge, so a cable is taken to carry as much of the limit as has points below.
    """
    tree, groups, many = prepared.grid.tree, prepared.grid.groups, len(prepared.installed_kw)
    rows, group = prepared.entry_row, prepared.entry_group
    all_below = np.bincount(rows, weights=prepared.entry_kw, minlength=len(headroom))
    left = headroom[rows] - (all_below[rows] - prepared.entry_kw)
    cable = np.full(many, np.inf)
    tight = (all_below[rows] > headroom[rows]) & (prepared.entry_kw < prepared.installed_kw[group] - 1e-9)
    np.minimum.at(cable, group[tight], np.maximum(left[tight], 0.0))
    resistance = _resistance(prepared)
    drawn = found.charging_kw / np.maximum(groups.points_count, 1.0)
    entry = tree.row[groups.point_node]
    reach = entry != ABSENT
    here, of = entry[reach], groups.point_group[reach]
    rise = resistance[here] * (drawn * groups.points_count)[of]
    sag = prepared.settings.confidence_ratio * CARE_RATIO * resistance[here] * prepared.sigma_kw[prepared.attach[of]]
    allowed = found.u_pu[here] + 0.5 * rise - sag - U_DROP_PU - prepared.settings.u_low_pu
    voltage = np.full(many, np.inf)
    np.minimum.at(voltage, of, np.maximum(allowed, 0.0) * found.u_pu[here] / np.maximum(resistance[here], 1e-9))
    return cable, voltage


def _resistance(prepared: Prepared) -> FloatArray:
    """Return the resistance (n,) in pu from the busbar down to each row, 0 above it."""
    tree = prepared.grid.tree
    own = np.where((prepared.row_station != ABSENT) & ~_is_busbar(prepared), tree.r_pu, 0.0)
    return _down(tree.parent, own)


def _is_busbar(prepared: Prepared) -> BoolArray:
    mark = np.zeros(len(prepared.grid.tree.node), np.bool_)
    mark[prepared.station_row[prepared.station_row != ABSENT]] = True
    return mark


def _down(parent: IntArray, own: FloatArray) -> FloatArray:
    total = own.copy()
    waiting = parent.copy()
    while True:  # pointer doubling: as many rounds as the logarithm of the depth
        has = waiting != ABSENT
        if not has.any():
            return total
        total = total + np.where(has, total[np.where(has, waiting, 0)], 0.0)
        waiting = np.where(has, waiting[np.where(has, waiting, 0)], ABSENT)


def losses_above(prepared: Prepared, found: Estimate, given_kw: FloatArray) -> FloatArray:
    """Return the losses (n,) in and below each branch when `given_kw` (g,) is drawn, less those that the meter has in it."""
    tree = prepared.grid.tree
    draws = np.zeros(len(tree.node))
    on = prepared.attach != ABSENT
    np.add.at(draws, prepared.attach[on], given_kw[on])
    then = sums_below(tree.parent, draws)
    rows, group = prepared.entry_row, prepared.entry_group
    then[rows] = 0.0
    np.add.at(then, rows, np.minimum(given_kw[group], prepared.entry_kw))
    low_u = np.maximum(found.u_pu - U_DROP_PU, 0.5)
    homes = np.maximum(found.base_kw, 0.0)
    added = tree.r_pu * ((homes + then) ** 2 / low_u**2 - LOSS_METERED * homes**2)
    return sums_below(tree.parent, np.maximum(added, 0.0))


def fair_limits(prepared: Prepared, found: Estimate, wish: Wish) -> tuple[FloatArray, IntArray]:
    """Return the max-min fair limit (g,) and the reason code (g,)."""
    groups = prepared.grid.groups
    headroom = headrooms(prepared, found)
    cable, voltage = group_bounds(prepared, found, headroom)
    # A group that cannot be steered now may draw all that its box last said it may.
    fixed = np.where(wish.steered, 0.0, np.minimum(wish.reported_kw, prepared.installed_kw))
    attach = np.where(prepared.attach == ABSENT, 0, prepared.attach)
    taken = np.zeros(len(headroom))
    np.add.at(
        taken, attach, np.where(prepared.attach == ABSENT, 0.0, np.minimum(fixed, found.charging_kw + 4 * groups.p_point_kw))
    )
    room = headroom - sums_below(prepared.grid.tree.parent, taken)
    wanted = np.where(wish.steered, np.minimum(np.minimum(wish.wanted_kw, cable), voltage), 0.0)
    first, _ = share(prepared.grid.tree.parent, room, attach, wish.wanting_count, wanted)
    room = room - losses_above(prepared, found, first)
    given, stopped = _with_floors(prepared, room, attach, wish, wanted)
    because = _reasons(prepared, stopped, given, (wish.wanted_kw, cable, voltage))
    return given, because


def _below(prepared: Prepared, attach: IntArray, given: FloatArray) -> FloatArray:
    """Return what groups draw (g,) as sums over the tree (n,)."""
    own = np.zeros(len(prepared.grid.tree.node))
    np.add.at(own, attach, given)
    return sums_below(prepared.grid.tree.parent, own)


def _with_floors(
    prepared: Prepared, room: FloatArray, attach: IntArray, wish: Wish, wanted: FloatArray
) -> tuple[FloatArray, IntArray]:
    """Share fairly, but energy due soon first, then the guaranteed power of private points, then the rest by points.

    Floors are themselves shared max-min fair, so they never ask for more than there is.
    """
    parent = prepared.grid.tree.parent
    given, stopped = share(parent, room, attach, wish.wanting_count, wanted)
    due, guaranteed = np.minimum(wish.due_kw, wanted), np.minimum(wish.guaranteed_kw, wanted)
    if not bool((given < np.maximum(due, guaranteed) - 1e-6).any()):
        return given, stopped
    floor, _ = share(parent, room, attach, wish.wanting_count, due)
    more, _ = share(
        parent, room - _below(prepared, attach, floor), attach, wish.wanting_count, np.maximum(guaranteed - floor, 0.0)
    )
    floor = floor + more
    held = given < floor - 1e-6
    stopped_rest = stopped
    for _ in range(FLOOR_ROUNDS):
        taken = np.where(held, floor, 0.0)
        left = room - _below(prepared, attach, taken)
        rest, stopped_rest = share(parent, left, attach, wish.wanting_count, np.where(held, 0.0, wanted))
        short = ~held & (rest < floor - 1e-6)
        given = np.where(held, floor, rest)
        if not bool(short.any()):
            break
        held |= short
    else:  # no round left to give more than the floors, which are always within the headroom
        given = floor
    return given, np.where(held, stopped, stopped_rest)


def _reasons(
    prepared: Prepared, stopped: IntArray, given: FloatArray, bounds: tuple[FloatArray, FloatArray, FloatArray]
) -> IntArray:
    wanted, cable, voltage = bounds
    tree = prepared.grid.tree
    where = np.where(stopped >= 0, stopped, 0)
    medium = prepared.row_station[where] == ABSENT
    branch = np.where(tree.is_line[where], np.where(medium, MEDIUM_VOLTAGE, CABLE), TRANSFORMER)
    alone = np.where(voltage < cable, VOLTAGE, CABLE)
    return np.where(given >= wanted - 1e-6, FULL, np.where(stopped >= 0, branch, alone)).astype(np.int64)


def whole_points(limit_kw: FloatArray, wanting: FloatArray) -> FloatArray:
    """Return limits that leave every charging point 0 or at least 6 A: whole points where not all can charge at once."""
    points = np.floor(limit_kw / POINT_MIN_KW + 1e-9)
    rounded = np.where(points < wanting, points * POINT_MIN_KW, np.floor(limit_kw * 10.0) / 10.0)
    return np.where(points >= 1.0, np.maximum(rounded, POINT_MIN_KW), 0.0)


def adaptive(snapshot: Snapshot, state: None, prepared: Prepared) -> tuple[tuple[Proposals, ...], None]:
    """Propose a limit for every charging group whose station and box report. Others fall to their permanent maximum."""
    if len(prepared.installed_kw) == 0:
        return (), None
    found = estimate(snapshot, prepared)
    wish = wishes(snapshot, prepared, found)
    limit, because = fair_limits(prepared, found, wish)
    raised = wish.reported_kw + prepared.settings.ramp_kw_min
    because = np.where(limit > raised, RAMP, because)
    limit = whole_points(np.minimum(limit, raised), wish.wanting_count - SPARE_POINTS)
    floor = np.where(limit > 0, np.minimum(wish.guaranteed_kw, wish.wanted_kw), wish.guaranteed_kw)
    bound = np.isin(because, (CABLE, TRANSFORMER, VOLTAGE, MEDIUM_VOLTAGE))
    because = np.where(
        bound & (limit < floor - POINT_MIN_KW) & (prepared.grid.groups.access == "private"), BELOW_GUARANTEE, because
    )
    rows = np.flatnonzero(wish.steered & snapshot.adaptive[prepared.group_at])
    return (_proposals(snapshot, prepared, rows, limit, because),), None


def _proposals(snapshot: Snapshot, prepared: Prepared, rows: IntArray, limit: FloatArray, because: Any) -> Proposals:
    start_at = prepared.city.span.start
    codes = {name: code for code, name in enumerate(snapshot.vocabulary)}
    station = prepared.station_at[prepared.grid.groups.station[rows]] + start_at
    group = prepared.group_at[rows] + start_at
    cited = ("station_p_kw", "station_u_v", "charging_p_kw", "charging_limit_kw")
    asset = np.stack([station, station, group, group], axis=1).reshape(-1)
    quantity = np.tile(np.array([codes[name] for name in cited], dtype=np.int64), len(rows))
    cites = Cites(np.arange(len(rows) + 1, dtype=np.int64) * len(cited), asset, quantity)
    return Proposals(
        action="limit_charging",
        asset=group,
        values={"p_max_kw": limit[rows]},
        because=because[rows].astype(np.int64),
        cites=cites,
        arm="adaptive",
        issued_s=snapshot.now_s,
        lease_s=prepared.settings.lease_s,
    )
