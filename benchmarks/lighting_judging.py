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
    its minutes are dark; asked (q, s): classes below design by the rule, from perfect counts of all counters in the quarter-hour
    before; relax (q, s): those that the cars on every street in the quarter-hour itself allow, which nobody knows in time."""

    begin_s: FloatArray
    count_veh_h: FloatArray
    told_veh_h: FloatArray
    sound: BoolArray
    speaks: BoolArray
    burning: BoolArray
    asked: IntArray
    relax: IntArray


@dataclass(frozen=True)
class Judged:
    """What one way of running a night came to, by who tells of a segment's traffic (WITNESSES): below_min: minutes of fields
    below class; longest_min: the longest time without a break; long_count: breaches of more than a quarter-hour."""

    kwh: float
    below_min: FloatArray
    fields_min: float
    longest_min: IntArray
    long_count: IntArray


def judged(night: Night, asked: IntArray, outputs: FloatArray, drawn: Drawn, layout: Layout) -> Judged:
    """Judge outputs (q, 15, s) against the classes that are asked for (q, s), every lamp taken as sound: a dead one is for the
    repair van."""
    needed = np.take_along_axis(layout.class_share[None, :, :], asked[:, :, None], axis=2)[:, :, 0]
    short = (outputs < needed[:, None, :] - 1e-6) & night.burning[:, :, None]
    witness = witnesses(night, layout)
    longest, many = (np.zeros(len(WITNESSES), dtype=np.int64) for _ in range(2))
    for s in np.flatnonzero(short.any(axis=(0, 1))).tolist():
        w = int(witness[s])
        for first, last in runs(short[:, :, s].ravel()):
            longest[w], many[w] = max(longest[w], last - first), many[w] + (last - first > QUARTER_MINUTES)
    below = np.bincount(witness, weights=short.sum(axis=(0, 1)), minlength=len(WITNESSES)).astype(np.float64)
    every = np.ones(outputs.shape[2], dtype=np.bool_)
    kwh = sum(
        float(drawn.power_w(np.where(night.burning[q, m], outputs[q, m], 0.0), every).sum()) / 60_000.0
        for q in range(outputs.shape[0])
        for m in range(QUARTER_MINUTES)
        if night.burning[q, m]
    )
    fields = float(night.burning.sum()) * outputs.shape[2]
    return Judged(kwh, below, fields, longest, many)


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
