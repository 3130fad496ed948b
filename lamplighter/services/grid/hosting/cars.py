# SPDX-License-Identifier: Apache-2.0
"""The cars of one night: who comes when, leaves when and wants how much, drawn so that more cars contain fewer.

Arrivals N(18:00, 1.5 h), departures N(7:15, 1 h), energy Gamma(4, 3 kWh) within 3 and 45, spread evenly over the
connections. Whole quarters of an hour between arrival and departure count.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.terms.columns import AnyArray, FloatArray, IntArray

STEPS = 96
STEP_H = 0.25
NOON_H = 12.0
FULL_KW = 11.0
ARRIVES_H = (18.0, 1.5)
LEAVES_H = (31.25, 1.0)
ENERGY = (4.0, 3.0, 3.0, 45.0)  # Gamma: shape, scale in kWh; least and most
STREAMS = {"connection": 1, "arrives": 2, "leaves": 3, "energy": 4}


@dataclass(frozen=True)
class Cars:
    """Cars (m,): row of the grid at which each charges, steps of presence [first, last), energy wanted."""

    row: IntArray
    first: IntArray
    last: IntArray
    energy_kwh: FloatArray

    def head(self, many: int) -> "Cars":
        """Return the first so many cars."""
        return Cars(self.row[:many], self.first[:many], self.last[:many], self.energy_kwh[:many])


def draw(seed: int, many: int, connection_row: IntArray) -> Cars:
    """Return so many cars; each quantity from a stream of its own, so that the first n are the same for every many."""
    dice = {name: np.random.default_rng((seed, stream, 0xCA25)) for name, stream in STREAMS.items()}
    row = connection_row[dice["connection"].integers(0, len(connection_row), many)]
    comes = dice["arrives"].normal(*ARRIVES_H, many) - NOON_H
    goes = dice["leaves"].normal(*LEAVES_H, many) - NOON_H
    energy = np.clip(dice["energy"].gamma(ENERGY[0], ENERGY[1], many), ENERGY[2], ENERGY[3])
    first = np.clip(np.ceil(comes / STEP_H), 0, STEPS).astype(np.int64)
    last = np.clip(np.floor(goes / STEP_H), 0, STEPS).astype(np.int64)
    return Cars(row.astype(np.int64), first, last, energy)


def by_row(row: IntArray, power: AnyArray, rows: int) -> AnyArray:
    """Return what cars (m,) draw, summed at rows (n,): kW, or kVA where it is complex."""
    drawn = np.bincount(row, np.real(power), rows)
    return drawn + 1j * np.bincount(row, np.imag(power), rows) if np.iscomplexobj(power) else drawn
