# SPDX-License-Identifier: Apache-2.0
"""Proposals that violate, thrown at the safety gate: `python -m benchmarks.grid_fuzz [--quick]`.

Random limits for every group of the small town, and adversarial ones: scaled until the gate just lets them pass, with
all that homes may differ from their class turned against the worst street and cars at the far ends. Whatever is permitted is
drawn in full in power-grid-model, an engine that the gate does not use; a violation there is a failure of the gate.
"""

import argparse
from dataclasses import replace

import numpy as np

from lamplighter import safety
from lamplighter.services.grid import SERVICE
from lamplighter.services.grid.field_heat import Heat
from lamplighter.services.grid.network.engine import open_engine, power_flow
from lamplighter.services.grid.network.prepared import Prepared
from lamplighter.services.grid.terms import POINT_MIN_KW
from lamplighter.services.grid.tests.small import Evening, small_city
from lamplighter.terms.columns import BoolArray, FloatArray
from lamplighter.terms.decision import Proposals, no_cites

MINUTES = 90
ROUND = 250  # power flows solved at a time
SCALES = 12
SHARES = np.array([0.3, 0.6, 1.0])  # of the installed power, the most that a random limit asks for
WITHIN_MIN = 15  # five leases: by then there has been a new decision
ADVERSARY_SIGMAS = 1.0  # of every connection's own spread, all of it on one street and against another


class Gate:
    """The small town at 17:30, its gate, and what is true there."""

    def __init__(self) -> None:
        """Run the evening."""
        evening = Evening(small_city(), "adaptive").minutes(MINUTES)
        assert evening.tick is not None
        self.prepared: Prepared = evening.run.prepared
        seen = evening.tick.snapshot
        force = {name: replace(value, since_s=value.since_s - 3600.0) for name, value in seen.in_force.items()}
        self.seen = replace(seen, in_force=force)
        self.engine = open_engine(self.prepared.grid)
        self.told = seen.latest["charging_limit_kw"].value[self.prepared.group_at]

    def permitted(self, limit_kw: FloatArray) -> BoolArray:
        """Return which of the proposals (g,) the gate permits."""
        prepared, many = self.prepared, len(limit_kw)
        group = prepared.group_at + prepared.city.span.start
        table = Proposals(
            "limit_charging",
            group,
            {"p_max_kw": limit_kw},
            np.zeros(many, np.int64),
            no_cites(many),
            "operator",
            self.seen.now_s,
            120.0,
        )
        verdict = safety.examine(SERVICE, self.seen, (table,), prepared, np.zeros(prepared.size, np.bool_))
        found = np.zeros(many, np.bool_)
        found[verdict.permits[0].row] = True
        return found

    def truth(self, most_kw: FloatArray, dice: np.random.Generator, street: int | None) -> tuple[FloatArray, FloatArray]:
        """Return node demands (n,) when groups draw in full; with a street, all spread of homes is turned against it."""
        prepared, grid = self.prepared, self.prepared.grid
        at, low = prepared.station_at, grid.nodes.station >= 0
        station = np.maximum(grid.nodes.station, 0)
        charging = self.seen.latest["charging_p_kw"].value[prepared.group_at]
        homes = self.seen.latest["station_p_kw"].value[at] - np.bincount(grid.groups.station, weights=charging, minlength=len(at))
        share = np.zeros(len(grid.nodes.id))
        share[grid.tree.node] = np.where(prepared.row_station >= 0, prepared.energy_share, 0.0)
        spread = prepared.settings.sigma_connection_kw * np.sqrt(grid.nodes.connections_count)
        if street is None:
            noise, order = spread * dice.normal(size=len(share)), dice.permutation(len(grid.groups.point_node))
        else:
            noise = ADVERSARY_SIGMAS * spread * np.where(np.arange(len(share)) == street, 1.0, 0.0)
            order = np.argsort(-grid.tree.row[grid.groups.point_node])  # rows grow with depth: far ends first
        noise -= np.bincount(station, weights=noise, minlength=len(at))[station] * share
        p = np.where(low, 0.97 * homes[station] * share + noise, 0.0)
        q = np.where(low, self.seen.latest["station_q_kvar"].value[at][station] * share, 0.0)
        left = most_kw.copy()
        for entry in order.tolist():
            group, node = int(grid.groups.point_group[entry]), int(grid.groups.point_node[entry])
            draws = min(float(left[group]), float(grid.groups.point_count[entry] * grid.groups.p_point_kw[group]))
            left[group] -= draws
            p[node] += draws
        return p, q

    def broken(self, cases: list[tuple[BoolArray, FloatArray, FloatArray]]) -> int:
        """Return how many permitted sets (raised groups, node demands) overload something or leave the band."""
        grid, prepared = self.prepared.grid, self.prepared
        flow = power_flow(self.engine, np.stack([case[1] for case in cases]), np.stack([case[2] for case in cases]))
        found = 0
        for number, (raised, _, _) in enumerate(cases):
            for station in np.unique(grid.groups.station[raised]).tolist():
                rows = np.flatnonzero(prepared.row_station == station)
                branch = grid.tree.branch[rows]
                cables = float(flow.loading[number, branch[branch < grid.branches.lines]].max(initial=0.0))
                hot = self.hot(float(flow.loading[number, grid.station_branch[station]]), station)
                lowest = float(flow.u_pu[number, grid.tree.node[rows]].min())
                found += cables > 1.0 or hot or lowest < prepared.settings.u_low_pu
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


def edge(gate: Gate, limit_kw: FloatArray) -> FloatArray:
    """Return the largest multiple of the limits (g,) that the gate still permits whole, by halving."""
    low, high = 0.0, 4.0
    for _ in range(SCALES):
        middle = 0.5 * (low + high)
        asked = _possible(limit_kw * middle, gate.prepared.installed_kw)
        low, high = (middle, high) if bool(gate.permitted(asked).all()) else (low, middle)
    return _possible(limit_kw * low, gate.prepared.installed_kw)


def _possible(limit_kw: FloatArray, installed_kw: FloatArray) -> FloatArray:
    return np.where(limit_kw < POINT_MIN_KW, 0.0, np.minimum(limit_kw, installed_kw))


def main() -> None:
    """Throw, judge, print; ends with an error where anything that violates was permitted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ten thousand random set-points and a hundred adversarial")
    parser.add_argument("--random", type=int, default=10_000_000)
    parser.add_argument("--adversarial", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    wanted = {"random": 10_000, "adversarial": 100} if asked.quick else {"random": asked.random, "adversarial": asked.adversarial}
    gate, dice = Gate(), np.random.default_rng(asked.seed)
    many = len(gate.told)
    failures = 0
    for kind, total in wanted.items():
        thrown, let_through, broken, waiting = 0, 0, 0, list[tuple[BoolArray, FloatArray, FloatArray]]()
        while thrown < total:
            limit = _possible(
                dice.uniform(0.0, gate.prepared.installed_kw) * float(dice.choice(SHARES)), gate.prepared.installed_kw
            )
            street = None
            if kind == "adversarial":
                limit, street = edge(gate, limit), int(dice.choice(gate.prepared.grid.groups.point_node))
            good = gate.permitted(limit)
            thrown += many
            let_through += int(good.sum())
            if bool(good.any()):
                most = np.where(good, limit, gate.told)
                waiting.append((good & (limit > gate.told), *gate.truth(most, dice, street)))
            if len(waiting) >= ROUND or (thrown >= total and waiting):
                broken += gate.broken(waiting)
                waiting.clear()
        failures += broken
        print(f"{kind}: {thrown} set-points thrown, {let_through} permitted, {broken} sets that violate permitted", flush=True)
    if failures:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
