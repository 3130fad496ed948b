# SPDX-License-Identifier: Apache-2.0
"""Intersections as they are installed: read off a city's tables, or off the programmes that a scenario runs."""

from itertools import groupby

import numpy as np

from lamplighter.services.traffic.layout import FOOT as FOOT_KIND
from lamplighter.services.traffic.layout import GROUP_KINDS, Layout
from lamplighter.services.traffic.planning.change import change
from lamplighter.services.traffic.planning.network import CYCLE, FOOT, RoadNetwork, Signal
from lamplighter.services.traffic.planning.stages import Stage
from lamplighter.services.traffic.retiming.scheme import LIT, Junction, Keeping, Programme
from lamplighter.terms.columns import BoolArray, FloatArray

STEADY_MIN_S = 5  # shorter intervals belong to the change between two stages
GREEN_MIN_S = 5.0  # RiLSA 2015, 2.7
RED_MAX_S = 120.0
STAGES_MAX = 12


def from_signal(signal: Signal, name: str) -> Junction:
    """Return an intersection as its own SUMO programme runs it.

    Stages are its steady green intervals of 5 s or more; the changes between neighbours stay exactly as they are. A
    change that the programme does not have is made of the same parts: its yellow, and its clearance after it.
    Minimum greens are 5 s (on foot and where the programme had less: its own), intergreens of every pair what the programme
    had, and at most its longest change.
    """
    states = [state for duration_s, state in signal.intervals for _ in range(round(duration_s))]
    size = max(len(state) for state in states)
    states = [state.ljust(size, "r") for state in states]
    kinds = _kinds(signal, size)
    begin, steady, after = _split(states)
    lengths = [length for _, length in steady]
    unique = list(dict.fromkeys(state for state, _ in steady))
    order = tuple(unique.index(state) for state, _ in steady)
    joined = Programme(order, tuple(float(n) for n in lengths), float((signal.offset_s + begin) % len(states)))
    changes: dict[tuple[int, int], tuple[str, ...]] = {}
    for k, pair in enumerate(zip(order, order[1:] + order[:1], strict=True)):
        changes.setdefault(pair, after[k])
    if len(changes) == len(order) or len(order) == 1:
        _derive(unique, changes)
    keeping = _keeping(signal, states, kinds, max(len(part) for part in after))
    return Junction(signal.id, name, tuple(unique), changes, keeping, kinds, _shown_alike(signal, states, kinds), joined)


def _kinds(signal: Signal, size: int) -> tuple[str, ...]:
    kinds = ["motor"] * size
    for c in signal.connections:
        kinds[c.link] = c.kind
    return tuple(kinds)


def _split(states: list[str]) -> tuple[int, list[tuple[str, int]], list[tuple[str, ...]]]:
    """Return where the first steady stage begins, the steady stages with their lengths, and the change after each."""
    turn = next((t for t in range(len(states)) if states[t] != states[t - 1]), 0)
    rolled = states[turn:] + states[:turn]
    runs = [(state, len(list(run))) for state, run in groupby(rolled)]
    good = [length >= STEADY_MIN_S and set(state) & set(LIT) and not set(state) & set("yYu") for state, length in runs]
    if not any(good):
        good = [bool(set(state) & set(LIT)) for state, _ in runs]
    first = good.index(True)
    begin = turn + sum(length for _, length in runs[:first])
    runs, good = runs[first:] + runs[:first], good[first:] + good[:first]
    steady: list[tuple[str, int]] = []
    after: list[list[str]] = []
    for (state, length), is_steady in zip(runs, good, strict=True):
        if is_steady:
            steady.append((state, length))
            after.append([])
        else:
            after[-1] += [state] * length
    return begin, steady, [tuple(part) for part in after]


def _derive(states: list[str], changes: dict[tuple[int, int], tuple[str, ...]]) -> None:
    """Add the changes that the own programme does not have, from the yellow and the clearance of those it has."""
    yellow_s = max((sum(any(c in "yY" for c in s) for s in part) for part in changes.values()), default=3)
    clear_s = max((len(part) for part in changes.values()), default=yellow_s) - yellow_s
    for a, old in enumerate(states):
        for b, new in enumerate(states):
            if a == b or (a, b) in changes:
                continue
            ends = any(x in LIT and y not in LIT for x, y in zip(old, new, strict=True))
            yellow = "".join(_between(x, y, "y") for x, y in zip(old, new, strict=True))
            clear = "".join(_between(x, y, "r") for x, y in zip(old, new, strict=True))
            changes[a, b] = (yellow,) * (yellow_s if ends else 1) + ((clear,) * clear_s if ends else ())


def _between(old: str, new: str, ending: str) -> str:
    if old in LIT:
        return ("g" if "g" in (old, new) else "G") if new in LIT else ending
    return "s" if old == "s" and new == "s" else "r"


def _keeping(signal: Signal, states: list[str], kinds: tuple[str, ...], clear_s: int) -> Keeping:
    size, total = len(states[0]), len(states)
    lit = np.asarray([[letter in LIT for letter in state] for state in states], np.bool_)
    conflict, shared = np.zeros((size, size), np.bool_), np.zeros((size, size), np.bool_)
    for i, one in enumerate(signal.connections):
        for j in np.flatnonzero(signal.foes[i]):
            if one.link != signal.connections[int(j)].link:
                conflict[one.link, signal.connections[int(j)].link] = True
    need_s = np.zeros((size, size))
    for i, j in zip(*np.nonzero(conflict), strict=True):
        shared[i, j] = bool((lit[:, i] & lit[:, j]).any())
        ends = [t for t in range(total) if lit[t - 1, i] and not lit[t, i]]
        begins = [t for t in range(total) if lit[t, j] and not lit[t - 1, j]]
        gaps = [(start - end) % total for end in ends for start in begins if not lit[end - 1, j]]
        need_s[i, j] = min([*gaps, clear_s])  # a longer one has another stage in it
    soft = np.asarray([kind in (FOOT, CYCLE) for kind in kinds])
    own_s = np.asarray([_shortest(lit[:, n]) for n in range(size)])
    green_min_s = np.where(soft, own_s, np.minimum(own_s, GREEN_MIN_S))
    red_s = np.asarray([_longest(~lit[:, n]) for n in range(size)])
    never_green = ~lit.any(axis=0)
    red_max_s = np.where(never_green, np.inf, np.maximum(RED_MAX_S, red_s))
    return Keeping(green_min_s, red_max_s, need_s, conflict, shared)


def _lengths(row: BoolArray) -> list[int]:
    if row.all() or not row.any():
        return []
    turned = np.roll(row, -int(np.flatnonzero(~row)[0]))
    return [len(list(run)) for on, run in groupby(turned.tolist()) if on]


def _shortest(row: BoolArray) -> float:
    return float(min(_lengths(row), default=0))


def _longest(row: BoolArray) -> float:
    return float(max(_lengths(row), default=0))


def _shown_alike(signal: Signal, states: list[str], kinds: tuple[str, ...]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return the links of one street that show the same in every second, named by street, turns and kind."""
    found: dict[tuple[str, str], list[int]] = {}
    turns: dict[tuple[str, str], list[str]] = {}
    for c in sorted(signal.connections, key=lambda c: c.link):
        key = (c.from_edge, "".join("G" if s[c.link] in LIT else s[c.link] for s in states))
        if c.link not in found.setdefault(key, []):
            found[key].append(c.link)
        turns.setdefault(key, []).append(c.turn)
    named: list[tuple[str, tuple[int, ...]]] = []
    for key, links in found.items():
        ways = "+".join(dict.fromkeys(turns[key]))
        named.append((f"{key[0]} {'on foot' if kinds[links[0]] == FOOT else ways}", tuple(links)))
    return tuple(named)


def street_names(network: RoadNetwork, signal: Signal) -> str:
    """Return the names of the streets that meet, or the signal's own name where they have none."""
    names = dict.fromkeys(network.edges[c.from_edge].name for c in signal.connections if c.kind != FOOT)
    said = [name for name in names if name][:3]
    return " / ".join(said) if said else signal.id


def from_layout(layout: Layout, box: int, ident: str) -> Junction:
    """Return an intersection of a city from its tables: stages, intergreens and times as installed.

    Minimum greens hold walk times, intergreens the clearance of people on foot.
    """
    first, last = int(layout.groups.offsets[box]), int(layout.groups.offsets[box + 1])
    size, links = last - first, int(layout.boxes.links[box])
    mine = np.flatnonzero(layout.movements.box == box)
    of = {
        int(link): int(group) - first
        for link, group in zip(layout.movements.link[mine], layout.movements.group[mine], strict=True)
    }
    members = [tuple(n for n in sorted(of) if of[n] == g) for g in range(size)]
    intergreen_s, conflict, shared = np.zeros((size, size)), np.zeros((size, size), np.bool_), np.zeros((size, size), np.bool_)
    for p in range(int(layout.pairs.offsets[box]), int(layout.pairs.offsets[box + 1])):
        f, g = int(layout.pairs.from_group[p]) - first, int(layout.pairs.to_group[p]) - first
        intergreen_s[f, g], conflict[f, g], shared[f, g] = layout.pairs.intergreen_s[p], True, layout.pairs.permissive[p]
    rows = range(int(layout.stages.offsets[box]), int(layout.stages.offsets[box + 1]))
    stages = [
        Stage(
            *(tuple(int(n) for n in np.flatnonzero(mask[row, :size])) for mask in (layout.stages.green, layout.stages.gives_way))
        )
        for row in rows
    ]
    painter = _Painter(layout, (first, last), tuple(members), links)
    changes = {
        (a, b): painter.change(stages[a], stages[b], intergreen_s, conflict)
        for a in range(len(stages)) for b in range(len(stages)) if a != b
    }  # fmt: skip
    states = tuple(painter.paint({g: "g" if g in s.permissive else "G" for g in s.groups}) for s in stages)
    keeping = _of_groups(layout, (first, last), of, (intergreen_s, conflict, shared), links)
    kinds = tuple(GROUP_KINDS[int(layout.groups.kind[first + of[n]])] if n in of else "motor" for n in range(links))
    shown = tuple(
        (f"group {g} ({GROUP_KINDS[int(layout.groups.kind[first + g])]})", members[g]) for g in range(size) if members[g]
    )
    part = slice(int(layout.boxes.programme_offsets[box]), int(layout.boxes.programme_offsets[box + 1]))
    order = tuple(int(n) for n in layout.boxes.programme_stage[part])
    splits_s = layout.boxes.programme_split_s[part]
    after = order[1:] + order[:1]
    greens = tuple(
        float(s) - (len(changes[pair]) if len(order) > 1 else 0)
        for s, pair in zip(splits_s, zip(order, after, strict=True), strict=True)
    )
    own = Programme(order, greens, float(layout.boxes.offset_s[box]))
    return Junction(str(layout.boxes.tls[box]), f"{ident} {layout.boxes.name[box]}", states, changes, keeping, kinds, shown, own)


class _Painter:
    """Writes the signals of one box in SUMO's letters."""

    def __init__(self, layout: Layout, span: tuple[int, int], members: tuple[tuple[int, ...], ...], links: int) -> None:
        first, last = span
        self.members, self.links = members, links
        self.foot = layout.groups.kind[first:last] == FOOT_KIND
        self.show_s: FloatArray = np.stack([layout.groups.yellow_s[first:last], layout.groups.red_amber_s[first:last]], axis=1)

    def paint(self, letters: dict[int, str]) -> str:
        """Return the state of all links; groups without a letter are red."""
        state = ["r"] * self.links
        for group, letter in letters.items():
            for link in self.members[group]:
                state[link] = letter
        return "".join(state)

    def change(self, old: Stage, new: Stage, intergreen_s: FloatArray, conflict: BoolArray) -> tuple[str, ...]:  # fmt: skip
        """Return the seconds between two stages, as the box goes from one to the other."""
        made = change(old, new, intergreen_s, conflict, self.show_s)
        gives = set(old.permissive) | set(new.permissive)
        shown: list[str] = []
        for second in range(round(made.length_s)):
            letters = {g: "g" if g in gives else "G" for g in set(old.groups) & set(new.groups)}
            for group, end_s in zip(map(int, made.ending), map(float, made.green_end_s), strict=True):
                if second < end_s:
                    letters[group] = "g" if group in old.permissive else "G"
                elif second < end_s + self.show_s[group, 0]:
                    letters[group] = "y"
            for group, start_s in zip(map(int, made.starting), map(float, made.green_start_s), strict=True):
                if second >= start_s:
                    letters[group] = "g" if group in new.permissive else "G"
                elif second >= start_s - self.show_s[group, 1] and not self.foot[group]:
                    letters[group] = "u"
            shown.append(self.paint(letters))
        return tuple(shown)


def _of_groups(
    layout: Layout,
    span: tuple[int, int],
    of: dict[int, int],
    meeting: tuple[FloatArray, BoolArray, BoolArray],
    links: int,
) -> Keeping:
    """Return what the groups of a box must keep, link by link."""
    first, last = span
    size = last - first
    number = np.asarray([of.get(n, size) for n in range(links)])
    used = number < size
    wide = [np.zeros((size + 1, size + 1), part.dtype) for part in meeting]
    for into, part in zip(wide, meeting, strict=True):
        into[:size, :size] = part
    pick = np.ix_(number, number)
    green = np.append(layout.groups.green_min_s[first:last], 0.0)[number]
    red = np.append(layout.groups.red_max_s[first:last], np.inf)[number]
    return Keeping(green, np.where(used, red, np.inf), np.asarray(wide[0][pick], np.float64), wide[1][pick].astype(np.bool_),
                   wide[2][pick].astype(np.bool_))  # fmt: skip
