# SPDX-License-Identifier: Apache-2.0
"""One night of a grid without charging cars: its tree, what it draws, what was drawn on the days before."""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.grid.envelopes.radial import Radial
from lamplighter.terms.columns import AnyArray, FloatArray, IntArray

HIGH_SIGMAS = 2.0  # a forecast of demand that is high makes early deadlines come first, and costs nothing else


@dataclass(frozen=True)
class Night:
    """A grid from noon to noon. base_kva (t, n): what is not charging; before_kw (d, t, n): days before, the latest last;
    connection_row (l,): where each connection is; share (n,): of its feeder's yearly energy as contracted; feeder (n,):
    the first row of the feeder each row belongs to (its meter); row_id (n,): names."""

    name: str
    tree: Radial
    base_kva: AnyArray
    before_kw: FloatArray
    connection_row: IntArray
    share: FloatArray
    feeder: IntArray
    row_id: tuple[str, ...]


def feeders(tree: Radial) -> IntArray:
    """Return for each row (n,) the row at the head of its low-voltage feeder; a busbar and what is above stand for themselves."""
    many = len(tree.parent)
    head = np.arange(many, dtype=np.int64)
    for row in range(many):
        up = int(tree.parent[row])
        if up >= 0 and tree.is_line[row] and tree.is_line[up]:
            head[row] = head[up]
    return head


def contracted(head: IntArray, energy: FloatArray) -> FloatArray:
    """Return each row's share (n,) of its feeder's contracted energy."""
    total = np.bincount(head, weights=energy, minlength=len(energy))[head]
    return np.where(total > 0, energy / np.maximum(total, 1e-9), 0.0)


def metered(night: Night, drawn_kva: AnyArray) -> AnyArray:
    """Return what the feeders' meters let believe of each row (n,): their sums, split by contracted energy."""
    total = np.zeros(len(night.feeder), np.complex128)
    np.add.at(total, night.feeder, drawn_kva)
    return total[night.feeder] * night.share


def usual(night: Night) -> FloatArray:
    """Return the forecast (t, n) of what is not charging: high among the days before, at the feeders' meters, split alike."""
    total = np.zeros_like(night.before_kw)
    np.add.at(np.moveaxis(total, -1, 0), night.feeder, np.moveaxis(night.before_kw, -1, 0))
    high = total.mean(axis=0) + HIGH_SIGMAS * total.std(axis=0)
    return np.asarray(high[:, night.feeder] * night.share, np.float64)


def gains_of(night: Night) -> FloatArray:
    """Return what a row's demand (t, n) gains within a quarter of an hour, high among the days before, at the feeders."""
    total = np.zeros_like(night.before_kw)
    np.add.at(np.moveaxis(total, -1, 0), night.feeder, np.moveaxis(night.before_kw, -1, 0))
    gain = np.diff(total, axis=1, prepend=total[:, :1])
    high = gain.mean(axis=0) + HIGH_SIGMAS * gain.std(axis=(0, 1))
    return np.asarray(high[:, night.feeder] * night.share, np.float64)
