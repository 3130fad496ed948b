# SPDX-License-Identifier: Apache-2.0
"""How the flows of a city's streets hang together: made once, from the network alone.

Every street has a usual flow, by its road class and lanes. The flow of a moment is a common share of the usual flows, times
one plus a deviation per street. Deviations are not free: at an intersection what comes in goes out, and what goes out divides
among its streets as their usual flows do (both roughly: cars park, and drivers choose). These soft equations, put together as
least squares, give the covariance of the deviations, hence how much the count of one street says of another.
Source: the generalised least squares of Cascetta, Transportation Research B 18 (1984) 289, on street flows instead of an
origin-destination table, so that no trip is ever reconstructed.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_matrix, identity, vstack
from scipy.sparse.linalg import splu

from lamplighter.terms.city import Streets
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

# The share of its largest flow that a street of a class usually carries when the city is busiest.
USUAL_SHARE = {
    "motorway": 0.7, "trunk": 0.65, "primary": 0.6, "secondary": 0.5, "tertiary": 0.3, "unclassified": 0.15,
    "residential": 0.08, "living_street": 0.04, "service": 0.03, "track": 0.02,
}  # fmt: skip
USUAL_ELSE = 0.1
OWN_DEVIATION_RATIO = 1.3  # of one street from its usual share, before anything is counted
CLASS_DEVIATION_RATIO = 0.8  # of all streets of a class together
KEPT_RATIO = 0.15  # cars that begin or end a trip at an intersection's streets, of what passes
TURN_RATIO = 1.2  # how much the division at an intersection differs from the usual
ALL_COLUMNS_MAX = 6000  # beyond it the own variance of streets that nobody counts is taken as large as it can be
JITTER = 1e-6
MANY_COUNTERS = 2048  # solved for at a time


@dataclass(frozen=True)
class Related:
    """usual_veh_h (n,): per street; between_ratio (n, m): covariance of each street's deviation with each counted street's;
    own_ratio (n,): variance of each; kind (n,): road class as a number."""

    usual_veh_h: FloatArray
    between_ratio: FloatArray
    own_ratio: FloatArray
    kind: IntArray


def road_kind(highway: str) -> str:
    """Return the road class without its prefix and without ramps."""
    return highway.split("|")[0].removeprefix("highway.").removesuffix("_link")


def usual_flow_veh_h(streets: Streets, per_lane_veh_h: float) -> FloatArray:
    """Return (n,) the usual flow of the busiest time per street."""
    share = np.array([USUAL_SHARE.get(road_kind(str(h)), USUAL_ELSE) for h in streets.highway])
    return share * per_lane_veh_h * np.maximum(streets.lanes, 1)


def _intersections(streets: Streets, rows: IntArray) -> dict[str, tuple[list[int], list[int]]]:
    """Return per intersection the streets (positions in rows) that come in and go out."""
    at: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    begins, ends = streets.from_node[rows].tolist(), streets.to_node[rows].tolist()
    for number, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        at[str(begin)][1].append(number)
        at[str(end)][0].append(number)
    return at


def _equations(streets: Streets, rows: IntArray, usual: FloatArray) -> csc_matrix:
    """Return the soft equations over deviations, each divided by how far it may be off (standard deviation 1)."""
    begins, ends = streets.from_node[rows], streets.to_node[rows]
    row: list[int] = []
    column: list[int] = []
    value: list[float] = []
    count = 0
    for into, out in _intersections(streets, rows).values():
        if not into or not out:
            continue
        passing = max(float(usual[into].sum()), float(usual[out].sum()))
        for streets_here, sign in ((into, 1.0), (out, -1.0)):
            row += [count] * len(streets_here)
            column += streets_here
            value += (sign * usual[streets_here] / (KEPT_RATIO * passing)).tolist()
        count += 1
        for j in out:
            entry: list[tuple[int, float]] = [(j, float(usual[j]))]
            for i in into:
                if begins[j] == ends[i] and ends[j] == begins[i]:
                    continue
                others = [k for k in out if ends[k] != begins[i]]
                entry.append((i, -float(usual[i]) * float(usual[j]) / max(float(usual[others].sum()), 1e-9)))
            if len(entry) == 1:
                continue
            sure = KEPT_RATIO if len(out) <= 2 and len(into) <= 2 else TURN_RATIO
            row += [count] * len(entry)
            column += [k for k, _ in entry]
            value += [v / (sure * max(float(usual[j]), 1.0)) for _, v in entry]
            count += 1
    where = (np.array(row, dtype=np.int64), np.array(column, dtype=np.int64))
    return csc_matrix((np.array(value), where), shape=(count, len(rows)))


def relate(streets: Streets, counted: IntArray, per_lane_veh_h: float) -> Related:
    """Return how the flows of all streets hang together with those of the counted streets (rows of the table of streets)."""
    usual = usual_flow_veh_h(streets, per_lane_veh_h)
    count = len(streets)
    kinds, kind = np.unique([road_kind(str(h)) for h in streets.highway], return_inverse=True)
    del kinds
    between = np.zeros((count, len(counted)))
    own = np.full(count, OWN_DEVIATION_RATIO**2)
    rows = np.flatnonzero(streets.kind == "motor")
    place = np.full(count, -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    if len(rows) and len(counted):
        equations = _equations(streets, rows, usual[rows])
        free = identity(len(rows), format="csc") / OWN_DEVIATION_RATIO
        system = vstack([free, equations], format="csc")
        solved = splu(csc_matrix(system.transpose() @ system))
        wanted = np.flatnonzero(place[counted] >= 0)
        for begin in range(0, len(wanted), MANY_COUNTERS):
            part = wanted[begin : begin + MANY_COUNTERS]
            right = np.zeros((len(rows), len(part)))
            right[place[counted[part]], np.arange(len(part))] = 1.0
            between[np.ix_(rows, part)] = solved.solve(right)
        if len(rows) <= ALL_COLUMNS_MAX:
            own[rows] = np.diagonal(solved.solve(np.eye(len(rows))))
    between += CLASS_DEVIATION_RATIO**2 * (kind[:, None] == kind[counted][None, :])
    return Related(usual, between, own + CLASS_DEVIATION_RATIO**2, np.asarray(kind, dtype=np.int64))


def left_ratio(use: BoolArray, own: FloatArray, towards: FloatArray, among: FloatArray) -> FloatArray:
    """Return (d,) the standard deviation of a deviation that is left when counters say what they can without any draw.

    use (d, k): which of the nearest counters there are; own (d,), towards (d, k), among (d, k, k): covariances.
    """
    directions, near = use.shape
    both = use[:, :, None] & use[:, None, :]
    system = np.zeros((directions, near + 1, near + 1))
    system[:, :near, :near] = np.where(both, among, 0.0) + np.where(use, JITTER, 1.0)[:, :, None] * np.eye(near)
    system[:, :near, near] = system[:, near, :near] = use
    system[:, near, near] = np.where(use.any(axis=1), 0.0, 1.0)
    right = np.concatenate([np.where(use, towards, 0.0), np.ones((directions, 1))], axis=1)
    solved = np.linalg.solve(system, right[:, :, None])[:, :, 0]
    return np.sqrt(np.maximum(own - (solved * right).sum(axis=1), 0.0))
