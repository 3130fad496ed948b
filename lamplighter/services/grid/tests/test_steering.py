# SPDX-License-Identifier: Apache-2.0
"""Envelopes in the running city: intervals that hold, ratings by heat, whole points in turns, floors, what leases uncover."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter import safety
from lamplighter.services.grid import SERVICE
from lamplighter.services.grid.adaptive.ratings import FAR, NEAR, cable_shares, transformer_shares
from lamplighter.services.grid.adaptive.wishes import needs_of, wishes
from lamplighter.services.grid.envelopes.city import rotated
from lamplighter.services.grid.envelopes.envelope import Members
from lamplighter.services.grid.envelopes.plan import Needs, plan, with_floor
from lamplighter.services.grid.interlock.flow import heat_of_cables, heat_of_transformers
from lamplighter.services.grid.intervals import METER_SHARE, own_variance
from lamplighter.services.grid.line_phases import line_phases_of
from lamplighter.services.grid.network.estimate import estimate
from lamplighter.services.grid.network.prepared import Prepared, prepare
from lamplighter.services.grid.network.sharing import sums_below
from lamplighter.services.grid.outcomes import explain
from lamplighter.services.grid.terms import POINT_MIN_KW
from lamplighter.services.grid.tests.small import Evening, small_city
from lamplighter.terms.columns import FloatArray, IntArray
from lamplighter.terms.decision import Proposals, no_cites
from lamplighter.terms.snapshot import Column, Snapshot

LONE = Members(np.array([1, 1, 1]), np.array([0, 1, 2]), np.array([1, 1, 1]), np.full(3, 110.0))


@cache
def afternoon() -> Evening:
    """Return the small town at 16:40, steered since 16:00."""
    return Evening(small_city(), "adaptive").minutes(40)


def seen() -> tuple[Prepared, Snapshot]:
    """Return what never changes and what was seen last."""
    tick = afternoon().tick
    assert tick is not None
    return afternoon().run.prepared, tick.snapshot


def test_the_split_is_as_far_off_as_its_interval_says() -> None:
    """Connections drawn a thousand times, a station's sum metered and split: errors spread as the interval says."""
    prepared, _ = seen()
    tree, dice = prepared.grid.tree, np.random.default_rng(3)
    own, low = np.sqrt(own_variance(prepared.grid, prepared.settings)), prepared.row_station >= 0
    station = np.maximum(prepared.row_station, 0)
    meter = METER_SHARE * prepared.grid.branches.rating_kva[prepared.grid.station_branch]
    square = np.zeros(len(tree.node))
    for _ in range(1000):
        true = np.where(low, own * dice.normal(size=len(own)), 0.0)
        told = np.bincount(station[low], weights=true[low], minlength=len(meter)) + meter * dice.normal(size=len(meter))
        error = sums_below(tree.parent, true) - sums_below(tree.parent, np.where(low, told[station] * prepared.energy_share, 0.0))
        square += error**2
    spread = np.sqrt(square / 1000)
    np.testing.assert_allclose(spread[low], prepared.split.flow_kw[low], rtol=0.12, atol=0.01)
    assert (prepared.fit.flow_kw[low] < prepared.split.flow_kw[low] + 0.5).all()


def test_meters_that_disagree_widen_the_interval() -> None:
    """A feeder end ten volts off: its station's interval grows, the others' stands; a silent end falls back to the split's."""
    prepared, snapshot = seen()
    before = estimate(snapshot, prepared)
    volts = snapshot.latest["end_u_v"]
    value = volts.value.copy()
    value[prepared.meter_at[0]] -= 10.0
    lying = replace(snapshot, latest={**snapshot.latest, "end_u_v": replace(volts, value=value)})
    after = estimate(lying, prepared)
    mine = int(prepared.row_station[prepared.grid.tree.row[prepared.grid.meter_node[0]]])
    assert after.misfit_ratio[mine] > max(before.misfit_ratio[mine], 1.5)
    others = np.arange(len(after.misfit_ratio)) != mine
    np.testing.assert_allclose(after.misfit_ratio[others], before.misfit_ratio[others], rtol=0.2)
    said = " ".join(explain(snapshot, prepared, int(prepared.station_at[mine]) + prepared.city.span.start))
    assert "in 95 of 100 cases" in said
    assert "are kept free" in said


def test_a_transformer_stands_its_rating_at_twenty_degrees() -> None:
    """Rated power at 20 degrees outside makes 98 degrees (IEC 60076-7); cold oil stands more for a while."""
    loss = np.array([4.0, 6.0, 8.0])
    blank, unknown = np.zeros(3), np.zeros(3, np.bool_)
    np.testing.assert_allclose(transformer_shares(blank, unknown, loss, 20.0), 1.0, atol=0.003)
    warm = transformer_shares(blank, unknown, loss, 40.0)
    cold = transformer_shares(blank, unknown, loss, 0.0)
    assert (warm < 0.9).all()
    assert ((cold > 1.1) & (cold < 1.25)).all()
    oil = transformer_shares(np.full(3, 25.0), ~unknown, loss, 20.0)
    assert ((oil > 1.2) & (oil <= 1.5)).all()


@given(st.floats(-10.0, 95.0), st.floats(-10.0, 40.0))
@settings(max_examples=40, deadline=None)
def test_what_the_decider_takes_a_transformer_to_stand_the_check_permits(oil_c: float, ambient_c: float) -> None:
    """Two code paths of the same standard: the decider's share never makes more heat than the check allows."""
    prepared, snapshot = seen()
    city = replace(prepared, settings=replace(prepared.settings, ambient_c=ambient_c))
    size, at = prepared.size, prepared.station_at
    told = Column(np.full(size, oil_c), np.full(size, snapshot.now_s), np.ones(size, np.bool_))
    table = prepared.grid.tables["transformers"]
    loss = np.asarray(table["pk_kw"], np.float64) / np.asarray(table["p0_kw"], np.float64)
    share = transformer_shares(np.full(len(at), oil_c), np.ones(len(at), np.bool_), loss, ambient_c)
    warm = replace(snapshot, latest={**snapshot.latest, "station_oil_c": told})
    heat = heat_of_transformers(warm, city, share)
    assert (heat[share > 0.51] <= 1.0 + 1e-9).all()


def test_cables_that_only_charge_are_rated_at_a_load_factor_of_one() -> None:
    """No homes: 1 / sqrt(NEAR + FAR) of the table's rating; homes alone may use all of it; the check says the same."""
    prepared, _ = seen()
    blank = np.zeros(1)
    alone = float(cable_shares(blank, blank, blank)[0])
    assert alone == pytest.approx(1.0 / np.sqrt(NEAR + FAR))
    assert float(cable_shares(np.array([0.9]), np.array([0.45]), np.array([0.25]))[0]) > 0.95
    many = len(prepared.grid.tree.node)
    bare = replace(prepared, stations=prepared.stations._replace(home_kw=np.zeros(many), shop_kw=np.zeros(many)))
    heat = heat_of_cables(bare, np.full(many, alone), np.full(many, alone))
    np.testing.assert_allclose(heat, 1.0, atol=1e-6)


def test_too_little_for_a_point_goes_round() -> None:
    """Room for two points, three groups with two thirds of one each: two charge at a time, all alike in the end."""
    given_kw, wanting = np.full(3, 2.0 / 3.0 * POINT_MIN_KW), np.full(3, 5.0)
    behind, had = np.zeros(3), np.zeros(3)
    room = np.array([1e12, 2.02 * POINT_MIN_KW])
    for _ in range(30):
        limit = rotated(np.array([-1, 0]), LONE, room, (given_kw, wanting, behind, np.zeros(3)), POINT_MIN_KW)
        assert np.isin(np.round(limit / POINT_MIN_KW, 9), (0.0, 1.0)).all()
        assert limit.sum() <= room[1]
        had += limit
        behind = behind + given_kw - limit
    assert had.min() > 0.0
    np.testing.assert_allclose(had, had.mean(), atol=POINT_MIN_KW + 1e-9)


def test_the_guaranteed_floor_goes_before_urgent_energy() -> None:
    """Ten points with 4.2 kW guaranteed and a group whose cars leave soon: the floor first; where not all fits, alike."""
    due = np.array([[0.0, 0.0, 100.0], [20.0, 60.0, 60.0]])
    needs = Needs(due, np.zeros((2, 3)), np.full(2, 110.0), np.full(2, 110.0), np.full(2, 10.0), POINT_MIN_KW)
    parent, attach, hours = np.array([-1, 0]), np.array([1, 1]), np.array([0.25, 2.0, 8.0])
    head = np.full((2, 3), 80.0)
    without = plan(parent, attach, head, hours, needs)
    assert without[1] > 70.0
    held = plan(parent, attach, head, hours, with_floor(needs, np.array([42.0, 0.0]), 0.25))
    assert held[0] >= 41.0
    assert held.sum() == pytest.approx(80.0, abs=1.0)


def test_needs_grow_with_time_and_end_at_what_is_wanted() -> None:
    """From sums alone: due never falls over the day, and the day's end is what the group wants with what may just have come."""
    prepared, snapshot = seen()
    found = estimate(snapshot, prepared)
    wish = wishes(snapshot, prepared, found)
    ends = np.array([0.25, 1.0, 4.0, 12.0, 24.0])
    groups = np.arange(len(prepared.installed_kw))
    needs = needs_of(snapshot, prepared, wish, (ends, 16.7, np.zeros((len(groups), len(ends)))), groups)
    assert (np.diff(needs.due_kwh, axis=1) >= -1e-9).all()
    wanted = snapshot.latest["energy_wanted_kwh"]
    told = wanted.present[prepared.group_at] & (wanted.known_at_s[prepared.group_at] > snapshot.now_s - 150.0)
    assert (needs.due_kwh[told, -1] >= wanted.value[prepared.group_at][told]).all()
    assert (needs.due_kwh[:, 0] >= 0.25 * np.minimum(wish.held_kw, needs.usable_kw) - 1e-9).all()


def leases(prepared: Prepared, snapshot: Snapshot, limit: FloatArray, groups: IntArray) -> safety.Verdict:
    """Return the gate's verdict on limits for some groups."""
    force = {name: replace(value, since_s=value.since_s - 3600.0) for name, value in snapshot.in_force.items()}
    asset = prepared.group_at[groups] + prepared.city.span.start
    many, codes = len(groups), np.zeros(len(groups), np.int64)
    table = Proposals("limit_charging", asset, {"p_max_kw": limit}, codes, no_cites(many), "operator", snapshot.now_s, 120.0)
    return safety.examine(SERVICE, replace(snapshot, in_force=force), (table,), prepared, np.zeros(prepared.size, np.bool_))


def test_no_lease_before_the_permanent_maximum_is_read_back() -> None:
    """A box that tells no permanent maximum, or a higher one than it should have, gets no lease, not even a low one."""
    prepared, snapshot = seen()
    groups = np.arange(len(prepared.installed_kw))
    low = np.full(len(groups), POINT_MIN_KW)
    assert len(leases(prepared, snapshot, low, groups).permits[0]) == len(groups)
    blank = {name: column for name, column in snapshot.latest.items() if name != "charging_safe_kw"}
    assert len(leases(prepared, replace(snapshot, latest=blank), low, groups).permits[0]) == 0
    safe = snapshot.latest["charging_safe_kw"]
    higher = {**snapshot.latest, "charging_safe_kw": replace(safe, value=safe.value + 1.0)}
    assert len(leases(prepared, replace(snapshot, latest=higher), low, groups).permits[0]) == 0


def test_a_lapsing_lease_uncovers_nothing_that_was_not_counted() -> None:
    """A neighbour held below its permanent maximum still counts with it: what it frees by its lease may not be given away."""
    prepared, snapshot = seen()
    groups = prepared.grid.groups
    station = int(np.argmax(np.bincount(groups.station)))
    mine = np.flatnonzero(groups.station == station)
    size = prepared.size
    crowded = Column(np.full(size, 50.0), np.full(size, snapshot.now_s), np.ones(size, np.bool_))
    full = replace(snapshot, latest={**snapshot.latest, "charging_wanting": crowded})

    def highest(held: bool) -> float:
        """Return the most the first group is permitted while the others stand at 0, their maxima counted or not."""
        best = 0.0
        for limit in np.arange(60.0, float(prepared.installed_kw[mine[0]]), 6.0):
            city = prepared
            told = full
            if not held:
                none = np.zeros(len(groups.id))
                city = replace(prepared, grid=replace(prepared.grid, groups=replace(groups, p_safe_kw=none)))
                told = replace(full, latest={**full.latest, "charging_safe_kw": replace(crowded, value=np.zeros(size))})
            asked = np.where(np.arange(len(mine)) == 0, limit, 0.0)
            if 0 in leases(city, told, asked, mine).permits[0].row.tolist():
                best = max(best, float(limit))
        return best

    assert highest(True) <= highest(False)
    assert groups.p_safe_kw[mine[1:]].sum() > 0.0


def test_the_operators_envelope_binds_and_grows_old_safely() -> None:
    """30 kW for a group: more is refused, and lowering never; an old word counts no more than the permanent maximum."""
    prepared, snapshot = seen()
    size, groups = prepared.size, np.arange(1)
    own = Column(np.full(size, 30.0), np.full(size, snapshot.now_s), np.ones(size, np.bool_))
    bound = replace(snapshot, latest={**snapshot.latest, "group_limit_kw": own})
    told = float(snapshot.latest["charging_limit_kw"].value[prepared.group_at[0]])
    more = leases(prepared, bound, np.array([told + 10.0]), groups)
    assert [rule.name for rule in more.refusals[0].rules] == ["within the operator's envelope"]
    assert len(leases(prepared, bound, np.array([min(told, 29.0)]), groups).permits[0]) == 1
    assert (wishes(bound, prepared, estimate(bound, prepared)).most_kw == 30.0).all()
    old = replace(own, value=np.full(size, 500.0), known_at_s=np.full(size, snapshot.now_s - 1000.0))
    stale = replace(snapshot, latest={**snapshot.latest, "group_limit_kw": old})
    most = wishes(stale, prepared, estimate(stale, prepared)).most_kw
    np.testing.assert_allclose(most, np.minimum(prepared.installed_kw, prepared.grid.groups.p_safe_kw))


def test_homes_on_one_line_phase_are_seen_as_unbalance() -> None:
    """All connections of a street on one line phase: three times the current, and negative sequence as large as positive."""
    city = small_city()
    nodes = city.tables["nodes"]
    low = np.flatnonzero(nodes["connections"] > 0)
    count = nodes["connections"][low]
    table = {"node": nodes["id"][low], "connections_l1": count, "connections_l2": 0 * count, "connections_l3": 0 * count}
    lopsided = line_phases_of(replace(prepare(city).grid, tables={**city.tables, "line_phases": table}))
    tree, connections = prepare(city).grid.tree, prepare(city).grid.nodes.connections_count
    ends = tree.row[prepare(city).grid.meter_node]
    ends = ends[connections[tree.node[ends]] > 0]
    np.testing.assert_allclose(lopsided.unbalanced_ratio[ends], 1.0)
    np.testing.assert_allclose(lopsided.fullest_ratio[ends], 3.0)
    prepared, snapshot = seen()
    groups = np.arange(len(prepared.installed_kw))
    told = snapshot.latest["charging_limit_kw"].value[prepared.group_at]
    safe = prepared.grid.groups.p_safe_kw
    raised = np.minimum(np.maximum(told, safe) + 6.0, prepared.installed_kw)
    verdict = leases(replace(prepared, line_phases=lopsided), snapshot, raised, groups)
    names = {verdict.refusals[0].rules[int(rule)].name for rule in verdict.refusals[0].rule}
    assert names & {"voltages balanced", "no branch hotter than it stands"}
    assert len(leases(prepared, snapshot, raised, groups).permits[0]) > len(verdict.permits[0])
