# SPDX-License-Identifier: Apache-2.0
"""Where loops, lane areas, call buttons and counters lie.

Each lane before a signal has a loop at its stop line, a `near` area over the last 60 m and a `far` area to 200 m; where
the street is shorter, `far` areas continue on the lanes that lead into it as long as these lead nowhere else but
through unsignalled junctions. Each lane behind a signal has an `exit` area over its first 60 m: when that is full, no
green helps. Each signalled crossing has a call button. Streets at signals and main streets have a counter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lamplighter.services.traffic.planning.network import FOOT, Connection, Edge, RoadNetwork
from lamplighter.services.traffic.planning.plan import Plan
from lamplighter.services.traffic.terms import CALL_BUTTON, COUNTER, LANE_AREA, LOOP

NEAR_M, FAR_M, EXIT_M = 60.0, 200.0, 60.0
LOOP_M, LOOP_BEFORE_M = 2.0, 3.0
AREA_MIN_M = 1.0
SHORTEST_M = 8.0  # a shorter stretch holds no whole vehicle
COUNTER_MIN_M = 40.0
COUNTED = ("motorway", "trunk", "primary", "secondary", "tertiary")


@dataclass(frozen=True)
class Detector:
    """One detector: see the table `detectors`. intersection is the position of the plan, None where it serves none."""

    kind: str
    role: str
    intersection: int | None
    groups: tuple[int, ...]
    street: str
    lane: int
    position_m: float
    length_m: float
    beside: tuple[str, ...] = ()


def detectors(network: RoadNetwork, plans: Sequence[Plan]) -> tuple[Detector, ...]:
    """Return every detector of the network, intersection by intersection, then the counters."""
    into: dict[tuple[str, int], list[Connection]] = {}
    for c in network.connections:
        into.setdefault((c.to_edge, c.to_lane), []).append(c)
    beside: dict[str, list[str]] = {}
    for area, other in network.walkways:
        beside.setdefault(other, []).append(area)
    found: list[Detector] = []
    for number, plan in enumerate(plans):
        found += _before(network, plan, number, into)
        found += _behind(network, plan, number)
        found += _calls(plan, number, beside)
    return (*found, *_counters(network, plans))


def _groups_by_lane(plan: Plan, leaving: bool) -> dict[tuple[str, int], tuple[int, ...]]:
    """Return the groups of each lane (edge, number) that a vehicle leaves, or enters, through this signal."""
    lanes: dict[tuple[str, int], set[int]] = {}
    for group, members in enumerate(plan.members):
        for c in (plan.signal.connections[m] for m in members):
            if c.kind != FOOT:
                lanes.setdefault((c.from_edge, c.from_lane) if leaving else (c.to_edge, c.to_lane), set()).add(group)
    return {lane: tuple(sorted(groups)) for lane, groups in sorted(lanes.items())}


def _before(
    network: RoadNetwork, plan: Plan, number: int, into: Mapping[tuple[str, int], Sequence[Connection]]
) -> list[Detector]:
    served = _groups_by_lane(plan, leaving=True)
    found: list[Detector] = []
    far: dict[tuple[str, int], tuple[float, set[int]]] = {}
    for (edge, lane), groups in served.items():
        length_m = network.edges[edge].lanes[lane].length_m
        loop_m = max(0.0, length_m - LOOP_BEFORE_M - LOOP_M)
        found.append(Detector(LOOP, "stop_line", number, groups, edge, lane, loop_m, min(LOOP_M, length_m)))
        near_m = min(NEAR_M, length_m)
        if near_m >= AREA_MIN_M:
            found.append(Detector(LANE_AREA, "near", number, groups, edge, lane, length_m - near_m, near_m))
        if length_m - near_m >= SHORTEST_M:
            reach_m = min(FAR_M, length_m)
            found.append(Detector(LANE_AREA, "far", number, groups, edge, lane, length_m - reach_m, reach_m - near_m))
        _upstream((edge, lane), FAR_M - length_m, groups, into, (network, far, served))
    for (edge, lane), (reach_m, upstream_groups) in sorted(far.items()):
        length_m = network.edges[edge].lanes[lane].length_m
        found.append(Detector(LANE_AREA, "far", number, tuple(sorted(upstream_groups)), edge, lane, length_m - reach_m, reach_m))
    return found


def _upstream(
    lane: tuple[str, int],
    left_m: float,
    groups: tuple[int, ...],
    into: Mapping[tuple[str, int], Sequence[Connection]],
    held: tuple[RoadNetwork, dict[tuple[str, int], tuple[float, set[int]]], Mapping[tuple[str, int], tuple[int, ...]]],
) -> None:
    """Follow a lane upstream and note in held[1] how far each lane there counts, and for which groups."""
    network, far, served = held
    seen = {lane}
    while left_m >= SHORTEST_M:
        before = {(c.from_edge, c.from_lane) for c in into.get(lane, ()) if c.turn != "u_turn" and not c.tls and c.kind != FOOT}
        signalled = any(c.tls for c in into.get(lane, ()))
        if signalled or len({edge for edge, _ in before}) != 1 or before & (seen | set(served)):
            return
        lane = min(before)
        seen.add(lane)
        length_m = network.edges[lane[0]].lanes[lane[1]].length_m
        reach_m = min(left_m, length_m)
        if reach_m >= SHORTEST_M:
            known_m, known_groups = far.get(lane, (0.0, set[int]()))
            far[lane] = (max(known_m, reach_m), known_groups | set(groups))
        left_m -= length_m


def _behind(network: RoadNetwork, plan: Plan, number: int) -> list[Detector]:
    found: list[Detector] = []
    for (edge, lane), groups in _groups_by_lane(plan, leaving=False).items():
        length_m = min(EXIT_M, network.edges[edge].lanes[lane].length_m)
        if length_m >= SHORTEST_M:
            found.append(Detector(LANE_AREA, "exit", number, groups, edge, lane, 0.0, length_m))
    return found


def _calls(plan: Plan, number: int, beside: Mapping[str, Sequence[str]]) -> list[Detector]:
    found: list[Detector] = []
    for group, members in enumerate(plan.members):
        for crossing in sorted({plan.signal.connections[m].to_edge for m in members if plan.signal.connections[m].kind == FOOT}):
            ends = tuple(dict.fromkeys(beside.get(crossing, ())))
            found.append(Detector(CALL_BUTTON, "call", number, (group,), crossing, 0, 0.0, 0.0, ends))
    return found


def _counters(network: RoadNetwork, plans: Sequence[Plan]) -> list[Detector]:
    at_signals = {e for plan in plans for c in plan.signal.connections if c.kind != FOOT for e in (c.from_edge, c.to_edge)}
    return [
        Detector(COUNTER, "count", None, (), edge.id, 0, _length_m(edge) / 2, 0.0)
        for edge in network.edges.values()
        if edge.function == "normal" and _is_counted(edge, edge.id in at_signals)
    ]


def _length_m(edge: Edge) -> float:
    return min(lane.length_m for lane in edge.lanes)


def _is_counted(edge: Edge, at_signals: bool) -> bool:
    driven = any("passenger" in lane.classes for lane in edge.lanes)
    road = edge.highway.removeprefix("highway.").split("|")[0].removesuffix("_link")
    return driven and _length_m(edge) >= (SHORTEST_M if at_signals else COUNTER_MIN_M) and (at_signals or road in COUNTED)
