# SPDX-License-Identifier: Apache-2.0
"""What the groups want, as they tell it in sums; what is expected to come; what must be kept free for them."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from lamplighter.services.grid.envelopes.plan import Needs, with_floor
from lamplighter.services.grid.network.estimate import FRESH_S, Estimate
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.prepared import Prepared, latest
from lamplighter.services.grid.terms import DUE_H, POINT_MIN_KW
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.snapshot import Snapshot

SPARE_POINTS = 2.0  # room for cars that plug in before the next decision
ARRIVALS = 3.0  # points of a group that may start within a lease (99 in 100 with 25 points at the evening's peak)
SAFE_SLACK_KW = 0.02
UNTOLD_KWH, UNTOLD_H = 12.0, 2.0  # a point of a group too small to tell: a usual car's energy, due in two hours
COMES_H, GOES_H = (18.0, 1.5), (7.25, 1.0)  # when private cars come home and leave: mean and spread
COMING_KWH = 12.0
PORTIONS = 64
NO_LIMIT_KW = 1e9


@dataclass(frozen=True)
class Wish:
    """What the groups want (g,): points that want power, most that they and a few newcomers can draw, what is kept free for a
    group beside that and of that, which boxes have read back their permanent maximum, which may be steered now, the
    limit that each box says it obeys, the most that a group may be given; station_kw (s,): the operator's limit on busbars."""

    wanting_count: FloatArray
    usable_kw: FloatArray
    reserved_kw: FloatArray
    held_kw: FloatArray
    guaranteed_kw: FloatArray
    installed: BoolArray
    reports: BoolArray
    steered: BoolArray
    reported_kw: FloatArray
    most_kw: FloatArray
    station_kw: FloatArray


def operator_limits(snapshot: Snapshot, prepared: Prepared, other_kw: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the network operator's limits on groups (g,) and stations (s,), NO_LIMIT_KW where none was ever told.

    A limit that is no longer told goes on counting, and no more than the permanent maxima do then. other_kw (s,): what is
    not charging.
    """
    groups, stations = prepared.grid.groups, len(prepared.grid.station_id)
    out: list[FloatArray] = []
    safe = np.bincount(groups.station, weights=groups.p_safe_kw, minlength=stations)
    for name, at, fallback in (
        ("group_limit_kw", prepared.group_at, groups.p_safe_kw),
        ("station_limit_kw", prepared.station_at, np.maximum(other_kw, 0.0) + safe),
    ):
        column = snapshot.latest.get(name)
        if column is None or not bool(column.present[at].any()):
            out.append(np.full(len(at), NO_LIMIT_KW))
            continue
        fresh = column.fresh(snapshot.now_s, FRESH_S)[at]
        value = np.where(fresh, column.value[at], np.minimum(column.value[at], fallback))
        out.append(np.where(column.present[at], value, NO_LIMIT_KW))
    return out[0], out[1]


def wishes(snapshot: Snapshot, prepared: Prepared, found: Estimate) -> Wish:
    """Return what each group wants. One that does not say counts as wanting everything."""
    groups, at = prepared.grid.groups, prepared.group_at
    wanting, told = latest(snapshot, "charging_wanting", at, FRESH_S)
    limit, limit_told = latest(snapshot, "charging_limit_kw", at, FRESH_S)
    safe, safe_told = latest(snapshot, "charging_safe_kw", at, FRESH_S)
    wanting = np.where(told, np.minimum(wanting, groups.points_count), groups.points_count)
    other = found.base_kw[prepared.station_row] if len(prepared.station_row) else np.zeros(0)
    group_kw, station_kw = operator_limits(snapshot, prepared, other)
    most = np.minimum(prepared.installed_kw, group_kw)
    installed = safe_told & (safe <= groups.p_safe_kw + SAFE_SLACK_KW)
    reports = (prepared.attach != ABSENT) & found.reported & limit_told & snapshot.adaptive[at]
    steered = reports & installed & found.known[groups.station]
    usable = np.where(steered, np.minimum(np.minimum(wanting + SPARE_POINTS, groups.points_count) * groups.p_point_kw, most), 0.0)
    # What a lapsing lease uncovers is kept free; who is not steered may draw what its box last said, as far as cars are there.
    reported = np.where(limit_told, limit, prepared.installed_kw)
    uncovers = np.minimum(groups.p_safe_kw, np.minimum(wanting + ARRIVALS, groups.points_count) * groups.p_point_kw)
    alone = np.minimum(reported, found.charging_kw + ARRIVALS * groups.p_point_kw)
    private = groups.access == "private"
    point = np.minimum(prepared.settings.guaranteed_point_kw, groups.p_point_kw)
    return Wish(
        wanting_count=wanting,
        usable_kw=usable,
        reserved_kw=np.where(steered, np.maximum(uncovers - usable, 0.0), np.minimum(alone, prepared.installed_kw)),
        held_kw=np.where(steered, np.minimum(uncovers, usable), 0.0),
        guaranteed_kw=np.where(private, wanting * point, 0.0),
        installed=installed,
        reports=reports,
        steered=steered,
        reported_kw=reported,
        most_kw=most,
        station_kw=station_kw,
    )


def needs_of(
    snapshot: Snapshot, prepared: Prepared, wish: Wish, at: tuple[FloatArray, float, FloatArray], mine: IntArray
) -> Needs:
    """Return what groups need (g,), the groups `mine` in full. at: ends of the blocks in hours from now (k,), local hour of day,
    and the energy (g, k) that newcomers of public groups are about to want by then.

    Groups tell energies for some hours ahead; between them what is due grows evenly. Below five points that want power they
    tell nothing: each point then counts as a usual car that leaves soon.
    """
    ends_h, hour, newcomers_kwh = at
    where = prepared.group_at[mine]
    wanted, told = latest(snapshot, "energy_wanted_kwh", where, FRESH_S)
    due = [latest(snapshot, f"energy_due_{hours}h_kwh", where, FRESH_S)[0] for hours in DUE_H]
    known_h = np.array([0.0, *DUE_H, 24.0])
    table = np.stack([np.zeros(len(wanted)), *due, wanted], axis=1)
    table = np.maximum.accumulate(table, axis=1)
    place = np.clip(np.searchsorted(known_h, ends_h, side="right") - 1, 0, len(known_h) - 2)
    part = np.clip((ends_h - known_h[place]) / (known_h[place + 1] - known_h[place]), 0.0, 1.0)
    between = table[:, place] * (1.0 - part) + table[:, place + 1] * part
    wanting = wish.wanting_count[mine]
    few = wanting[:, None] * UNTOLD_KWH * np.minimum(ends_h / UNTOLD_H, 1.0)[None, :]
    spare = np.minimum(SPARE_POINTS, wanting)[:, None] * COMING_KWH  # steps of 5 kWh, and who has just come
    due_kwh, coming_kwh = (np.zeros((len(wish.usable_kw), len(ends_h))) for _ in range(2))
    due_kwh[mine] = np.where(told[:, None], between + np.where(ends_h >= 24.0, spare, 0.0), few)
    public = prepared.grid.groups.access[mine] == "public"
    coming_kwh[mine] = np.where(public[:, None], newcomers_kwh[mine], _coming(prepared, wish, ends_h, hour)[mine])
    needs = Needs(
        due_kwh=due_kwh,
        coming_kwh=coming_kwh,
        usable_kw=wish.usable_kw,
        most_kw=np.minimum(prepared.installed_kw, wish.most_kw),
        weight=np.maximum(wish.wanting_count, 1.0),
        least_kw=POINT_MIN_KW,
        portions=PORTIONS,
    )
    return with_floor(needs, np.maximum(wish.guaranteed_kw, wish.held_kw), float(ends_h[0]))


def _coming(prepared: Prepared, wish: Wish, ends_h: FloatArray, hour: float) -> FloatArray:
    """Return the energy (g, k) of private cars that are yet to come home tonight, due when they usually leave."""
    groups = prepared.grid.groups
    evening = hour if hour >= 4.0 else hour + 24.0
    share = float(1.0 - ndtr((evening - COMES_H[0]) / COMES_H[1]))
    free = np.where(groups.access == "private", np.maximum(groups.points_count - wish.wanting_count, 0.0), 0.0)
    due = ndtr((evening + ends_h - 24.0 - GOES_H[0] + 1.0) / GOES_H[1])
    return np.asarray((free * share * COMING_KWH)[:, None] * due[None, :], np.float64)
