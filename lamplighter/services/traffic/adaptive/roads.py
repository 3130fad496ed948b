# SPDX-License-Identifier: Apache-2.0
"""A city's traffic tables as the planner's network: lanes and movements, what each stage serves, and which street feeds which.

What a city does not know is left out rather than guessed: a street feeds the lanes of the next signal that it leads to
within 250 m; where it leads further, arrivals are seen only once they reach a detector. Each signal_group has one row of
persons besides: who calls to cross, who is announced, and, where no detector sees anybody, somebody who may be there.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.adaptive.courses import Rows, courses
from lamplighter.services.traffic.adaptive.survey import Lanes, Survey, lane_keys
from lamplighter.services.traffic.adaptive.ways import Ways
from lamplighter.services.traffic.horizon.people import NO_BOUND_S, WALKERS_S
from lamplighter.services.traffic.horizon.scheme import CELL_M, CELLS, GIVES_WAY, GREEN, RED, Network
from lamplighter.services.traffic.layout import CYCLE, FOOT, RAIL, Layout
from lamplighter.services.traffic.terms import Settings
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

FAR_M = 200.0
OWN_RED_RATIO = 0.95  # the longest red is to be shorter than under the own programme by so much
RED_ASKED_S = 90.0  # but need not be shorter than this
# The planner keeps ten seconds between a bound and its plans; here three are enough: what follows a choice is checked again.
MARGIN_S = 7.0


class Moves(NamedTuple):
    """Movements, (v,), sorted by lane: flat signal_group, turn, and exit row. A lane of which the tables name no movement has
    one for each of its groups, into a street of its own."""

    offsets: IntArray  # (l+1,)
    lane: IntArray
    group: IntArray
    turn: IntArray
    exit: IntArray


class Exits(NamedTuple):
    """Streets entered, (e,), one row per box and street: box, name of the street ("" where it is not known)."""

    box: IntArray
    street: tuple[str, ...]


class Programme(NamedTuple):
    """The own programmes: stage and split_s, ragged by box."""

    offsets: IntArray
    stage: IntArray
    split_s: FloatArray


def _offsets(owner: IntArray, owners: int) -> IntArray:
    return np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=owners)))).astype(np.int64)


def _moves(layout: Layout, lanes: Lanes) -> tuple[Moves, Exits]:
    m = layout.movements
    number = {key: lane for lane, key in enumerate(lane_keys(layout, lanes.row))}
    exits: dict[tuple[int, str], int] = {}
    found: list[tuple[int, int, int, int]] = []
    driven = np.flatnonzero(m.kind != FOOT)
    keys = zip(m.box[driven].tolist(), m.from_edge[driven].tolist(), m.from_lane[driven].tolist(), strict=True)
    for row, key in zip(driven.tolist(), keys, strict=True):
        lane = number.get(key)
        if lane is not None:
            leaves = exits.setdefault((key[0], str(m.to_edge[row])), len(exits))
            found.append((lane, int(m.group[row]), int(m.turn[row]), leaves))
    with_moves = {lane for lane, _, _, _ in found}
    for lane in range(len(lanes.row)):
        if lane not in with_moves:
            for group in lanes.group[lanes.group_offsets[lane] : lanes.group_offsets[lane + 1]].tolist():
                found.append((lane, group, 0, exits.setdefault((int(lanes.box[lane]), f"#{lane}.{group}"), len(exits))))
    found.sort()
    lane, group, turn, leaves = np.array(found, np.int64).reshape(-1, 4).T.copy()
    moves = Moves(_offsets(lane, len(lanes.row)), lane, group, np.minimum(turn, 3), leaves)
    return moves, Exits(np.array([box for box, _ in exits], np.int64), tuple(street for _, street in exits))


class Feeds(NamedTuple):
    """Which lanes (rows, ragged by exit) each exit leads to, and the time from its stop line to where these are seen first."""

    offsets: IntArray
    lane: IntArray
    travel_s: FloatArray


def _feeds(layout: Layout, lanes: Lanes, exits: Exits, ways: Ways, reach_m: FloatArray) -> Feeds:
    heads: dict[str, list[int]] = {}
    for lane, street in enumerate(layout.detectors.street[lanes.row].tolist()):
        heads.setdefault(street, []).append(lane)
    leads = ways.leading_to(heads)
    at, flat = [0], list[int]()
    travel_s = np.zeros(len(exits.street))
    for row, (box, street) in enumerate(zip(exits.box.tolist(), exits.street, strict=True)):
        led = [(0.0, street)] if street in heads else leads.get(street, [])
        for between_m, head in sorted(led)[:1]:
            mine = [lane for lane in heads[head] if lanes.box[lane] != box]
            flat += mine
            if mine:
                whole_m = float(lanes.length_m[mine].max()) + (between_m + ways.length_m(street, 0.0) if head != street else 0.0)
                travel_s[row] = max(whole_m - float(reach_m[mine].max()), 0.0) / ways.speed_m_s(street)
        at.append(len(flat))
    return Feeds(np.array(at, np.int64), np.array(flat, np.int64), travel_s)


@njit(cache=True)
def _own_reds(programme: Programme, group_offsets: IntArray, stage_offsets: IntArray, green: BoolArray, change_s: FloatArray,
              longest_s: FloatArray) -> None:  # fmt: skip
    """Fill, per box, the longest red that its own programme gives to a group that it serves at all."""
    at, stage, split_s = programme.offsets, programme.stage, programme.split_s
    for box in range(len(longest_s)):
        rows, base = at[box + 1] - at[box], stage_offsets[box]
        for n in range(group_offsets[box + 1] - group_offsets[box]):
            red_s, seen = 0.0, False
            for turn in range(2 * rows):  # twice around, so that a red over the end of the cycle is met whole
                row, following = at[box] + turn % rows, at[box] + (turn + 1) % rows
                if green[base + stage[row], n]:
                    seen = True
                    red_s = change_s[base + stage[row], stage[following]]
                elif seen:
                    red_s += split_s[row]
                    longest_s[box] = max(longest_s[box], red_s)


def red_bounds_s(layout: Layout, change_s: FloatArray) -> FloatArray:
    """Return the bound on each group's red (g,): its own, or what the own programme keeps where that is shorter."""
    boxes, longest_s = layout.boxes, np.zeros(len(layout.boxes.tls))
    programme = Programme(boxes.programme_offsets, boxes.programme_stage, boxes.programme_split_s)
    _own_reds(programme, layout.groups.offsets, layout.stages.offsets, layout.stages.green, change_s, longest_s)
    own_s = np.maximum(OWN_RED_RATIO * longest_s, RED_ASKED_S)[layout.groups.box]
    return np.minimum(layout.groups.red_max_s, own_s)


def _own_share(layout: Layout, change_s: FloatArray) -> FloatArray:
    """Return for which share of its own programme's cycle each stage row is green."""
    boxes = layout.boxes
    share = np.zeros(len(layout.stages.box))
    for box in range(len(boxes.tls)):
        rows = range(int(boxes.programme_offsets[box]), int(boxes.programme_offsets[box + 1]))
        base = int(layout.stages.offsets[box])
        for place, row in enumerate(rows):
            stage, following = int(boxes.programme_stage[row]), int(boxes.programme_stage[rows[(place + 1) % len(rows)]])
            green_s = float(boxes.programme_split_s[row]) - float(change_s[base + stage, following])
            share[base + stage] += max(green_s, 0.0) / max(float(boxes.cycle_s[box]), 1.0)
    return share


def _serve(layout: Layout, moves: Moves, lanes: Lanes) -> tuple[IntArray, IntArray]:
    """Return what each stage row shows to each movement of its box (s, m), and the first movement of each box (b+1,)."""
    stages, boxes = layout.stages, len(layout.boxes.tls)
    move_first = _offsets(lanes.box[moves.lane], boxes)
    many = np.diff(move_first)
    serve = np.full((len(stages.box), max(int(many.max(initial=0)), 1)), RED, np.int64)
    row = np.repeat(np.arange(len(stages.box)), many[stages.box])
    inside = np.arange(len(row)) - np.repeat(np.concatenate(([0], np.cumsum(many[stages.box])))[:-1], many[stages.box])
    group = moves.group[move_first[:-1][stages.box[row]] + inside] - layout.groups.offsets[:-1][stages.box[row]]
    shown = np.where(stages.gives_way[row, group], GIVES_WAY, GREEN)
    serve[row, inside] = np.where(stages.green[row, group], shown, RED)
    return serve, move_first


def _persons(layout: Layout, lanes: Lanes, persons_per_car: float) -> FloatArray:
    """Return persons per vehicle of each lane: that of a car, or one where only bicycles go, or trams, which are announced."""
    lane = np.repeat(np.arange(len(lanes.row)), np.diff(lanes.group_offsets))
    kind = layout.groups.kind[lanes.group]
    cars = np.bincount(lane[(kind != CYCLE) & (kind != RAIL)], minlength=len(lanes.row)) > 0
    return np.where(cars, persons_per_car, 1.0)


def _least_s(layout: Layout) -> FloatArray:
    """Return how long each stage must run: the longest minimum green of its groups."""
    stages, at = layout.stages, layout.groups.offsets
    row, number = np.nonzero(stages.green)
    least_s = np.zeros(len(stages.box))
    np.maximum.at(least_s, row, layout.groups.green_min_s[at[:-1][stages.box[row]] + number])
    return least_s


def network(layout: Layout, seen: Survey, ways: Ways, settings: Settings) -> tuple[Network, Exits, Moves]:
    """Return the planner's network of a city, the streets entered, and the movements."""
    lanes, groups = seen.lanes, layout.groups
    last = np.zeros(len(lanes.row))
    lane_of_piece = np.repeat(np.arange(len(lanes.row)), np.diff(lanes.piece_offsets))
    np.maximum.at(last, lane_of_piece, seen.pieces.end_m)
    reach_m = np.clip(last, CELL_M / 2, FAR_M)
    moves, exits = _moves(layout, lanes)
    feeds = _feeds(layout, lanes, exits, ways, reach_m)
    serve, move_first = _serve(layout, moves, lanes)
    many = np.diff(feeds.offsets)
    bound_s = red_bounds_s(layout, seen.change_s)
    asks = (groups.kind == FOOT) | seen.unwatched
    keeps_s, begins_s = courses(layout, Rows(lanes.offsets, moves.offsets, moves.group), seen.change_s)
    made = Network(
        stage_offsets=layout.stages.offsets,
        lane_offsets=lanes.offsets,
        lane_length_m=np.maximum(lanes.length_m, reach_m),
        lane_speed_m_s=lanes.speed_m_s,
        reach_m=reach_m,
        enters=np.zeros(len(lanes.row), np.bool_),
        cell_s=np.arange(CELLS + 1) * CELL_M / lanes.speed_m_s[:, None],
        move_offsets=moves.offsets,
        move_turn=moves.turn,
        move_exit=moves.exit,
        move_first=move_first,
        serve=serve,
        yield_offsets=np.zeros(len(moves.lane) + 1, np.int64),
        yield_to=np.zeros(0, np.int64),
        exit_length_m=np.array([ways.length_m(street, FAR_M) for street in exits.street], np.float64),
        exit_lane_offsets=feeds.offsets,
        exit_lane=feeds.lane,
        exit_share=np.repeat(1.0 / np.maximum(many, 1), many),
        exit_travel_s=feeds.travel_s,
        change_s=seen.change_s,
        green_min_s=_least_s(layout),
        red_max_s=bound_s[moves.group] + MARGIN_S,
        foot_offsets=groups.offsets,
        foot_serve=layout.stages.green,
        foot_walk_s=np.where(groups.kind == FOOT, groups.green_min_s, 0.0),
        foot_red_max_s=np.where(asks, bound_s + MARGIN_S, NO_BOUND_S),
        foot_flow_s=np.where(groups.kind == FOOT, WALKERS_S, 0.0),
        lane_persons=_persons(layout, lanes, settings.persons_per_car),
        foot_persons=np.ones(len(groups.box)),
        own_share=_own_share(layout, seen.change_s),
        keeps_s=keeps_s,
        begins_s=begins_s,
    )
    return made, exits, moves
