# SPDX-License-Identifier: Apache-2.0
"""Whether a programme keeps what must be kept, read off its states second by second and not off how it was made."""

import numpy as np

from lamplighter.services.traffic.retiming.scheme import LIT, Junction, Programme, seconds
from lamplighter.terms.columns import BoolArray


def faults(junction: Junction, programme: Programme, cycle_max_s: float) -> tuple[str, ...]:
    """Return one sentence for each thing that is wrong, with what is shown and what is needed; empty where all is kept."""
    states = seconds(junction, programme)
    lit = np.asarray([[letter in LIT for letter in state] for state in states], np.bool_)
    name, found = junction.id, list[str]()
    if len(states) > cycle_max_s:
        found.append(f"{name}: the cycle is {len(states)} s, allowed {cycle_max_s:.0f} s.")
    found += _greens(junction, lit)
    found += _clearances(junction, lit)
    found += _yellows(junction, states)
    own = np.asarray([[letter in LIT for letter in state] for state in seconds(junction, junction.own)], np.bool_)
    found += [f"{name}: link {n} never has green." for n in np.flatnonzero(own.any(axis=0) & ~lit.any(axis=0))]
    return tuple(found)


def _runs(row: BoolArray) -> list[tuple[int, int]]:
    """Return (first second, length) of every green of a link round the cycle; one that never ends has none."""
    size = len(row)
    starts = [t for t in range(size) if row[t] and not row[t - 1]]
    return [(t, next(k for k in range(1, size + 1) if not row[(t + k) % size])) for t in starts]


def _greens(junction: Junction, lit: BoolArray) -> list[str]:
    found: list[str] = []
    keeping = junction.keeping
    for link in range(lit.shape[1]):
        for _, length_s in _runs(lit[:, link]):
            if length_s < keeping.green_min_s[link]:
                found.append(f"{junction.id}: link {link} is green for {length_s} s, at least {keeping.green_min_s[link]:.0f} s.")
        for _, length_s in _runs(~lit[:, link]):
            if length_s > keeping.red_max_s[link]:
                found.append(f"{junction.id}: link {link} is red for {length_s} s, at most {keeping.red_max_s[link]:.0f} s.")
    return found


def _clearances(junction: Junction, lit: BoolArray) -> list[str]:
    found: list[str] = []
    keeping, size = junction.keeping, len(lit)
    ends = [[t for t in range(size) if lit[t - 1, n] and not lit[t, n]] for n in range(lit.shape[1])]
    begins = [[t for t in range(size) if lit[t, n] and not lit[t - 1, n]] for n in range(lit.shape[1])]
    meeting: list[list[int]] = np.argwhere(keeping.conflict).tolist()
    for i, j in meeting:
        if not keeping.shared[i, j] and bool((lit[:, i] & lit[:, j]).any()):
            found.append(f"{junction.id}: links {i} and {j} meet and are green together.")
        gaps = [(start - end) % size for end in ends[i] for start in begins[j] if not lit[end - 1, j]]
        if gaps and min(gaps) < keeping.intergreen_s[i, j]:
            need_s = keeping.intergreen_s[i, j]
            found.append(f"{junction.id}: link {j} starts {min(gaps)} s after link {i} ends, at least {need_s:.0f} s.")
    return found


def _yellows(junction: Junction, states: list[str]) -> list[str]:
    """Say where a vehicle's green ends without yellow although the own programme showed one."""
    own = seconds(junction, junction.own)
    shows = [any(state[n] == "y" for state in own) for n in range(junction.links)]
    return [
        f"{junction.id}: link {n} goes from green to red without yellow."
        for n in range(junction.links)
        if shows[n] and any(states[t - 1][n] in LIT and states[t][n] in "rs" for t in range(len(states)))
    ]
