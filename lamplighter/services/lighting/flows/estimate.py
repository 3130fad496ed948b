# SPDX-License-Identifier: Apache-2.0
"""Flow on every street that segments go by, from the counters that can be relied on now, with how far it may be off.

Where the street itself is counted, the count stands. Elsewhere the best linear unbiased estimate from the few counters that say
most about it (ordinary kriging on the network's covariance: the share that is common to the neighbourhood is not known
beforehand either). Each count is a draw, its variance its own size.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting.layout import Sites
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

LEAST_SHARE = 0.01  # of the usual flow: below it the size of a deviation no longer shrinks with the flow
QUARTERS_PER_HOUR = 4.0


@dataclass(frozen=True)
class Estimate:
    """Per direction (d,): flow_veh_h; deviation_veh_h: its standard deviation; known: whether anything says something;
    rests (d, k): which of the nearest counters it rests on."""

    flow_veh_h: FloatArray
    deviation_veh_h: FloatArray
    known: BoolArray
    rests: BoolArray


def draw_variance(flow_veh_h: FloatArray) -> FloatArray:
    """Return the variance of a quarter-hour's count put as veh/h: of n cars it is n, and the flow is 4 n."""
    return QUARTERS_PER_HOUR * np.maximum(flow_veh_h, QUARTERS_PER_HOUR)


def estimate(flow_veh_h: FloatArray, sound: BoolArray, sites: Sites) -> Estimate:
    """Return the flow of every direction from counts (m,) and whether each can be relied on (m,)."""
    directions, near = sites.near.shape
    if directions == 0 or len(sites.counter) == 0:
        zero = np.zeros(directions)
        return Estimate(zero, zero, np.zeros(directions, np.bool_), np.zeros((directions, near), np.bool_))
    at = np.maximum(sites.near, 0)
    use = (sites.near >= 0) & sound[at]
    own = sites.counted & use[:, 0]
    rests = use.copy()
    rests[own, 1:] = False
    flow = np.where(own, flow_veh_h[at[:, 0]], 0.0)
    variance = draw_variance(flow)
    rows = np.flatnonzero(~own & use.any(axis=1))
    if len(rows):
        flow[rows], variance[rows] = _kriged(flow_veh_h[at[rows]], use[rows], rows, sites)
    known: BoolArray = np.asarray(use.any(axis=1), dtype=np.bool_)
    return Estimate(flow, np.sqrt(variance), known, rests)


def _kriged(counts: FloatArray, use: BoolArray, rows: IntArray, sites: Sites) -> tuple[FloatArray, FloatArray]:
    """Return flow and variance of directions `rows`. counts, use (r, k): of their nearest counters."""
    usual = sites.usual_near_veh_h[rows]
    share = np.where(use, counts, 0.0) / usual
    common = np.where(use, counts, 0.0).sum(axis=1) / np.where(use, usual, 0.0).sum(axis=1)
    size = np.maximum(common, LEAST_SHARE) ** 2
    near = usual.shape[1]
    noise = draw_variance(counts) / usual**2
    both = use[:, :, None] & use[:, None, :]
    system = np.zeros((len(rows), near + 1, near + 1))
    system[:, :near, :near] = np.where(both, size[:, None, None] * sites.among_ratio[rows], 0.0)
    diagonal: IntArray = np.arange(near, dtype=np.int64)
    system[:, diagonal, diagonal] = np.where(use, system[:, diagonal, diagonal] + noise, 1.0)
    system[:, :near, near] = system[:, near, :near] = use
    right = np.zeros((len(rows), near + 1))
    right[:, :near] = np.where(use, size[:, None] * sites.towards_ratio[rows], 0.0)
    right[:, near] = 1.0
    solved = np.asarray(np.linalg.solve(system, right[:, :, None])[:, :, 0], dtype=np.float64)
    weight = solved[:, :near]
    variance = size * sites.own_ratio[rows] - (solved * right).sum(axis=1)
    street = sites.usual_veh_h[rows]
    return np.maximum((weight * share).sum(axis=1), 0.0) * street, np.maximum(variance, 0.0) * street**2
