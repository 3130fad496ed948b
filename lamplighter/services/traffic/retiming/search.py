# SPDX-License-Identifier: Apache-2.0
"""The search for programmes: stage order and splits at each intersection, then cycle and offsets over the group.

Every intersection is first set on its own for a row of cycles, as if vehicles came evenly; the cycles with the least
sum of delay are then tried with offsets from several starts, and the best is polished: offsets, splits and order move
one intersection at a time as long as the network's cost falls. An intersection may run twice in the group's cycle.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations

import numpy as np

from lamplighter.services.traffic.planning import webster
from lamplighter.services.traffic.retiming.bench import Bench
from lamplighter.services.traffic.retiming.checks import faults
from lamplighter.services.traffic.retiming.scheme import (
    LIT,
    Junction,
    Programme,
    changes_s,
    cycle_s,
    least_greens_s,
    pairs,
    reachable,
)
from lamplighter.terms.columns import FloatArray

CYCLE_LEAST_S = 50.0
PERMISSIVE_SHARE = 0.35
ORDERS_MAX, ORDERS_TRIED = 240, 8
CYCLES_TRIED, CYCLES_KEPT = 7, 2
STEPS_S = (8.0, 3.0, 1.0)
ROUNDS_MAX = 8
GAIN_MIN = 1e-4


@dataclass(frozen=True)
class Effort:
    """How far to search: the longest cycle, how many evaluations the polish may take, and who hears how far it is."""

    cycle_max_s: float
    evaluations_max: int
    progress: Callable[[float], None]


def orders(junction: Junction) -> list[tuple[int, ...]]:
    """Return the orders of stages to try: the own one, and others that keep every green and every green with priority.

    Stages whose greens others give too may be left out.
    """
    own, count = junction.own.order, len(junction.states)
    if count <= 2 or len(set(own)) < len(own):
        return [own]
    need = _given(junction, own)
    found = {_turned(own): own}
    for size in range(2, count + 1):
        for chosen in combinations(sorted(own), size):
            if not need <= _given(junction, chosen) or len(found) > ORDERS_MAX:
                continue
            if any(need <= _given(junction, tuple(s for s in chosen if s != left)) for left in chosen) and size > 4:
                continue
            for rest in permutations(chosen[1:]):
                order = (chosen[0], *rest)
                if reachable(junction, order) and _joined(junction, order) and len(found) <= ORDERS_MAX:
                    found.setdefault(_turned(order), order)
    return list(found.values())


def _joined(junction: Junction, order: tuple[int, ...]) -> bool:
    """Say whether stages that the own programme joins by a green that goes on still follow one another.

    A turn that gives way clears in the green with priority that follows; taken apart, it is caught in the middle.
    """
    after = dict(pairs(order))
    for a, b in pairs(junction.own.order):
        lasts = any(x in LIT and y in LIT for x, y in zip(junction.states[a], junction.states[b], strict=True))
        if lasts and a in after and b in after and after[a] != b:
            return False
    return True


def _given(junction: Junction, order: Sequence[int]) -> set[tuple[int, str]]:
    """Return (link, letter) of every green given; a green with priority counts as one that gives way too."""
    given: set[tuple[int, str]] = set()
    for stage in order:
        for link, letter in enumerate(junction.states[stage]):
            if letter in LIT:
                given |= {(link, letter), (link, "g")}
    return given


def _turned(order: tuple[int, ...]) -> tuple[int, ...]:
    first = order.index(min(order))
    return order[first:] + order[:first]


def ratios(bench: Bench, box: int, order: tuple[int, ...]) -> FloatArray:
    """Return the flow ratio (p,) that each stage of the order needs so that together they serve every lane."""
    junction, part = bench.junctions[box], bench.roads
    lanes = np.flatnonzero(part.lane_box == box)
    street = np.bincount(part.lane_edge, part.outside_veh_s, minlength=len(part.storage_veh))
    for e in range(len(part.storage_veh)):
        feeds = range(int(part.feed_first[e]), int(part.feed_first[e + 1]))
        street[e] += sum(_flow_veh_s(bench, int(part.feed_move[k])) * part.feed_share[k] for k in feeds)
    wanted = np.zeros(junction.links)
    for lane in lanes:
        moves = range(int(part.lane_first[lane]), int(part.lane_first[lane + 1]))
        flow = street[part.lane_edge[lane]] * part.lane_share[lane]
        need = sum(
            flow * part.move_share[v] / part.move_veh_s[v] / _free_share(junction, order, int(part.move_link[v])) for v in moves
        )
        for v in moves:
            if part.move_share[v] > 0.02:
                wanted[part.move_link[v]] = max(wanted[part.move_link[v]], need)
    served = np.asarray([[junction.states[s][n] in LIT for s in order] for n in range(junction.links)], np.bool_)
    wanted = np.where(served.any(axis=1), np.minimum(wanted, 0.9), 0.0)
    return webster.stage_ratios(served, wanted)


def _flow_veh_s(bench: Bench, move: int) -> float:
    return float(bench.flow_veh_s[move])


def _free_share(junction: Junction, order: tuple[int, ...], link: int) -> float:
    return 1.0 if any(junction.states[s][link] == "G" for s in order) else PERMISSIVE_SHARE


def start(junction: Junction, order: tuple[int, ...], ratio: FloatArray, wanted_s: float) -> Programme | None:
    """Return the order with Webster's splits in a cycle of `wanted_s`; None where its minima need more."""
    least_s = least_greens_s(junction, order)
    free_s = wanted_s - float(changes_s(junction, order).sum())
    if least_s.sum() > free_s + 1e-9:
        return None
    return Programme(order, tuple(webster.greens_s(ratio, least_s, free_s).tolist()), 0.0)


def shifted(junction: Junction, programme: Programme, step_s: float) -> Iterator[Programme]:
    """Yield the programmes in which one stage gives `step_s` of green to another."""
    least_s = least_greens_s(junction, programme.order)
    for giver in range(len(programme.order)):
        spare_s = float(min(step_s, programme.green_s[giver] - least_s[giver]))
        for taker in range(len(programme.order)):
            if taker != giver and spare_s >= 1.0:
                green_s = [float(g) for g in programme.green_s]
                green_s[giver] -= spare_s
                green_s[taker] += spare_s
                yield replace(programme, green_s=tuple(green_s))


@dataclass(frozen=True)
class Choice:
    """An order of stages that may run at a box, and the flow ratio that each of its stages needs."""

    order: tuple[int, ...]
    ratio: FloatArray


def choices(bench: Bench, effort: Effort) -> list[Choice]:
    """Return the orders worth trying on a bench of one box: the sets of stages for which Webster's cycle is shortest."""
    junction = bench.junctions[0]
    found: dict[frozenset[int], tuple[float, dict[int, float]]] = {}
    ranked: list[tuple[float, Choice]] = []
    for order in orders(junction):
        key = frozenset(order)
        if key not in found:
            ratio = ratios(bench, 0, order)
            found[key] = (float(ratio.sum()), dict(zip(order, ratio.tolist(), strict=True)))
        total, of = found[key]
        lost_s = float(changes_s(junction, order).sum())
        short = (1.5 * lost_s + 5.0) / max(0.05, 1.0 - total)
        ranked.append((short, Choice(order, np.asarray([of[s] for s in order]))))
    ranked.sort(key=lambda pair: pair[0])
    kept: list[Choice] = []
    for _, choice in ranked:
        made = start(junction, choice.order, choice.ratio, effort.cycle_max_s)
        own = choice.order == junction.own.order
        if made is not None and (own or len(kept) < ORDERS_TRIED) and not faults(junction, made, effort.cycle_max_s):
            kept.append(choice)
    return kept


def alone(bench: Bench, kept: Sequence[Choice], wanted_s: float) -> tuple[float, Programme] | None:
    """Return cost and programme of a bench of one box in a cycle of `wanted_s`, searched over orders and splits."""
    begun: list[tuple[float, Programme]] = []
    for choice in kept:
        made = start(bench.junctions[0], choice.order, choice.ratio, wanted_s)
        if made is not None:
            begun.append((bench.cost([made]), made))
    begun.sort(key=lambda pair: pair[0])
    best: tuple[float, Programme] | None = None
    for cost, programme in begun[:2]:
        for step_s in STEPS_S:
            cost, programme = _climb(bench, cost, programme, step_s)
        if best is None or cost < best[0]:
            best = (cost, programme)
    return best


def _climb(bench: Bench, cost: float, programme: Programme, step_s: float) -> tuple[float, Programme]:
    for _ in range(ROUNDS_MAX):
        tried = [(bench.cost([p]), p) for p in shifted(bench.junctions[0], programme, step_s)]
        least = min(tried, key=lambda pair: pair[0], default=(cost, programme))
        if least[0] >= cost * (1.0 - GAIN_MIN):
            return cost, programme
        cost, programme = least
    return cost, programme


def cycles(junctions: Sequence[Junction], cycle_max_s: float) -> list[float]:
    """Return the even cycles to try: from what the widest intersection needs to the longest allowed."""
    least_s = max(min(_shortest_s(j, order) for order in orders(j)) for j in junctions)
    low = min(max(CYCLE_LEAST_S, 2.0 * np.ceil(least_s / 2.0)), cycle_max_s)
    row = np.geomspace(low, cycle_max_s, CYCLES_TRIED)
    return sorted({float(2 * round(c / 2)) for c in row if 2 * round(c / 2) <= cycle_max_s})


def _shortest_s(junction: Junction, order: tuple[int, ...]) -> float:
    return float(least_greens_s(junction, order).sum() + changes_s(junction, order).sum())


@dataclass(frozen=True)
class Found:
    """Programmes of a group of boxes and what they cost in the network model."""

    cycle_s: float
    programmes: tuple[Programme, ...]
    cost_veh: float


def coordinate(bench: Bench, singles: Sequence[Bench], effort: Effort) -> Found | None:
    """Return the best programmes found for a group in one cycle; None where no cycle fits all of them."""
    table: dict[float, list[tuple[float, Programme]]] = {}
    tried = cycles(bench.junctions, effort.cycle_max_s)
    kept = [choices(single, effort) for single in singles]
    for done, wanted_s in enumerate(tried):
        row: list[tuple[float, Programme]] = []
        for single, some in zip(singles, kept, strict=True):
            both = [alone(single, some, wanted_s)]
            if len(singles) > 1 and wanted_s >= 2 * CYCLE_LEAST_S:
                both.append(alone(single, some, wanted_s / 2))
            possible = [one for one in both if one is not None]
            if possible:
                row.append(min(possible, key=lambda pair: pair[0]))
        if len(row) == len(singles):
            table[wanted_s] = row
        effort.progress(0.4 * (done + 1) / len(tried))
    if not table:
        return None
    ranked = sorted(table, key=lambda c: sum(cost for cost, _ in table[c]))[:CYCLES_KEPT]
    found: list[Found] = []
    for done, wanted_s in enumerate(ranked):
        begun = [p for _, p in table[wanted_s]]
        for offsets_s in _starts(bench, begun, wanted_s):
            placed = [replace(p, offset_s=float(o)) for p, o in zip(begun, offsets_s, strict=True)]
            cost, placed = _offsets(bench, bench.cost(placed), placed, (wanted_s / 4, wanted_s / 10))
            found.append(Found(wanted_s, tuple(placed), cost))
            if len(bench.junctions) == 1:
                break
        effort.progress(0.4 + 0.3 * (done + 1) / len(ranked))
    best = min(found, key=lambda f: f.cost_veh)
    return _polish(bench, best, effort)


def _starts(bench: Bench, programmes: Sequence[Programme], wanted_s: float) -> list[list[float]]:
    """Return offsets to begin from: all at once, the own ones, and one after the other along the strongest platoons."""
    own = [j.own.offset_s % wanted_s for j in bench.junctions]
    wave = [0.0] * len(programmes)
    part, reached = bench.roads, {0}
    lane_box = {int(e): int(b) for e, b in zip(part.lane_edge, part.lane_box, strict=True)}
    moves_box = np.repeat(part.lane_box, np.diff(part.lane_first))
    edge_of = np.repeat(np.arange(len(part.storage_veh)), np.diff(part.feed_first))
    flows = [(_flow_veh_s(bench, int(v)) * s, k) for k, (v, s) in enumerate(zip(part.feed_move, part.feed_share, strict=True))]
    while len(reached) < len(programmes):
        open_ways = [
            (f, k) for f, k in flows if (int(moves_box[part.feed_move[k]]) in reached) != (lane_box[int(edge_of[k])] in reached)
        ]
        if not open_ways:
            reached.add(min(set(range(len(programmes))) - reached))
            continue
        _, k = max(open_ways)
        a, b = int(moves_box[part.feed_move[k]]), lane_box[int(edge_of[k])]
        travel_s = float(part.feed_delay_s[k]) / 0.8
        if a in reached:
            wave[b] = (wave[a] + travel_s) % wanted_s
        else:
            wave[a] = (wave[b] - travel_s) % wanted_s
        reached |= {a, b}
    return [[0.0] * len(programmes), own, wave]


def _offsets(bench: Bench, cost: float, programmes: list[Programme], steps_s: tuple[float, ...]) -> tuple[float, list[Programme]]:
    """Move one offset at a time by each step, both ways, as long as the cost falls."""
    if len(programmes) == 1:
        return cost, programmes
    for step_s in steps_s:
        for _ in range(3):
            before = cost
            for n, junction in enumerate(bench.junctions):
                length_s = cycle_s(junction, programmes[n])
                for sign in (1.0, -1.0):
                    for _ in range(4):
                        moved = [*programmes]
                        moved[n] = replace(
                            programmes[n], offset_s=float(round(programmes[n].offset_s + sign * step_s) % length_s)
                        )
                        tried = bench.cost(moved)
                        if tried >= cost * (1.0 - GAIN_MIN / 10):
                            break
                        cost, programmes = tried, moved
            if cost > before * (1.0 - 10 * GAIN_MIN):
                break
    return cost, programmes


def _polish(bench: Bench, found: Found, effort: Effort) -> Found:
    cost = found.cost_veh
    programmes: list[Programme] = list(found.programmes)
    limit = bench.asked + effort.evaluations_max
    for round_number in range(ROUNDS_MAX):
        before = cost
        for n, junction in enumerate(bench.junctions):
            for candidate in _neighbours(junction, programmes[n], round_number):
                tried = [*programmes]
                tried[n] = candidate
                value = bench.cost(tried)
                if value < cost * (1.0 - GAIN_MIN / 10) and not faults(junction, candidate, effort.cycle_max_s):
                    cost, programmes = value, tried
            if bench.asked > limit:
                break
        cost, programmes = _offsets(bench, cost, programmes, (4.0, 1.0))
        effort.progress(min(1.0, 0.7 + 0.3 * (round_number + 1) / ROUNDS_MAX))
        if bench.asked > limit or cost > before * (1.0 - 10 * GAIN_MIN):
            break
    effort.progress(1.0)
    return Found(found.cycle_s, tuple(programmes), cost)


def _neighbours(junction: Junction, programme: Programme, round_number: int) -> Iterator[Programme]:
    """Yield programmes near this one: splits shifted, and in the first round other orders with the same greens."""
    for step_s in STEPS_S[min(round_number, 1) :]:
        yield from shifted(junction, programme, step_s)
    if round_number == 0:
        green = dict(zip(programme.order, programme.green_s, strict=True))
        length_s = cycle_s(junction, programme)
        same = [o for o in orders(junction) if set(o) == set(programme.order) and _turned(o) != _turned(programme.order)]
        for order in same[:ORDERS_TRIED]:
            greens = np.asarray([green[s] for s in order])
            made = start(junction, order, greens, length_s)
            if made is not None:
                yield replace(made, offset_s=programme.offset_s)
