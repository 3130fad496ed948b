# SPDX-License-Identifier: Apache-2.0
"""All flows of a district, thinned to what its signals can pass, and what then reaches every connection."""

from collections.abc import Mapping, Sequence

import numpy as np

from lamplighter.services.traffic.demand import flows as made
from lamplighter.services.traffic.demand.flows import Flow
from lamplighter.services.traffic.planning import plan as planning
from lamplighter.services.traffic.planning import webster
from lamplighter.services.traffic.planning.network import RoadNetwork, Signal
from lamplighter.services.traffic.planning.plan import Plan
from lamplighter.services.traffic.terms import Settings
from lamplighter.terms.columns import FloatArray

# A lane that passes no signals is kept below this: priority rules pass less than signals where ways cross.
UNSIGNALLED_LANE_PCU_H = {"primary": 650.0, "secondary": 550.0, "tertiary": 300.0}
MINOR_LANE_PCU_H = 150.0

SMALL_RATIO = 0.08  # a group with a smaller flow ratio is not what fills an intersection
PARTS = 6  # a flow over parallel lanes is spread in so many portions


def make_flows(network: RoadNetwork, plans: Sequence[Plan], amounts: Settings, seed: int) -> tuple[Flow, ...]:
    """Return every flow of a working day. Deterministic for a network, its plans, the amounts and the seed."""
    rng = np.random.default_rng([seed, 20])
    cars = made.motor_flows(network, amounts, rng)
    others = (
        *made.bicycle_flows(network, amounts, rng),
        *made.line_flows(network, amounts),
        *made.person_flows(network, amounts, rng),
    )
    heavy = made.with_trucks(cars)
    ways = onward(network)
    fit = made.fitted((*heavy, *others), lambda flows: fullness(network, ways, plans, flows))
    return tuple(flow for flow in fit if flow.trips_per_day > 0.05)


def onward(network: RoadNetwork) -> dict[tuple[str, int], frozenset[str]]:
    """Return the edges that each lane (edge, number) leads to."""
    found: dict[tuple[str, int], set[str]] = {}
    for c in network.connections:
        found.setdefault((c.from_edge, c.from_lane), set()).add(c.to_edge)
    return {lane: frozenset(edges) for lane, edges in found.items()}


def connection_pcu_h(
    signal: Signal, turns: Mapping[tuple[str, str, str], float], ways: Mapping[tuple[str, int], frozenset[str]]
) -> FloatArray:
    """Return the passenger car units per hour (c,) of each connection.

    Drivers use the lanes from which their next turn is possible too, and spread so that these fill evenly.
    """
    flow_pcu_h = np.zeros(len(signal.connections))
    lane_pcu_h: dict[tuple[str, int], float] = {}
    by_pair: dict[tuple[str, str], list[int]] = {}
    for n, c in enumerate(signal.connections):
        by_pair.setdefault((c.from_edge, c.to_edge), []).append(n)
    open_to: list[tuple[int, tuple[str, str, str], list[int]]] = []
    for turn in sorted(t for t in turns if (t[0], t[1]) in by_pair):
        members = by_pair[(turn[0], turn[1])]
        going = [n for n in members if turn[2] in ways.get((turn[1], signal.connections[n].to_lane), frozenset())]
        open_to.append((len(going or members), turn, going or members))
    for count, turn, members in sorted(open_to):
        parts = 1 if count == 1 else PARTS
        lanes = [(signal.connections[n].from_edge, signal.connections[n].from_lane) for n in members]
        for part in range(parts):
            filled = [(lane_pcu_h.get(lane, 0.0), (k + part) % count, k) for k, lane in enumerate(lanes)]
            pick = min(filled)[2]
            flow_pcu_h[members[pick]] += turns[turn] / parts
            lane_pcu_h[lanes[pick]] = lane_pcu_h.get(lanes[pick], 0.0) + turns[turn] / parts
    return flow_pcu_h


def saturation(plan: Plan, flow_pcu_h: FloatArray) -> float:
    """Return how full an intersection is under its longest cycle: the sum of critical flow ratios over the green there is."""
    served = np.zeros((len(plan.members), len(plan.order)), dtype=np.bool_)
    for position, stage in enumerate(plan.order):
        served[list(plan.stage_plan.stages[stage].groups), position] = True
    ratio = webster.stage_ratios(served, planning.lane_ratios(plan, flow_pcu_h))
    changes_s = sum(plan.change(a, b).length_s for a, b in zip(plan.order, plan.order[1:] + plan.order[:1], strict=True))
    green_share = max(0.1, 1.0 - changes_s / planning.CYCLE_MAX_S)
    return float(ratio.sum()) / green_share


def fullness(
    network: RoadNetwork, ways: Mapping[tuple[str, int], frozenset[str]], plans: Sequence[Plan], flows: Sequence[Flow]
) -> dict[tuple[str, str], float]:
    """Return for each pair of edges how full its intersection is, 1 where FULL_SHARE is reached."""
    turns = made.turns_pcu_h(flows)
    pairs: dict[tuple[str, str], float] = {}
    for (before, after, _), pcu_h in turns.items():
        pairs[(before, after)] = pairs.get((before, after), 0.0) + pcu_h
    full: dict[tuple[str, str], float] = {}
    for plan in plans:
        flow_pcu_h = connection_pcu_h(plan.signal, turns, ways)
        share, ratio = saturation(plan, flow_pcu_h) / made.FULL_SHARE, planning.lane_ratios(plan, flow_pcu_h)
        for group, members in enumerate(plan.members):
            for c in (plan.signal.connections[m] for m in members):
                pair = (c.from_edge, c.to_edge)
                full[pair] = max(full.get(pair, 0.0), min(share, 1.0) if ratio[group] < SMALL_RATIO else share)
    for pair, pcu_h in pairs.items():
        if pair not in full:
            lanes = sum("passenger" in lane.classes for lane in network.edges[pair[0]].lanes)
            passed_pcu_h = UNSIGNALLED_LANE_PCU_H.get(made.road_class(network.edges[pair[0]]), MINOR_LANE_PCU_H)
            full[pair] = pcu_h / (max(1, lanes) * passed_pcu_h)
    return full
