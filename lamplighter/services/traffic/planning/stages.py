# SPDX-License-Identifier: Apache-2.0
"""Signal groups and stages: which signals may be green together.

Stages start from the green intervals of the programme that the network brought. Two groups whose paths meet may
share a stage only where one of them turns and gives way, where that programme already let it (a green without
priority), and where German road law knows it (StVO section 9: turning traffic gives way to oncoming traffic and to
people crossing the street it enters). Everything else is taken apart, and then each stage is filled up with every
group that meets none of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamplighter.services.traffic.planning.network import FOOT, Connection, RoadNetwork, Signal
from lamplighter.services.traffic.terms import STAGES_MAX
from lamplighter.terms.columns import BoolArray

OPPOSING_MIN_DEG = 120.0


@dataclass(frozen=True)
class Group:
    """Signals that always show the same. members: positions in the signal's connections; links: in the programme."""

    kind: str
    members: tuple[int, ...]
    links: tuple[int, ...]


@dataclass(frozen=True)
class Stage:
    """Groups that are green together; `permissive` are those of them that give way."""

    groups: tuple[int, ...]
    permissive: tuple[int, ...]


@dataclass(frozen=True)
class StagePlan:
    """Groups and stages of one signal. conflict (g, g): paths meet; shared (g, g): they may be green together all the same."""

    groups: tuple[Group, ...]
    stages: tuple[Stage, ...]
    conflict: BoolArray
    shared: BoolArray
    origin: tuple[int, ...]  # per stage: the interval of the network's programme it comes from, or the number of intervals
    mended: tuple[str, ...]


@dataclass(frozen=True)
class _Links:
    """Link-level facts (l links): who meets whom, who may give way to whom, and atoms (links that never differ)."""

    conflict: BoolArray
    giving: BoolArray
    atoms: tuple[tuple[int, ...], ...]
    kind: tuple[str, ...]
    keys: tuple[tuple[str, ...], ...]


def green_intervals(signal: Signal) -> tuple[tuple[int, str], ...]:
    """Return (position, state) of the intervals that show green and nothing that ends, without those that another covers."""
    rank = {"G": 2, "g": 1}
    greens = [(n, s) for n, (_, s) in enumerate(signal.intervals) if set(s) & {"G", "g"} and not set(s) & {"y", "Y", "u"}]

    def covered(one: str, other: str) -> bool:
        return all(rank.get(a, 0) <= rank.get(b, 0) for a, b in zip(one, other, strict=True))

    kept: list[tuple[int, str]] = []
    for n, state in greens:
        if any(covered(state, other) and (state != other or m < n) for m, other in greens if m != n):
            continue
        kept.append((n, state))
    return tuple(kept)


def plan_stages(network: RoadNetwork, signal: Signal) -> StagePlan:
    """Derive groups and stages of one signal. Every link is in exactly one group and every group in some stage."""
    greens = green_intervals(signal)
    links = _link_facts(network, signal, [state for _, state in greens])
    mended: list[str] = []
    base = [_cleaned(state, links, [s for _, s in greens], mended) for _, state in greens]
    origin = [n for n, _ in greens]
    kept = [k for k, one in enumerate(base) if one and not any(_within(k, j, base, links) for j in range(len(base)) if j != k)]
    base, origin = [base[k] for k in kept], [origin[k] for k in kept]
    _serve_all(base, origin, links, len(signal.intervals), mended)
    for stage in base:
        _fill(stage, links)
    unique = [k for k, one in enumerate(base) if one not in base[:k]][:STAGES_MAX]
    base, origin = [base[k] for k in unique], [origin[k] for k in unique]
    return _grouped(base, origin, links, mended)


def _link_facts(network: RoadNetwork, signal: Signal, states: Sequence[str]) -> _Links:
    count = max([c.link for c in signal.connections] + [max((len(s) for s in states), default=1) - 1]) + 1
    members: list[list[int]] = [[] for _ in range(count)]
    for position, connection in enumerate(signal.connections):
        members[connection.link].append(position)
    conflict, giving = np.zeros((count, count), dtype=np.bool_), np.ones((count, count), dtype=np.bool_)
    for i, one in enumerate(signal.connections):
        for j in np.flatnonzero(signal.foes[i]):
            other = signal.connections[int(j)]
            if one.link != other.link:
                conflict[one.link, other.link] = True
                giving[one.link, other.link] &= _may_give_way(network, one, other)
    keys = [_key(signal, m) for m in members]
    patterns: dict[tuple[tuple[str, ...], str], list[int]] = {}
    for link in range(count):
        if members[link]:
            shown = "".join(s[link] if s[link] in "Gg" else "r" for s in states)
            patterns.setdefault((keys[link], shown), []).append(link)
    atoms = tuple(tuple(value) for value in patterns.values())
    return _Links(conflict, giving, atoms, tuple(key[0] if key else "" for key in keys), tuple(keys))


def _key(signal: Signal, members: list[int]) -> tuple[str, ...]:
    mine = [signal.connections[m] for m in members]
    return (mine[0].kind, *sorted({c.from_edge for c in mine})) if mine else ()


def _may_give_way(network: RoadNetwork, one: Connection, other: Connection) -> bool:
    """Say whether the law lets `one` drive while `other` has green, giving way to it."""
    if one.kind == FOOT or one.turn == "straight":
        return False
    if other.kind == FOOT:
        crosses = network.edges[other.to_edge].crosses
        return one.from_edge not in crosses and (not crosses or one.to_edge in crosses)
    if one.from_edge == other.from_edge:
        return True
    return _angle_deg(network, one, other) >= OPPOSING_MIN_DEG


def _angle_deg(network: RoadNetwork, one: Connection, other: Connection) -> float:
    """Return the angle between the directions in which two vehicles reach their stop lines."""
    ahead: list[float] = []
    for connection in (one, other):
        shape = network.edges[connection.from_edge].lanes[connection.from_lane].shape_m
        d_x_m, d_y_m = shape[-1] - shape[-2] if len(shape) > 1 else np.ones(2)
        ahead.append(float(np.degrees(np.arctan2(d_y_m, d_x_m))))
    return abs((ahead[0] - ahead[1] + 180.0) % 360.0 - 180.0)


def _cleaned(state: str, links: _Links, states: Sequence[str], mended: list[str]) -> set[int]:
    """Return the atoms of a green interval from which unlawful pairs are taken apart."""
    stage = {a for a, atom in enumerate(links.atoms) if state[atom[0]] in "Gg"}
    elsewhere = {a: sum(s[atom[0]] in "Gg" for s in states) > 1 for a, atom in enumerate(links.atoms)}
    for a in sorted(stage):
        for b in sorted(stage):
            if a >= b or a not in stage or b not in stage or _may_share(a, b, state, links):
                continue
            out = max((a, b), key=lambda x: (elsewhere[x], links.kind[links.atoms[x][0]] == FOOT, -len(links.atoms[x]), x))
            stage.discard(out)
            kinds = sorted(links.kind[links.atoms[x][0]] for x in (a, b))
            mended.append(f"{kinds[0]} and {kinds[1]} signals were green at once on paths that meet")
    return stage


def _may_share(a: int, b: int, state: str, links: _Links) -> bool:
    """Say whether two atoms may be green together in this interval: every meeting pair of links has one that gives way."""
    for i in links.atoms[a]:
        for j in links.atoms[b]:
            if links.conflict[i, j] and not (
                (state[i] == "g" and links.giving[i, j]) or (state[j] == "g" and links.giving[j, i])
            ):
                return False
    return True


def _meets(links: _Links, a: int, b: int) -> bool:
    return bool(links.conflict[np.ix_(links.atoms[a], links.atoms[b])].any())


def _serve_all(base: list[set[int]], origin: list[int], links: _Links, beyond: int, mended: list[str]) -> None:
    """Give every atom that no stage serves a place: in a stage where it meets nobody, else in a new stage."""
    served = {atom for stage in base for atom in stage}
    for atom in range(len(links.atoms)):
        if atom in served:
            continue
        free = [s for s in base if not any(_meets(links, atom, other) for other in s)]
        if free:
            min(free, key=len).add(atom)
        else:
            base.append({atom})
            origin.append(beyond)
        kind = links.kind[links.atoms[atom][0]]
        mended.append(f"a {kind} signal now has its green in {'a stage that it does not meet' if free else 'a stage of its own'}")


def _within(k: int, j: int, base: list[set[int]], links: _Links) -> bool:
    """Say whether stage j serves everything that stage k serves, giving way no more than there (of equals the first stays)."""
    if not base[k] <= base[j] or (base[k] == base[j] and k < j):
        return False
    return _yielding(base[j], links) & base[k] <= _yielding(base[k], links)


def _yielding(stage: set[int], links: _Links) -> set[int]:
    return {a for a in stage for b in stage if a != b and _gives_way(links, a, b)}


def _fill(stage: set[int], links: _Links) -> None:
    for atom in range(len(links.atoms)):
        if atom not in stage and not any(_meets(links, atom, other) for other in stage):
            stage.add(atom)


def _grouped(base: list[set[int]], origin: list[int], links: _Links, mended: list[str]) -> StagePlan:
    """Join atoms of one approach that show the same in every stage, and mark who gives way where."""
    count = len(links.atoms)
    yielding = [_yielding(stage, links) for stage in base]
    shown = [
        "".join("g" if a in y else "G" if a in s else "r" for s, y in zip(base, yielding, strict=True)) for a in range(count)
    ]
    joined: dict[tuple[tuple[str, ...], str], list[int]] = {}
    for a in range(count):
        joined.setdefault((links.keys[links.atoms[a][0]], shown[a]), []).extend(links.atoms[a])
    order = sorted(joined.items(), key=lambda item: min(item[1]))
    groups = tuple(Group(key[0][0], (), tuple(sorted(value))) for key, value in order)
    stages = tuple(
        Stage(
            tuple(g for g, (key, _) in enumerate(order) if key[1][s] in "Gg"),
            tuple(g for g, (key, _) in enumerate(order) if key[1][s] == "g"),
        )
        for s in range(len(base))
    )
    size = len(groups)
    conflict = np.zeros((size, size), dtype=np.bool_)
    for g, one in enumerate(groups):
        for h, other in enumerate(groups):
            conflict[g, h] = g != h and bool(links.conflict[np.ix_(one.links, other.links)].any())
    together = np.zeros((size, size), dtype=np.bool_)
    for stage in stages:
        together[np.ix_(stage.groups, stage.groups)] = True
    return StagePlan(groups, stages, conflict, conflict & together, tuple(origin), tuple(mended))


def _gives_way(links: _Links, a: int, b: int) -> bool:
    """Say whether atom a gives way to atom b in a stage that both share (whoever may, does; a person on foot never)."""
    pairs = [(i, j) for i in links.atoms[a] for j in links.atoms[b] if links.conflict[i, j]]
    return any(links.giving[i, j] for i, j in pairs)
