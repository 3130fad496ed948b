# SPDX-License-Identifier: Apache-2.0
"""A SUMO network as the planner's tables: boxes, stages, lanes before stop lines, movements, exits, and what is seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lamplighter.services.traffic.horizon.derive import shortest_round_s
from lamplighter.services.traffic.horizon.scheme import CELL_M, CELLS, Network
from lamplighter.services.traffic.planning import clearance
from lamplighter.services.traffic.planning.network import FOOT, Connection, RoadNetwork, Signal
from lamplighter.services.traffic.trials import stages as staging
from lamplighter.services.traffic.trials.owning import Timetable, timetable
from lamplighter.services.traffic.trials.rules import Rules
from lamplighter.services.traffic.trials.strands import Strand, Ways
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

TURNS = {"straight": 0, "left": 1, "right": 2, "u_turn": 3}
RED_MAX_S, FOOT_RED_MAX_S = 120.0, 90.0
ROUNDS, SPARE_S = 3.0, 10.0  # of the shortest round, where that leaves less to spare than a turn
CYCLES = 4.0 / 3.0  # no bound on red is tighter than so many cycles of the programme that is replaced
FOOT_FLOW_S = 0.02  # persons that come to a crossing each second, before any is counted
SHOWS = {"G": 2, "g": 1}
EDGES_M = tuple(CELL_M * n for n in range(CELLS + 1))


@dataclass(frozen=True)
class Box:
    """One signal that is decided for: its programme, stages and what its links must keep.

    changes[a][b]: states of each second of the change between stages a and b.
    """

    signal: Signal
    stages: staging.Stages
    times: staging.Times
    changes: tuple[tuple[tuple[str, ...], ...], ...]
    own: Timetable


@dataclass(frozen=True)
class Survey:
    """The planner's network and where its rows lie in SUMO's. move_box, move_link (v): box and signal link of a movement."""

    network: Network
    boxes: tuple[Box, ...]
    lanes: tuple[str, ...]
    exits: tuple[str, ...]
    strands: tuple[Strand, ...]
    move_box: IntArray
    move_link: IntArray
    crossings: tuple[str, ...]
    foot_box: IntArray
    foot_link: IntArray


def survey(roads: RoadNetwork, ways: Ways, rules: Rules) -> Survey:
    """Lay out every signal of the network that has something to choose: two stages and a lane for vehicles."""
    boxes = tuple(box for box in (_box(signal, rules) for signal in roads.signals) if box is not None)
    moves: list[Connection] = []
    move_box: list[int] = []
    lane_of: dict[str, int] = {}
    for number, box in enumerate(boxes):
        mine = [c for c in box.signal.connections if c.kind != FOOT]
        taken = set(lane_of)  # a lane obeys one signal
        for connection in sorted(mine, key=lambda c: (c.from_edge, c.from_lane, c.link)):
            if _lane(connection) in taken:
                continue
            lane_of.setdefault(_lane(connection), len(lane_of))
            moves.append(connection)
            move_box.append(number)
    feet = [(number, c) for number, box in enumerate(boxes) for c in _crossings(box.signal)]
    lanes = tuple(lane_of)
    strands = tuple(ways.upstream(lane) for lane in lanes)
    network = kept_bounds(_network(ways, _Rows(boxes, moves, move_box, feet), lane_of, strands, rules))
    return Survey(
        network,
        boxes,
        lanes,
        tuple(_exits(moves)),
        strands,
        np.asarray(move_box, np.int64),
        np.asarray([c.link for c in moves], np.int64),
        tuple(c.to_edge for _, c in feet),
        np.asarray([number for number, _ in feet], np.int64),
        np.asarray([c.link for _, c in feet], np.int64),
    )


def kept_bounds(network: Network) -> Network:
    """Return the network with bounds on red that can be kept: where even the shortest round would leave less than a turn to
    spare, the bound is several such rounds. Chasing one that cannot be kept would leave no time for anything else. Where it is
    people on foot to whom the bound cannot be kept, the box keeps its own programme, which was laid out for them."""
    round_s, boxes = shortest_round_s(network), np.arange(len(network.foot_offsets) - 1)
    move_s = round_s[np.repeat(boxes, np.diff(network.move_first))]
    foot_s = round_s[np.repeat(boxes, np.diff(network.foot_offsets))]
    late = np.bincount(np.repeat(boxes, np.diff(network.foot_offsets)), foot_s + SPARE_S > network.foot_red_max_s, len(boxes)) > 0
    return network._replace(
        keeps_own=late,
        red_max_s=np.where(move_s + SPARE_S > network.red_max_s, ROUNDS * move_s, network.red_max_s),
        foot_red_max_s=np.where(foot_s + SPARE_S > network.foot_red_max_s, ROUNDS * foot_s, network.foot_red_max_s),
    )


def _lane(connection: Connection) -> str:
    return f"{connection.from_edge}_{connection.from_lane}"


def _box(signal: Signal, rules: Rules) -> Box | None:
    found = staging.stages_of(signal, rules)
    if len(found.states) < 2 or all(c.kind == FOOT for c in signal.connections):
        return None
    times = staging.times_of(signal, rules)
    changes = tuple(tuple(staging.change(a, b, times, rules) for b in found.states) for a in found.states)
    return Box(signal, found, times, changes, timetable(signal, found, times, rules))


def _crossings(signal: Signal) -> list[Connection]:
    seen: dict[int, Connection] = {}
    for connection in signal.connections:
        if connection.kind == FOOT:
            seen.setdefault(connection.link, connection)
    return list(seen.values())


def _exits(moves: Sequence[Connection]) -> list[str]:
    return list(dict.fromkeys(f"{c.to_edge}_{c.to_lane}" for c in moves))


class _Rows(NamedTuple):
    """Boxes, movements with their boxes, and crossings with theirs."""

    boxes: Sequence[Box]
    moves: Sequence[Connection]
    move_box: Sequence[int]
    feet: Sequence[tuple[int, Connection]]


def _offsets(owner: Sequence[int], owners: int) -> IntArray:
    return np.concatenate(([0], np.cumsum(np.bincount(np.asarray(owner, np.int64), minlength=owners)))).astype(np.int64)


def _network(ways: Ways, rows: _Rows, lane_of: dict[str, int], strands: Sequence[Strand], rules: Rules) -> Network:
    boxes, moves, move_box, feet = rows
    lanes = list(lane_of)
    lane_box = {_lane(c): b for c, b in zip(moves, move_box, strict=True)}
    exits = _exits(moves)
    exit_row = {name: row for row, name in enumerate(exits)}
    ahead = [ways.downstream(name, lane_of) for name in exits]
    serve, foot_serve = _served(rows)
    yields = _yields(boxes, moves, move_box)
    return Network(
        stage_offsets=_offsets([n for n, box in enumerate(boxes) for _ in box.stages.states], len(boxes)),
        lane_offsets=_offsets([lane_box[lane] for lane in lanes], len(boxes)),
        lane_length_m=np.asarray([ways.length_m[lane] for lane in lanes], np.float64),
        lane_speed_m_s=np.asarray([ways.speed_m_s[lane] for lane in lanes], np.float64),
        reach_m=np.asarray([s.reach_m for s in strands], np.float64),
        enters=np.asarray([s.enters for s in strands], np.bool_),
        cell_s=np.asarray([ways.drive_s(s, EDGES_M) for s in strands], np.float64),
        move_offsets=_offsets([lane_of[_lane(c)] for c in moves], len(lanes)),
        move_turn=np.asarray([TURNS.get(c.turn, 0) for c in moves], np.int64),
        move_exit=np.asarray([exit_row[f"{c.to_edge}_{c.to_lane}"] for c in moves], np.int64),
        move_first=_offsets(move_box, len(boxes)),
        serve=serve,
        yield_offsets=_offsets([v for v, row in enumerate(yields) for _ in row], len(moves)),
        yield_to=np.asarray([w for row in yields for w in row], np.int64),
        exit_length_m=np.asarray([a.length_m for a in ahead], np.float64),
        exit_lane_offsets=_offsets([e for e, a in enumerate(ahead) for _ in a.lanes], len(exits)),
        exit_lane=np.asarray([row for a in ahead for row in a.lanes], np.int64),
        exit_share=np.asarray([1.0 / len(a.lanes) for a in ahead for _ in a.lanes], np.float64),
        exit_travel_s=np.asarray([_travel_s(a.travel_s, a.length_m, a.lanes, strands) for a in ahead], np.float64),
        change_s=_changes_s(boxes),
        green_min_s=_least_s(boxes),
        red_max_s=np.asarray([max(RED_MAX_S, CYCLES * _cycle_s(boxes[n])) for n in move_box], np.float64),
        foot_offsets=_offsets([n for n, _ in feet], len(boxes)),
        foot_serve=foot_serve,
        foot_walk_s=np.asarray([_walk_s(boxes[n], c, rules) for n, c in feet], np.float64),
        foot_red_max_s=np.asarray([max(FOOT_RED_MAX_S, CYCLES * _cycle_s(boxes[n])) for n, _ in feet], np.float64),
        foot_flow_s=np.full(len(feet), FOOT_FLOW_S),
        lane_persons=np.ones(len(lanes)),
        foot_persons=np.ones(len(feet)),
        own_share=np.concatenate([_own_share(box) for box in boxes]) if boxes else np.zeros(0),
    )._replace(**_courses(rows, lane_of, rules))


def _cycle_s(box: Box) -> float:
    return sum(length_s for length_s, _ in box.signal.intervals)


def _own_share(box: Box) -> FloatArray:
    """Return for which share of its own programme's cycle each stage of a box is green."""
    seconds = np.asarray([length_s for length_s, _ in box.signal.intervals], np.float64)
    share = np.zeros(len(box.stages.states))
    for length_s, stage in zip(seconds, box.stages.own_stage, strict=True):
        if stage is not None:
            share[stage] += length_s / seconds.sum()
    return share


def _travel_s(travel_s: float, length_m: float, lanes: Sequence[int], strands: Sequence[Strand]) -> float:
    """Return the time over the part of an exit that is not seen any more from the next stop line."""
    if not lanes or length_m <= 0.0:
        return travel_s
    return travel_s * max(0.0, length_m - max(strands[row].reach_m for row in lanes)) / length_m


def _walk_s(box: Box, connection: Connection, rules: Rules) -> float:
    walk_s = clearance.walk_clearance_s(clearance.length_m(connection.path_m))
    return float(box.times.green_min_s[connection.link]) + (walk_s if rules.full else 0.0)


def _served(rows: _Rows) -> tuple[IntArray, BoolArray]:
    boxes, moves, move_box, feet = rows
    many = max(np.bincount(np.asarray(move_box, np.int64), minlength=len(boxes)).max(initial=0), 1)
    walks = np.bincount(np.asarray([n for n, _ in feet], np.int64), minlength=len(boxes)).max(initial=0)
    total = sum(len(box.stages.states) for box in boxes)
    serve, foot = np.zeros((total, many), np.int64), np.zeros((total, walks), np.bool_)
    row = 0
    for number, box in enumerate(boxes):
        links = [c.link for c, b in zip(moves, move_box, strict=True) if b == number]
        foot_links = [c.link for n, c in feet if n == number]
        for state in box.stages.states:
            serve[row, : len(links)] = [SHOWS.get(state[link], 0) for link in links]
            foot[row, : len(foot_links)] = [state[link] in staging.GOES for link in foot_links]
            row += 1
    return serve, foot


def _yields(boxes: Sequence[Box], moves: Sequence[Connection], move_box: Sequence[int]) -> list[list[int]]:
    row_of = {id(c): v for v, c in enumerate(moves)}
    found: list[list[int]] = []
    for connection, number in zip(moves, move_box, strict=True):
        signal = boxes[number].signal
        mine = next(i for i, c in enumerate(signal.connections) if c is connection)
        others = (signal.connections[int(j)] for j in np.flatnonzero(signal.yields[mine]))
        found.append([row_of[id(other)] for other in others if id(other) in row_of])
    return found


def _changes_s(boxes: Sequence[Box]) -> FloatArray:
    total, most = sum(len(b.stages.states) for b in boxes), max((len(b.stages.states) for b in boxes), default=1)
    change_s = np.zeros((total, most))
    row = 0
    for box in boxes:
        for a in range(len(box.stages.states)):
            change_s[row, : len(box.stages.states)] = [len(box.changes[a][b]) for b in range(len(box.stages.states))]
            row += 1
    return change_s


def _courses(rows: _Rows, lane_of: dict[str, int], rules: Rules) -> dict[str, FloatArray]:
    """Return when lanes and crossings are green within each change; nothing where all that ends is red throughout."""
    if rules.yellow_alone:
        return {}
    boxes, moves, move_box, feet = rows
    links: list[list[set[int]]] = []
    for number in range(len(boxes)):
        mine = {_lane(c): set[int]() for c, b in zip(moves, move_box, strict=True) if b == number}
        for connection, b in zip(moves, move_box, strict=True):
            if b == number:
                mine[_lane(connection)].add(connection.link)
        walks = [{c.link} for n, c in feet if n == number]
        links.append([mine[lane] for lane in sorted(mine, key=lane_of.__getitem__)] + walks)
    total, most = sum(len(b.stages.states) for b in boxes), max((len(b.stages.states) for b in boxes), default=1)
    shape = (total, most, max((len(groups) for groups in links), default=0))
    keeps_s, begins_s = np.zeros(shape), np.zeros(shape)
    row = 0
    for box, groups in zip(boxes, links, strict=True):
        for a, before in enumerate(box.stages.states):
            for b, after in enumerate(box.stages.states):
                for n, group in enumerate(groups):
                    keeps_s[row, b, n] = _lasting(group, before, box.changes[a][b])
                    begins_s[row, b, n] = len(box.changes[a][b]) - _lasting(group, after, box.changes[a][b][::-1])
            row += 1
    return {"keeps_s": keeps_s, "begins_s": begins_s}


def _lasting(group: set[int], state: str, seconds: Sequence[str]) -> int:
    """Return for how many of these seconds all links of a group that are green in a state stay green."""
    green = [link for link in group if state[link] in staging.GOES]
    for n, shown in enumerate(seconds):
        if not green or any(shown[link] not in staging.GOES for link in green):
            return n
    return len(seconds)


def _least_s(boxes: Sequence[Box]) -> FloatArray:
    least = [
        max((float(box.times.green_min_s[n]) for n, shown in enumerate(state) if shown in staging.GOES), default=0.0)
        for box in boxes
        for state in box.stages.states
    ]
    return np.asarray(least, np.float64)
