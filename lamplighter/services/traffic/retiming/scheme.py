# SPDX-License-Identifier: Apache-2.0
"""What may run at an intersection: its stages, the changes between them, and what every programme must keep.

Signals are written second by second in SUMO's letters, one letter per link: G green, g green giving way, s a green
arrow after a stop, y yellow, u red and amber, r red. A programme is an order of stages with whole seconds of steady
green; the change that follows each stage has its own length.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lamplighter.terms.columns import BoolArray, FloatArray

LIT = "Gg"
STAGE_MIN_S = 5.0  # or what the own programme gives, if that is less


@dataclass(frozen=True)
class Programme:
    """Stages in order with their steady green, and the start of the first one after the clock's zero."""

    order: tuple[int, ...]
    green_s: tuple[float, ...]
    offset_s: float


@dataclass(frozen=True)
class Keeping:
    """What no programme may cut, per link (n,) and per ordered pair of links that meet (n, n).

    green_min_s: shortest green; red_max_s: longest red; intergreen_s: end of green to start of the other's green;
    conflict: the paths meet; shared: they may be green together all the same, one of them giving way.
    """

    green_min_s: FloatArray
    red_max_s: FloatArray
    intergreen_s: FloatArray
    conflict: BoolArray
    shared: BoolArray


@dataclass(frozen=True)
class Junction:
    """One intersection. changes[a, b]: the seconds between the steady stages a and b; kinds: who obeys each link.

    signal_groups: links that always show the same, with a name for the sheet.
    """

    id: str
    name: str
    states: tuple[str, ...]
    changes: Mapping[tuple[int, int], tuple[str, ...]]
    keeping: Keeping
    kinds: tuple[str, ...]
    signal_groups: tuple[tuple[str, tuple[int, ...]], ...]
    own: Programme

    @property
    def links(self) -> int:
        """Return the number of letters of a state."""
        return len(self.states[0])


def pairs(order: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the changes of a cycle."""
    return list(zip(order, order[1:] + order[:1], strict=True))


def seconds(junction: Junction, programme: Programme) -> list[str]:
    """Return the state in each second of the cycle, from the first second of the first steady stage."""
    shown: list[str] = []
    for (stage, after), green_s in zip(pairs(programme.order), programme.green_s, strict=True):
        shown += [junction.states[stage]] * round(green_s)
        if len(programme.order) > 1:
            shown += junction.changes[stage, after]
    return shown


def changes_s(junction: Junction, order: tuple[int, ...]) -> FloatArray:
    """Return the length (p,) of the change after each stage."""
    if len(order) == 1:
        return np.zeros(1)
    return np.asarray([len(junction.changes[pair]) for pair in pairs(order)], np.float64)


def cycle_s(junction: Junction, programme: Programme) -> float:
    """Return the length of the cycle."""
    return float(sum(programme.green_s) + changes_s(junction, programme.order).sum())


def reachable(junction: Junction, order: tuple[int, ...]) -> bool:
    """Say whether every change of this order is known at the intersection."""
    return len(order) == 1 or all(pair in junction.changes for pair in pairs(order))


def least_greens_s(junction: Junction, order: tuple[int, ...]) -> FloatArray:
    """Return the least steady green (p,) of each stage so that no link's green falls short of its minimum.

    A link that is green over several stages counts them and the changes between together; what lacks is added to
    the first of them.
    """
    lengths_s, count = changes_s(junction, order), len(order)
    lit = np.asarray([[letter in LIT for letter in junction.states[s]] for s in order], np.bool_)
    own_s = dict(zip(junction.own.order, junction.own.green_s, strict=True))
    least_s = np.ones(count)
    for position in range(count):
        own = min(STAGE_MIN_S, own_s.get(order[position], STAGE_MIN_S))
        begins = lit[position] & ~lit[position - 1] if count > 1 else lit[position]
        ends = ~lit[(position + 1) % count]
        alone = begins & ends if count > 1 else begins
        least_s[position] = max(own, junction.keeping.green_min_s[alone].max(initial=0.0))
    for link in np.flatnonzero(lit.any(axis=0)):
        need_s = junction.keeping.green_min_s[link]
        for start in range(count):
            if count == 1 or not lit[start, link] or lit[start - 1, link]:
                continue
            run = [start]
            while len(run) < count and lit[(run[-1] + 1) % count, link]:
                run.append((run[-1] + 1) % count)
            have_s = sum(float(least_s[k]) for k in run) + sum(float(lengths_s[k]) for k in run[:-1])
            if have_s < need_s:
                least_s[start] += need_s - have_s
    return np.ceil(least_s)
