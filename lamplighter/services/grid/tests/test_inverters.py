# SPDX-License-Identifier: Apache-2.0
"""Inverters of the city's own: what they are asked for, what the gate lets through, what happens when they do not follow."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter import safety
from lamplighter.services.grid import SERVICE, wire
from lamplighter.services.grid.adaptive.reactive import least_supply
from lamplighter.services.grid.interlock import worst_of
from lamplighter.services.grid.interlock.effect import in_effect
from lamplighter.services.grid.interlock.supply import supply_of
from lamplighter.services.grid.network.engine import open_engine, power_flow
from lamplighter.services.grid.network.model import GridError, read_grid
from lamplighter.services.grid.network.prepared import Prepared
from lamplighter.services.grid.network.sharing import fallen, sums_below
from lamplighter.services.grid.outcomes import describe, explain
from lamplighter.services.grid.tests.small import Evening, low_city, small_city
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import FloatArray, IntArray
from lamplighter.terms.decision import HAND_BACK, Permits, Proposals, no_cites
from lamplighter.terms.snapshot import Column, Snapshot

MINUTES = 200


def without(city: CityData) -> CityData:
    """Return a town whose inverters can do nothing."""
    table = city.tables["inverters"]
    return replace(city, tables={**city.tables, "inverters": {**table, "q_max_kvar": np.zeros(len(table["id"]))}})


@cache
def evening(which: str) -> Evening:
    """Return the town short of voltage at 19:20, with inverters, without, or with one that hears nothing."""
    run = Evening(without(low_city()) if which == "without" else low_city(), "adaptive")
    if which == "deaf":
        for name in run.city.tables["inverters"]["id"].tolist():
            run.field.inject("deaf_inverter", {"asset": name})
    return run.minutes(MINUTES)


def seen() -> tuple[Prepared, Snapshot]:
    """Return what never changes and what was seen last, with leases old enough to have settled."""
    run = evening("with")
    assert run.tick is not None
    snapshot = run.tick.snapshot
    force = {name: replace(value, since_s=value.since_s - 3600.0) for name, value in snapshot.in_force.items()}
    return run.run.prepared, replace(snapshot, in_force=force)


def told(snapshot: Snapshot, prepared: Prepared, name: str, value: FloatArray, known_at_s: float | None = None) -> Snapshot:
    """Return a snapshot in which inverters say something else, or said it at another time."""
    column = snapshot.latest[name]
    values, known = column.value.copy(), column.known_at_s.copy()
    values[prepared.inverter_at] = value
    known[prepared.inverter_at] = snapshot.now_s if known_at_s is None else known_at_s
    return replace(snapshot, latest={**snapshot.latest, name: Column(values, known, column.present)})


def table(snapshot: Snapshot, prepared: Prepared, action: str, at: IntArray, value: FloatArray) -> Proposals:
    """Return an operator's wish for boxes at own positions."""
    column = {"supply_reactive": "q_kvar", "limit_charging": "p_max_kw"}[action]
    many, start = len(at), prepared.city.span.start
    return Proposals(
        action, at + start, {column: value}, np.zeros(many, np.int64), no_cites(many), "operator", snapshot.now_s, 120.0
    )


def refused(snapshot: Snapshot, prepared: Prepared, *tables: Proposals) -> list[set[str]]:
    """Return by which rules each table was refused."""
    verdict = safety.examine(SERVICE, snapshot, tables, prepared, np.zeros(prepared.size, np.bool_))
    return [{found.rules[rule].name for rule in found.rule.tolist()} for found in verdict.refusals]


def test_more_is_charged_where_voltage_is_short_and_no_voltage_leaves_its_band() -> None:
    with_, none = evening("with"), evening("without")
    assert with_.truth["charging_kwh"] > 1.01 * none.truth["charging_kwh"]
    assert with_.truth["energy_waiting_kwh_h"] < none.truth["energy_waiting_kwh_h"]
    assert with_.truth["voltage_lowest_pu"] >= 0.93
    assert with_.truth["overload_h"] == 0.0


def test_nothing_is_asked_where_voltage_is_not_short() -> None:
    run = Evening(small_city(), "adaptive").minutes(20)
    assert run.tick is not None
    assert not run.tick.snapshot.in_force["supply_reactive"].active.any()


def test_an_inverter_returns_to_its_own_programme_when_its_lease_ends() -> None:
    run = Evening(low_city(), "adaptive").minutes(40)
    supplied = run.field._inverters  # pyright: ignore[reportPrivateUsage] - the true state
    assert np.abs(supplied.obeyed_kvar(run.now_s)).max() > 0.0
    readings = [run.field.advance(run.now_s + 60.0 * minute, (), {}).readings for minute in range(1, 6)][-1]
    batch = wire.decode_rows(next(r.payload for r in readings if r.topic == wire.INVERTERS), wire.INVERTER_ROW)
    assert batch is not None
    assert len(batch[1]) == len(run.city.tables["inverters"]["id"])
    assert not batch[1]["q_10var"].any()
    assert not batch[1]["set_10var"].any()


def test_deaf_inverters_are_never_relied_upon() -> None:
    """Set-points are permitted, nothing is supplied: limits stay what they are without inverters, and voltages in their band."""
    deaf, none = evening("deaf"), evening("without")
    assert deaf.truth["voltage_lowest_pu"] >= 0.93
    assert deaf.truth["charging_kwh"] == pytest.approx(none.truth["charging_kwh"], rel=0.02)


def test_no_set_point_passes_beyond_what_inverters_can_or_while_they_are_silent() -> None:
    prepared, snapshot = seen()
    most = prepared.grid.inverters.q_max_kvar
    over = table(snapshot, prepared, "supply_reactive", prepared.inverter_at, -1.01 * most)
    assert "within what inverters can" in refused(snapshot, prepared, over)[0]
    for name in ("inverter_q_kvar", "inverter_set_kvar"):
        silent = told(snapshot, prepared, name, np.zeros(len(most)), snapshot.now_s - 600.0)
        some = table(silent, prepared, "supply_reactive", prepared.inverter_at, 0.5 * most)
        none = table(silent, prepared, "supply_reactive", prepared.inverter_at, 0.0 * most)
        assert "inverters answer" in refused(silent, prepared, some)[0]
        assert "inverters answer" not in refused(silent, prepared, none)[0]


def test_a_limit_rests_on_reactive_power_that_is_measured_and_goes_on() -> None:
    prepared, snapshot = seen()
    most = prepared.grid.inverters.q_max_kvar
    drawn, _ = in_effect(snapshot, prepared)

    def lowest(measured: FloatArray, asked: FloatArray) -> tuple[float, float]:
        now = told(snapshot, prepared, "inverter_q_kvar", measured)
        supply = supply_of(now, prepared, asked, np.ones(len(asked), np.bool_))
        state = worst_of(now, drawn, prepared, supply)
        rows = prepared.inverter_row
        return float(state.u_pu[rows].min()), float(state.u_lost_pu[rows].min())

    kept, lost = lowest(most, most)
    assert kept > lost + 0.002
    assert lowest(0.0 * most, most)[0] < kept
    assert lowest(most, 0.0 * most)[0] < kept


def test_voltage_is_not_lifted_out_of_its_band_nor_pulled_out_of_it() -> None:
    prepared, snapshot = seen()
    most, at = prepared.grid.inverters.q_max_kvar, prepared.inverter_at
    rest = told(told(snapshot, prepared, "inverter_q_kvar", 0.0 * most), prepared, "inverter_set_kvar", 0.0 * most)
    idle = replace(rest.in_force["supply_reactive"], active=np.zeros(prepared.size, np.bool_))
    rest = replace(rest, in_force={**rest.in_force, "supply_reactive": idle})
    highest = worst_of(rest, np.zeros(len(prepared.installed_kw)), prepared).u_high_pu
    more = table(rest, prepared, "supply_reactive", at, most)
    lifted = "voltage not lifted out of its band"
    for u_high_pu, stopped in ((1.15, False), (float(highest[prepared.inverter_row].max()) + 0.001, True)):
        bounded = replace(prepared, settings=replace(prepared.settings, u_high_pu=u_high_pu))
        assert (lifted in refused(rest, bounded, more)[0]) is stopped
    taken = table(rest, prepared, "supply_reactive", at, -most)
    assert "voltage in band" in refused(rest, prepared, taken)[0]
    assert "voltage in band" not in refused(rest, prepared, table(rest, prepared, "supply_reactive", at, most))[0]


@cache
def tree() -> tuple[Prepared, FloatArray]:
    """Return a town, and by how much a kvar (column) at each inverter lifts each row, from two sweeps over the tree."""
    prepared = evening("with").run.prepared
    parent, x = prepared.grid.tree.parent, prepared.grid.tree.x_pu
    columns: list[FloatArray] = []
    for row in prepared.inverter_row.tolist():
        one = np.zeros(len(parent))
        one[row] = 1.0
        columns.append(fallen(parent, x * sums_below(parent, one)))
    return prepared, np.stack(columns, axis=1)


def test_a_kvar_lifts_as_the_power_flow_says() -> None:
    prepared, lift = tree()
    engine, grid = open_engine(prepared.grid), prepared.grid
    base = np.where(grid.nodes.station >= 0, 1.0, 0.0)
    for number, node in enumerate(grid.inverters.node.tolist()):
        q = np.zeros((2, len(base)))
        q[1, node] = -10.0
        flow = power_flow(engine, np.tile(base, (2, 1)), q)
        risen = (flow.u_pu[1] - flow.u_pu[0])[grid.tree.node[prepared.inverter_row[number]]]
        assert risen == pytest.approx(10.0 * lift[prepared.inverter_row[number], number], rel=0.06)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 0.02), st.floats(-0.03, 0.0))
def test_the_least_supply_closes_every_gap_it_can_and_none_that_is_not_there(seed: int, short: float, high: float) -> None:
    """Against the closed form where one inverter stands behind each station: the widest gap over its lift, within what it can and
    what no row may be lifted beyond."""
    prepared, lift = tree()
    dice, many = np.random.default_rng(seed), len(prepared.inverter_row)
    parent, x = prepared.grid.tree.parent, prepared.grid.tree.x_pu
    gap = dice.uniform(-0.01, 1.0, len(parent)) * short
    over = np.full(len(parent), high)
    station = prepared.row_station[prepared.inverter_row]
    most = prepared.grid.inverters.q_max_kvar
    parts = (prepared.stations.offsets, prepared.stations.rows)
    q = least_supply((parent, x), parts, (station, prepared.inverter_row, most), (gap, over))
    assert np.all((q >= -1e-9) & (q <= most + 1e-9))
    for k in range(many):
        rows = np.flatnonzero(prepared.row_station == station[k])
        own = lift[rows, k]
        reach = own > 1e-9
        wanted = min(float(np.max(np.where(reach, gap[rows] / np.maximum(own, 1e-12), 0.0), initial=0.0)), float(most[k]))
        room = float(np.min(np.where(reach, -over[rows] / np.maximum(own, 1e-12), np.inf)))
        assert q[k] == pytest.approx(min(wanted, room), abs=0.05 * max(wanted, 0.1))


def test_voltage_that_is_too_high_is_lowered() -> None:
    prepared, _ = tree()
    parent, x = prepared.grid.tree.parent, prepared.grid.tree.x_pu
    station, most = prepared.row_station[prepared.inverter_row], prepared.grid.inverters.q_max_kvar
    parts = (prepared.stations.offsets, prepared.stations.rows)
    over, gap = np.full(len(parent), 0.002), np.full(len(parent), -0.05)
    q = least_supply((parent, x), parts, (station, prepared.inverter_row, most), (gap, over))
    assert np.all(q < 0.0)
    assert np.all(q >= -most - 1e-9)


def test_orders_name_no_more_than_was_permitted_and_leases_end_in_nothing() -> None:
    prepared, snapshot = seen()
    wish = table(snapshot, prepared, "supply_reactive", prepared.inverter_at[:2], np.array([12.3456, -12.3456]))
    sent = wire.encode(Permits(wish, np.arange(2), 8, snapshot.now_s + 120.0), prepared)
    assert [message.topic for message in sent] == [wire.SETS]
    rows = np.frombuffer(sent[0].payload, wire.SET_ROW)
    assert rows["q_10var"].tolist() == [1234, -1234]
    assert rows["duration_s"].tolist() == [120, 120]
    both = np.array([prepared.group_at[0], prepared.inverter_at[1]]) + prepared.city.span.start
    back = replace(wish, action=HAND_BACK, asset=both, values={})
    sent = wire.encode(Permits(back, np.arange(2), 8, snapshot.now_s + 120.0), prepared)
    assert [message.topic for message in sent] == [wire.LIMITS, wire.SETS]
    assert np.frombuffer(sent[1].payload, wire.SET_ROW)["number"].tolist() == [1]


def test_inverters_say_what_they_do_and_why() -> None:
    prepared, snapshot = seen()
    busy = int(np.argmax(snapshot.latest["inverter_q_kvar"].value[prepared.inverter_at]))
    said = " ".join(explain(snapshot, prepared, int(prepared.inverter_at[busy]) + snapshot.span.start))
    assert "kvar supplied" in said
    assert "under a lease" in said
    wish = table(snapshot, prepared, "supply_reactive", prepared.inverter_at[:1], np.array([5.0]))
    assert "5.0 kvar supplied" in describe(replace(wish, because=np.array([10])), 0, prepared)


def test_a_table_of_inverters_that_cannot_be_is_refused_with_its_rows() -> None:
    tables = small_city().tables
    medium = tables["nodes"]["id"][tables["nodes"]["station"] == ""][0]
    wrong = {
        **tables["inverters"],
        "node": tables["inverters"]["node"].copy(),
        "q_max_kvar": tables["inverters"]["q_max_kvar"].copy(),
    }
    wrong["node"] = wrong["node"].astype(object)
    wrong["node"][0], wrong["q_max_kvar"][1] = str(medium), 500.0
    wrong["node"] = wrong["node"].astype(np.str_)
    with pytest.raises(GridError, match=r"inverters.csv:2: node .* medium voltage(.|\n)*inverters.csv:3: q_max_kvar is 500"):
        read_grid({**tables, "inverters": wrong})
