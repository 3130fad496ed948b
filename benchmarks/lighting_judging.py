# SPDX-License-Identifier: Apache-2.0
"""A night of the lighting benchmark, and the verdict on one way of running it: energy, light below class, and who could tell."""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting.lamps import Drawn
from lamplighter.services.lighting.layout import Layout
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

QUARTER_MINUTES = 15
WITNESSES = ("counted", "counter broken", "not counted")


@dataclass(frozen=True)
class Night:
    """One night in quarter-hours: begin_s (q,); count_veh_h (q, streets): cars as veh/h in the one that begins then;
    told_veh_h (q, m): what counters say of it; sound, speaks (m,): a stuck one speaks and is not sound; burning (q, 15): which of
    its minutes are dark; relax (q, s): classes below design that the true traffic allows; seen_relax (q, s): the same as an
    observer makes it out from the sound counts."""

    begin_s: FloatArray
    count_veh_h: FloatArray
    told_veh_h: FloatArray
    sound: BoolArray
    speaks: BoolArray
    burning: BoolArray
    relax: IntArray
    seen_relax: IntArray


@dataclass(frozen=True)
class Judged:
    """What one way of running a night came to, by who tells of a segment's traffic (WITNESSES). longest_min, longest_tellable_min
    are the longest time without a break that a field was below class, and of those breaches that were tellable; long_count,
    tellable_count: breaches of more than a quarter-hour, and how many of them were tellable."""

    kwh: float
    below_min: FloatArray
    fields_min: float
    longest_min: IntArray
    longest_tellable_min: IntArray
    long_count: IntArray
    tellable_count: IntArray


def judged(night: Night, outputs: FloatArray, drawn: Drawn, layout: Layout) -> Judged:
    """Judge outputs (q, 15, s) against the class that the true traffic of each quarter-hour asks for, every lamp taken as sound:
    a dead one is for the repair van."""
    needed = np.take_along_axis(layout.class_share[None, :, :], night.relax[:, :, None], axis=2)[:, :, 0]
    short = (outputs < needed[:, None, :] - 1e-6) & night.burning[:, :, None]
    witness = witnesses(night, layout)
    # At the beginning of a quarter-hour the one before is known: what was seen of it.
    before = np.concatenate([night.seen_relax[:1], night.seen_relax[:-1]])
    seen = np.take_along_axis(layout.class_share[None, :, :], before[:, :, None], axis=2)[:, :, 0]
    told = short & ((outputs < seen[:, None, :] - 1e-6) | (witness == 0))
    longest, tellable, many, told_of = (np.zeros(len(WITNESSES), dtype=np.int64) for _ in range(4))
    for s in np.flatnonzero(short.any(axis=(0, 1))).tolist():
        w = int(witness[s])
        for first, last in runs(short[:, :, s].ravel()):
            length = last - first
            after = told[:, :, s].ravel()[first + QUARTER_MINUTES : last]
            longest[w], many[w] = max(longest[w], length), many[w] + (length > QUARTER_MINUTES)
            if after.any():
                told_of[w], tellable[w] = told_of[w] + 1, max(tellable[w], length)
            elif length <= QUARTER_MINUTES:
                tellable[w] = max(tellable[w], length)
    below = np.bincount(witness, weights=short.sum(axis=(0, 1)), minlength=len(WITNESSES)).astype(np.float64)
    every = np.ones(outputs.shape[2], dtype=np.bool_)
    kwh = sum(
        float(drawn.power_w(np.where(night.burning[q, m], outputs[q, m], 0.0), every).sum()) / 60_000.0
        for q in range(outputs.shape[0])
        for m in range(QUARTER_MINUTES)
        if night.burning[q, m]
    )
    fields = float(night.burning.sum()) * outputs.shape[2]
    return Judged(kwh, below, fields, longest, tellable, many, told_of)


def runs(short: BoolArray) -> list[tuple[int, int]]:
    """Return where each time without a break begins, and the minute after its last."""
    edge = np.diff(np.concatenate(([0], short.astype(np.int64), [0])))
    return list(zip(np.flatnonzero(edge == 1).tolist(), np.flatnonzero(edge == -1).tolist(), strict=True))


def witnesses(night: Night, layout: Layout) -> IntArray:
    """Return (s,) who tells of the traffic of each segment this night, as positions in WITNESSES."""
    sites, count = layout.sites, len(layout.segments.design)
    segment = np.repeat(np.arange(count), np.diff(sites.offsets))
    speaks = sites.counted & night.sound[np.maximum(sites.near[:, 0], 0)]
    counted = np.bincount(segment, weights=sites.counted, minlength=count)
    broken = counted - np.bincount(segment, weights=speaks, minlength=count)
    whole = counted == np.diff(sites.offsets)
    return np.where((broken == 0) & whole, 0, np.where(broken > 0, 1, 2)).astype(np.int64)
