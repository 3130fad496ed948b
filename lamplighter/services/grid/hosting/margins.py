# SPDX-License-Identifier: Apache-2.0
"""How far voltages may be off between a feeder's meters: margins from the spread of single connections, not from taste.

A feeder's power is metered at its head and its voltage at its far end; connections differ from their contracted shares by
amounts e of spread SIGMA_KW each that add up to nothing. What the end shows shifts all of the feeder alike; what is left
at a row is sum(c e) with c the resistance shared with that row less that shared with the end, of variance
s² (sum c² - (sum c)² / number), the last term for the known sum.
"""

import numpy as np

from lamplighter.services.grid.hosting.night import Night
from lamplighter.services.grid.network.estimation.prior import HOME_SIGMA_KW
from lamplighter.terms.columns import FloatArray, IntArray

CONFIDENCE = 2.6  # standard deviations: half of one in a hundred, on one side; a night has a hundred steps


def shared_pu(parent: IntArray, r_pu: FloatArray, rows: IntArray) -> FloatArray:
    """Return the resistance (k, k) that the ways to two rows of a part of a tree share inside that part; rows (k,) ascend."""
    place = {int(row): number for number, row in enumerate(rows.tolist())}
    way = np.zeros((len(rows), len(rows)))
    for number, row in enumerate(rows.tolist()):
        above = place.get(int(parent[row]))
        if above is not None:
            way[number] = way[above]
        way[number, number] = 1.0
    return (way * r_pu[rows]) @ way.T


def voltage_margins(night: Night, end: IntArray) -> FloatArray:
    """Return by how much (n,) in pu a row's voltage may be below what is believed. end (n,): where its feeder's meter is."""
    many = len(night.tree.parent)
    count = np.bincount(night.connection_row, minlength=many).astype(np.float64)
    resistance = np.asarray(np.real(night.tree.z_pu), np.float64)
    out = np.zeros(many)
    for head in np.unique(night.feeder[night.tree.is_line]).tolist():
        rows = np.flatnonzero(night.feeder == head)
        own = count[rows]
        if own.sum() < 2.0:
            continue
        shared = shared_pu(night.tree.parent, resistance, rows)
        away = shared - shared[np.searchsorted(rows, end[head])]
        variance = away**2 @ own - (away @ own) ** 2 / own.sum()
        out[rows] = CONFIDENCE * HOME_SIGMA_KW * np.sqrt(np.maximum(variance, 0.0))
    return out
