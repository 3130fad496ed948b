# SPDX-License-Identifier: Apache-2.0
"""Proposals that violate, thrown at the safety gate: `python -m benchmarks.grid_fuzz [--quick]`.

Random limits for every group of two small towns and set-points for their inverters, and adversarial ones: scaled until the gate
just lets them pass, with all that homes may differ from their class turned against the worst street and cars at the far ends.
Whatever is permitted is drawn in full in power-grid-model, an engine that the gate does not use, with inverters as told, with
inverters stopped, and with nobody charging; a violation there is a failure of the gate.
"""

import argparse
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lamplighter import safety
from lamplighter.services.grid import SERVICE
from lamplighter.services.grid.field_heat import Heat
from lamplighter.services.grid.network.engine import open_engine, power_flow
from lamplighter.services.grid.network.prepared import Prepared
from lamplighter.services.grid.network.sharing import fallen, sums_below
from lamplighter.services.grid.terms import POINT_MIN_KW
from lamplighter.services.grid.tests.small import Evening, low_city, small_city
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.decision import Proposals, no_cites

MINUTES = 90
ROUND = 250  # power flows solved at a time
SCALES = 12
SHARES = np.array([0.3, 0.6, 1.0])  # of the installed power, the most that a random limit asks for
BEYOND = 1.2  # of what inverters can: so far set-points are thrown
U_LOST_PU = 0.85  # EN 50160, 4.2.2: were inverters to stop at once
WITHIN_MIN = 15  # five leases: by then there has been a new decision
ADVERSARY_SIGMAS = 1.0  # of every connection's own spread, all of it on one street and against another


class Asked(NamedTuple):
    """Limits of groups (g,) and set-points of inverters (i,)."""

    limit_kw: FloatArray
    set_kvar: FloatArray


class Case(NamedTuple):
    """A state to be solved: node demands (n,), stations that are judged, and the band of voltage that must hold there."""

    p_kw: FloatArray
    q_kvar: FloatArray
    stations: IntArray
    band_pu: tuple[float, float]


class Gate:
    """A town at 17:30, its gate, and what is true there."""

    def __init__(self, city: CityData) -> None:
        """Run the evening."""
        evening = Evening(city, "adaptive").minutes(MINUTES)
        assert evening.tick is not None
        self.prepared: Prepared = evening.run.prepared
        seen = evening.tick.snapshot
        force = {name: replace(value, since_s=value.since_s - 3600.0) for name, value in seen.in_force.items()}
        self.seen = replace(seen, in_force=force)
        self.engine = open_engine(self.prepared.grid)
        self.told = seen.latest["charging_limit_kw"].value[self.prepared.group_at]
        self.supplied = seen.latest["inverter_q_kvar"].value[self.prepared.inverter_at]
        self.of_inverter = self.prepared.row_station[self.prepared.inverter_row]

    def permitted(self, asked: Asked) -> tuple[BoolArray, BoolArray]:
        """Return which of the limits (g,) and set-points (i,) the gate permits."""
        prepared, start = self.prepared, self.prepared.city.span.start
        tables = tuple(
            Proposals(name, at + start, {column: value}, np.zeros(len(at), np.int64), no_cites(len(at)), "operator",
                      self.seen.now_s, 120.0)
            for name, column, value, at in (
                ("limit_charging", "p_max_kw", asked.limit_kw, prepared.group_at),
                ("supply_reactive", "q_kvar", asked.set_kvar, prepared.inverter_at),
            )
        )  # fmt: skip
        verdict = safety.examine(SERVICE, self.seen, tables, prepared, np.zeros(prepared.size, np.bool_))
        found = tuple(np.zeros(len(table), np.bool_) for table in tables)
        for mask, permits in zip(found, verdict.permits, strict=True):
            mask[permits.row] = True
        return found[0], found[1]

    def cases(self, asked: Asked, good: tuple[BoolArray, BoolArray], dice: np.random.Generator, street: int | None) -> list[Case]:
        """Return the states that permits leave: all drawn in full with inverters as told, with inverters stopped, and nobody
        charging. Stations are judged where a limit or a supply was raised."""
        grid, low = self.prepared.grid, self.prepared.settings.u_low_pu
        most, set_kvar = np.where(good[0], asked.limit_kw, self.told), np.where(good[1], asked.set_kvar, self.supplied)
        raised = np.unique(grid.groups.station[good[0] & (asked.limit_kw > self.told)])
        lifted = np.unique(self.of_inverter[good[1] & (asked.set_kvar > self.supplied + 0.05)])
        p, q = self.truth(dice, street)
        drawn = p + self.drawn(most, dice, street)
        found = list[Case]()
        if len(raised):
            found += [Case(drawn, q - self.at_nodes(set_kvar), raised, (low, np.inf))]
            found += [Case(drawn, q, raised, (U_LOST_PU, np.inf))]
        if len(lifted):
            found += [Case(p, q - self.at_nodes(set_kvar), lifted, (0.0, self.prepared.settings.u_high_pu))]
        return found

    def at_nodes(self, kvar: FloatArray) -> FloatArray:
        """Return what inverters supply (i,) at the nodes."""
        grid = self.prepared.grid
        return np.bincount(grid.inverters.node, weights=kvar, minlength=len(grid.nodes.id)).astype(np.float64)

    def truth(self, dice: np.random.Generator, street: int | None) -> tuple[FloatArray, FloatArray]:
        """Return node demands (n,) of homes alone; with a street, all spread of homes is turned against it."""
        prepared, grid = self.prepared, self.prepared.grid
        at, low = prepared.station_at, grid.nodes.station >= 0
        station = np.maximum(grid.nodes.station, 0)
        charging = self.seen.latest["charging_p_kw"].value[prepared.group_at]
        homes = self.seen.latest["station_p_kw"].value[at] - np.bincount(grid.groups.station, weights=charging, minlength=len(at))
        own = np.bincount(self.of_inverter, weights=self.supplied, minlength=len(at))
        reactive = self.seen.latest["station_q_kvar"].value[at] + own
        share = np.zeros(len(grid.nodes.id))
        share[grid.tree.node] = np.where(prepared.row_station >= 0, prepared.energy_share, 0.0)
        spread = prepared.settings.sigma_connection_kw * np.sqrt(grid.nodes.connections_count)
        if street is None:
            noise = spread * dice.normal(size=len(share))
        else:
            noise = ADVERSARY_SIGMAS * spread * np.where(np.arange(len(share)) == street, 1.0, 0.0)
        noise -= np.bincount(station, weights=noise, minlength=len(at))[station] * share
        p = np.where(low, 0.97 * homes[station] * share + self.inside(noise), 0.0)
        return p, np.where(low, reactive[station] * share, 0.0)

    def inside(self, noise_kw: FloatArray) -> FloatArray:
        """Return what homes differ by at nodes (n,), each station's drawn in until every voltage and every branch is inside the
        interval that margins are made of."""
        prepared, tree = self.prepared, self.prepared.grid.tree
        through = sums_below(tree.parent, np.where(prepared.row_station >= 0, noise_kw[tree.node], 0.0))
        below = np.where(prepared.row_station >= 0, tree.r_pu * through, 0.0)
        ratio = np.ones(len(through))
        for off, sigma in ((fallen(tree.parent, below), prepared.split.u_pu), (through, prepared.split.flow_kw)):
            ratio = np.maximum(ratio, np.abs(off) / np.maximum(prepared.settings.confidence_ratio * sigma, 1e-9))
        ratio = np.where((prepared.split.u_pu > 0.0) & (prepared.split.flow_kw > 0.0), ratio, 1.0)
        worst = np.ones(len(prepared.station_at))
        low = prepared.row_station >= 0
        np.maximum.at(worst, prepared.row_station[low], ratio[low])
        station = self.prepared.grid.nodes.station
        return np.where(station >= 0, noise_kw / worst[np.maximum(station, 0)], 0.0)

    def drawn(self, most_kw: FloatArray, dice: np.random.Generator, street: int | None) -> FloatArray:
        """Return charging at nodes (n,) when groups draw in full (g,), at points in a random order or at far ends first."""
        grid = self.prepared.grid
        many = len(grid.groups.point_node)
        order = dice.permutation(many) if street is None else np.argsort(-grid.tree.row[grid.groups.point_node])
        left, p = most_kw.copy(), np.zeros(len(grid.nodes.id))
        for entry in order.tolist():
            group, node = int(grid.groups.point_group[entry]), int(grid.groups.point_node[entry])
            draws = min(float(left[group]), float(grid.groups.point_count[entry] * grid.groups.p_point_kw[group]))
            left[group] -= draws
            p[node] += draws
        return p

    def broken(self, cases: list[Case]) -> int:
        """Return how many states overload something or leave their band."""
        grid, prepared = self.prepared.grid, self.prepared
        flow = power_flow(self.engine, np.stack([case.p_kw for case in cases]), np.stack([case.q_kvar for case in cases]))
        found = 0
        for number, case in enumerate(cases):
            for station in case.stations.tolist():
                rows = np.flatnonzero(prepared.row_station == station)
                branch = grid.tree.branch[rows]
                cables = float(flow.loading[number, branch[branch < grid.branches.lines]].max(initial=0.0))
                hot = self.hot(float(flow.loading[number, grid.station_branch[station]]), station)
                u = flow.u_pu[number, grid.tree.node[rows]]
                found += cables > 1.0 or hot or float(u.min()) < case.band_pu[0] or float(u.max()) > case.band_pu[1]
        return found

    def hot(self, share: float, station: int) -> bool:
        """Return whether a share of its rating makes a transformer too hot within WITHIN_MIN, by the field's own equations."""
        table, loading = self.prepared.grid.tables["transformers"], np.array([share])
        loss = np.array([float(table["pk_kw"][station]) / float(table["p0_kw"][station])])
        oil = self.seen.latest["station_oil_c"].value[self.prepared.station_at[[station]]]
        heat = Heat(oil, np.zeros(1), loss)
        for _ in range(WITHIN_MIN):
            heat.pass_minute(loading, self.prepared.settings.ambient_c)
        return bool(heat.too_hot(loading)[0])


def edge(gate: Gate, asked: Asked) -> Asked:
    """Return the largest multiple of the limits (g,) that the gate still permits whole beside the set-points, by halving."""
    low, high = 0.0, 4.0
    for _ in range(SCALES):
        middle = 0.5 * (low + high)
        more = asked._replace(limit_kw=_possible(asked.limit_kw * middle, gate.prepared.installed_kw))
        low, high = (middle, high) if bool(gate.permitted(more)[0].all()) else (low, middle)
    return asked._replace(limit_kw=_possible(asked.limit_kw * low, gate.prepared.installed_kw))


def _possible(limit_kw: FloatArray, installed_kw: FloatArray) -> FloatArray:
    return np.where(limit_kw < POINT_MIN_KW, 0.0, np.minimum(limit_kw, installed_kw))


def throw(gate: Gate, kind: str, total: int, dice: np.random.Generator) -> tuple[int, int, int]:
    """Return how many set-points were thrown and permitted, and how many states they leave that violate."""
    installed, most_kvar = gate.prepared.installed_kw, gate.prepared.grid.inverters.q_max_kvar
    thrown, let_through, broken, waiting = 0, 0, 0, list[Case]()
    while thrown < total:
        limit = _possible(dice.uniform(0.0, installed) * float(dice.choice(SHARES)), installed)
        asked = Asked(limit, dice.uniform(-BEYOND, BEYOND, len(most_kvar)) * most_kvar)
        street = None
        if kind == "adversarial":
            asked, street = edge(gate, asked), int(dice.choice(gate.prepared.grid.groups.point_node))
        good = gate.permitted(asked)
        thrown += len(limit) + len(most_kvar)
        let_through += int(good[0].sum()) + int(good[1].sum())
        waiting += gate.cases(asked, good, dice, street)
        if len(waiting) >= ROUND or (thrown >= total and waiting):
            broken += gate.broken(waiting)
            waiting.clear()
    return thrown, let_through, broken


def main() -> None:
    """Throw, judge, print; ends with an error where anything that violates was permitted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ten thousand random set-points and a hundred adversarial")
    parser.add_argument("--random", type=int, default=10_000_000)
    parser.add_argument("--adversarial", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    wanted = {"random": 10_000, "adversarial": 100} if asked.quick else {"random": asked.random, "adversarial": asked.adversarial}
    dice, failures = np.random.default_rng(asked.seed), 0
    towns = {"a town short of heat": small_city, "a town short of voltage": low_city}
    for name, city in towns.items():
        gate = Gate(city())
        for kind, total in wanted.items():
            thrown, let_through, broken = throw(gate, kind, -(-total // len(towns)), dice)
            failures += broken
            told = f"{thrown} set-points thrown, {let_through} permitted, {broken} states that violate permitted"
            print(f"{name}, {kind}: {told}", flush=True)
    if failures:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
