# SPDX-License-Identifier: Apache-2.0
"""The safety check against the truth of another engine, and the rules that must hold whatever is proposed."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter import safety
from lamplighter.services.grid import SERVICE
from lamplighter.services.grid.interlock import worst_of
from lamplighter.services.grid.network.engine import open_engine, power_flow
from lamplighter.services.grid.network.prepared import Prepared, prepare
from lamplighter.services.grid.terms import POINT_MIN_KW, Settings
from lamplighter.services.grid.tests.small import Evening, small_city
from lamplighter.terms.columns import FloatArray
from lamplighter.terms.decision import Proposals, no_cites
from lamplighter.terms.snapshot import Column, Snapshot


@cache
def evening() -> Evening:
    """Return the small town at 17:30, steered since 16:00."""
    return Evening(small_city(), "adaptive").minutes(90)


def snapshot() -> Snapshot:
    """Return what was seen last."""
    tick = evening().tick
    assert tick is not None
    return tick.snapshot


def asked(prepared: Prepared, limit_kw: FloatArray) -> Proposals:
    """Return a proposal for every group."""
    many = len(limit_kw)
    group = prepared.group_at + prepared.city.span.start
    return Proposals(
        "limit_charging",
        group,
        {"p_max_kw": limit_kw},
        np.zeros(many, np.int64),
        no_cites(many),
        "operator",
        snapshot().now_s,
        120.0,
    )


def judged(prepared: Prepared, table: Proposals, seen: Snapshot) -> safety.Verdict:
    """Return the gate's verdict; the pause between two changes is left out, as it would hide what is tested."""
    force = {name: replace(value, since_s=value.since_s - 3600.0) for name, value in seen.in_force.items()}
    return safety.examine(SERVICE, replace(seen, in_force=force), (table,), prepared, np.zeros(prepared.size, np.bool_))


def changed(seen: Snapshot, name: str, **columns: Any) -> Snapshot:
    """Return the snapshot with one quantity changed."""
    return replace(seen, latest={**seen.latest, name: replace(seen.latest[name], **columns)})


@given(st.integers(0, 10**9))
@settings(max_examples=25, deadline=None)
def test_no_permitted_set_overloads_anything_in_the_engine(seed: int) -> None:
    """Random limits; those permitted, drawn in full at random points, keep every branch and node in bounds in another engine."""
    prepared, seen = evening().run.prepared, snapshot()
    dice = np.random.default_rng(seed)
    grid = prepared.grid
    limit: FloatArray = dice.uniform(POINT_MIN_KW, prepared.installed_kw)
    limit[dice.random(len(limit)) < 0.2] = 0.0
    verdict = judged(prepared, asked(prepared, limit), seen)
    permitted = np.zeros(len(limit), np.bool_)
    permitted[verdict.permits[0].row] = True
    told = seen.latest["charging_limit_kw"].value[prepared.group_at]
    lowered = limit <= told
    stations = [s for s in range(len(grid.station_id)) if (permitted & ~lowered)[grid.groups.station == s].any()]
    most = np.where(permitted, limit, told)
    flow = power_flow(open_engine(grid), *_truth(prepared, seen, most, dice))
    for station in stations:
        rows = np.flatnonzero(prepared.row_station == station)
        branches = grid.tree.branch[rows]
        lines = branches < grid.branches.lines
        assert flow.loading[0, branches[lines]].max() <= 1.0, grid.station_id[station]
        assert flow.loading[0, branches[~lines]].max() <= 1.2, grid.station_id[station]  # cold outside, and for half an hour
        assert flow.u_pu[0, grid.tree.node[rows]].min() >= prepared.settings.u_low_pu


def _truth(prepared: Prepared, seen: Snapshot, most: FloatArray, dice: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return node demands: homes as metered, each within one standard deviation, and charging at points of any order."""
    grid = prepared.grid
    at = prepared.station_at
    charging = seen.latest["charging_p_kw"].value[prepared.group_at]
    homes = seen.latest["station_p_kw"].value[at] - np.bincount(grid.groups.station, weights=charging, minlength=len(at))
    share = np.zeros(len(grid.nodes.id))
    share[grid.tree.node] = np.where(prepared.row_station >= 0, prepared.energy_share, 0.0)
    station = np.maximum(grid.nodes.station, 0)
    # The meter's sum holds: what one node draws more, the others draw less.
    noise = prepared.settings.sigma_connection_kw * np.sqrt(grid.nodes.connections_count) * dice.normal(size=len(share))
    total = np.bincount(station, weights=noise, minlength=len(at))
    p = 0.97 * homes[station] * share + noise - total[station] * share  # 3 % of what is metered is lost on the way
    q = np.where(grid.nodes.station >= 0, seen.latest["station_q_kvar"].value[at][station] * share, 0.0)
    left = most.tolist()
    for entry in dice.permutation(len(grid.groups.point_node)).tolist():
        group, node = int(grid.groups.point_group[entry]), int(grid.groups.point_node[entry])
        draws = min(left[group], float(grid.groups.point_count[entry] * grid.groups.p_point_kw[group]))
        left[group] -= draws
        p[node] += draws
    p = np.where(grid.nodes.station >= 0, p, 0.0)
    return p[None], q[None]


def test_the_check_is_never_below_the_engine() -> None:
    """With exact meters and no margins the sweep and power-grid-model agree to a thousandth of the rating."""
    city = replace(small_city(), settings=Settings(confidence_ratio=0.0))
    prepared = prepare(city)
    grid, seen = prepared.grid, snapshot()
    own = grid.nodes.connections_count * 0.5
    homes = np.bincount(np.maximum(grid.nodes.station, 0), weights=own, minlength=len(grid.station_id))
    share = np.zeros(len(own))
    share[grid.tree.node] = prepared.energy_share
    p = np.where(grid.nodes.station >= 0, homes[np.maximum(grid.nodes.station, 0)] * share, 0.0)
    size = prepared.size
    fresh = Column(np.zeros(size), np.full(size, seen.now_s), np.ones(size, np.bool_))
    metered = fresh.value.copy()
    metered[prepared.station_at] = homes
    latest = {"station_p_kw": replace(fresh, value=metered), "station_q_kvar": fresh, "charging_p_kw": fresh}
    found = worst_of(replace(seen, latest=latest), np.zeros(len(prepared.installed_kw)), prepared)
    flow = power_flow(open_engine(grid), p[None], np.zeros((1, len(p))), "newton_raphson")
    rows = np.flatnonzero(grid.tree.branch >= 0)
    # The check takes off what homes lose for certain before it adds it again: a little below is right here.
    sent = np.maximum(flow.p_from_kw[0], flow.p_to_kw[0])[grid.tree.branch[rows]]
    np.testing.assert_allclose(found.p_kw[rows] / grid.tree.rating_kva[rows], sent / grid.tree.rating_kva[rows], atol=0.02)
    np.testing.assert_allclose(found.u_pu, flow.u_pu[0, grid.tree.node], atol=0.003)


def test_a_stale_meter_counts_as_a_full_transformer() -> None:
    """Once a station's meter is old no limit behind it may rise, and every limit may fall."""
    prepared, seen = evening().run.prepared, snapshot()
    stale = changed(seen, "station_p_kw", known_at_s=np.full(prepared.size, seen.now_s - 1000.0))
    told = seen.latest["charging_limit_kw"].value[prepared.group_at]
    higher = np.minimum(np.maximum(told, prepared.grid.groups.p_safe_kw) + 20.0, prepared.installed_kw)
    raised = (higher > told) & (higher > prepared.grid.groups.p_safe_kw)
    assert raised.sum() > len(raised) / 2
    verdict = judged(prepared, asked(prepared, higher), stale)
    assert not raised[verdict.permits[0].row].any()
    verdict = judged(prepared, asked(prepared, np.zeros(len(told))), stale)
    assert len(verdict.permits[0]) == len(told)


@given(st.integers(0, 10**9))
@settings(max_examples=25, deadline=None)
def test_lowering_is_never_refused(seed: int) -> None:
    """A limit at or below what the box obeys, or at its permanent maximum, always passes, whatever the meters say."""
    prepared, seen = evening().run.prepared, snapshot()
    dice = np.random.default_rng(seed)
    full = changed(seen, "station_p_kw", value=np.full(prepared.size, 5000.0))
    told = seen.latest["charging_limit_kw"].value[prepared.group_at]
    lower = np.floor(told * dice.random(len(told)) * 100) / 100
    lower = np.where(lower < POINT_MIN_KW, 0.0, lower)
    lower = np.where(dice.random(len(told)) < 0.3, prepared.grid.groups.p_safe_kw, lower)
    verdict = judged(prepared, asked(prepared, lower), full)
    assert len(verdict.permits[0]) == len(told), [t.rules for t in verdict.refusals]


def test_between_zero_and_six_amperes_nothing_passes() -> None:
    """3 kW would let no car charge and is no zero: refused, with the least that is allowed."""
    prepared = evening().run.prepared
    limit = np.full(len(prepared.installed_kw), 3.0)
    verdict = judged(prepared, asked(prepared, limit), snapshot())
    assert len(verdict.permits[0]) == 0
    assert set(verdict.refusals[0].limit.tolist()) == {POINT_MIN_KW}


def test_more_than_is_installed_is_refused() -> None:
    """A limit above all points together is a mistake and is told so."""
    prepared = evening().run.prepared
    verdict = judged(prepared, asked(prepared, prepared.installed_kw + 1.0), snapshot())
    assert len(verdict.permits[0]) == 0


def test_a_deaf_box_counts_at_what_it_says() -> None:
    """A box that stands at full power long after it was told less leaves its neighbours no room that it takes itself."""
    prepared, seen = evening().run.prepared, snapshot()
    groups = prepared.grid.groups
    station = int(groups.station[0])
    mine = np.flatnonzero(groups.station == station)
    told = seen.latest["charging_limit_kw"].value.copy()
    told[prepared.group_at[mine[0]]] = prepared.installed_kw[mine[0]]
    deaf = changed(seen, "charging_limit_kw", value=told)
    limit = np.minimum(seen.latest["charging_limit_kw"].value[prepared.group_at], prepared.installed_kw)
    limit[mine[0]] = 0.0
    limit[mine[1:]] = np.minimum(limit[mine[1:]] + 30.0, prepared.installed_kw[mine[1:]])
    raises = (limit > seen.latest["charging_limit_kw"].value[prepared.group_at]) & (limit > groups.p_safe_kw)
    assert raises[mine[1:]].any()
    verdict = judged(prepared, asked(prepared, limit), deaf)
    assert not (set(verdict.permits[0].row.tolist()) & set(mine[raises[mine]].tolist()))
    obedient = judged(
        prepared, asked(prepared, limit), changed(deaf, "charging_limit_kw", value=_obeying(prepared, deaf, mine[0]))
    )
    assert set(obedient.permits[0].row.tolist()) & set(mine[raises[mine]].tolist())


def _obeying(prepared: Prepared, seen: Snapshot, group: int) -> FloatArray:
    """Return the limits told, with one group's as it was granted."""
    at = prepared.group_at[group]
    told = seen.latest["charging_limit_kw"].value.copy()
    told[at] = seen.in_force["limit_charging"].values["p_max_kw"][at]
    return told
