# SPDX-License-Identifier: Apache-2.0
"""How many of the vehicles over stop lines are at the first stop line of their trip, from counts and the streets alone.

A trip goes over several stop lines and is counted at each of them. Of what passes an approach, some came from other stop
lines upstream: the flow over these, times the share of it that the streets lead here. What is more than that began its trip
in between, or came in from outside. No vehicle is followed; only sums are compared.

Where flow forks it is taken to split evenly, also over the movements of one lane. Who ends a trip between two stop lines is
taken to go on, so that trips are rather counted too few than too many.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from lamplighter.services.traffic.layout import FOOT, STOP_LINE, Layout
from lamplighter.terms.city import Streets
from lamplighter.terms.columns import FloatArray, IntArray

STREETS_MAX = 12  # so many streets beyond a stop line are looked at for the next one


class Passages(NamedTuple):
    """How stop lines feed one another, over loops (n,): the approach of each loop, and which share of a loop's flow reaches
    which approach, as triples from_loop, to_approach, share (k,)."""

    approach: IntArray
    approaches: int
    from_loop: IntArray
    to_approach: IntArray
    share: FloatArray


def passages(layout: Layout, streets: Streets) -> Passages:
    """Return how the stop lines of a city feed one another. Loops are those at stop lines, in the order of the detectors."""
    d, moves = layout.detectors, layout.movements
    loops = np.flatnonzero(d.boxed & (d.role == STOP_LINE))
    names, approach = np.unique(d.street[loops], return_inverse=True)
    number = {str(name): place for place, name in enumerate(names)}
    onward = _onward(streets)
    motor = np.flatnonzero(moves.kind != FOOT)
    of_lane: dict[tuple[str, int], list[str]] = {}
    for row in motor:
        of_lane.setdefault((str(moves.from_edge[row]), int(moves.from_lane[row])), []).append(str(moves.to_edge[row]))
    reach: dict[str, dict[int, float]] = {}
    triples: list[tuple[int, int, float]] = []
    for place, row in enumerate(loops):
        exits = of_lane.get((str(d.street[row]), int(d.lane[row])), [])
        for exit_street in exits:
            if exit_street not in reach:
                reach[exit_street] = _reached(exit_street, number, onward)
            triples += [(place, to, share / len(exits)) for to, share in reach[exit_street].items()]
    table = np.array(triples, np.float64).reshape(-1, 3)
    return Passages(
        approach.astype(np.int64), len(names), table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2].copy()
    )


def _onward(streets: Streets) -> Mapping[str, tuple[str, ...]]:
    """Return the motor streets that follow each street, turning back left out."""
    motor = np.flatnonzero(streets.kind == "motor")
    leaving: dict[str, list[int]] = {}
    for row in motor:
        leaving.setdefault(str(streets.from_node[row]), []).append(int(row))
    return {
        str(streets.id[row]): tuple(
            str(streets.id[to])
            for to in leaving.get(str(streets.to_node[row]), ())
            if streets.to_node[to] != streets.from_node[row]
        )
        for row in motor
    }


def _reached(begin: str, number: Mapping[str, int], onward: Mapping[str, tuple[str, ...]]) -> dict[int, float]:
    """Return the shares of the flow on a street that reach each approach before any other."""
    found: dict[int, float] = {}
    ahead = {begin: 1.0}
    for _ in range(STREETS_MAX):
        beyond: dict[str, float] = {}
        for street, share in ahead.items():
            if street in number:
                found[number[street]] = found.get(number[street], 0.0) + share
                continue
            after = onward.get(street, ())
            for one in after:
                beyond[one] = beyond.get(one, 0.0) + share / len(after)
        ahead = beyond
    return found


def first_share(found: Passages, passed: FloatArray) -> FloatArray:
    """Return the share (n,) of each loop's flow that is at its first stop line. passed (n,): vehicles over each loop, over
    a time that is long against a cycle."""
    total = np.bincount(found.approach, weights=passed, minlength=found.approaches)
    fed = np.bincount(found.to_approach, weights=passed[found.from_loop] * found.share, minlength=found.approaches)
    share = np.where(total > 0, np.clip(1.0 - fed / np.maximum(total, 1e-9), 0.0, 1.0), 1.0)
    return share[found.approach]
