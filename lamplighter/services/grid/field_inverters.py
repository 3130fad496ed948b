# SPDX-License-Identifier: Apache-2.0
"""Inverters in software: they obey a set-point while its lease holds, and supply nothing without one."""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.grid.network.model import Inverters
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray


@dataclass
class Field:
    """All inverters (i,): set-point, until when it holds, the most they can, and who hears no orders."""

    set_kvar: FloatArray
    until_s: FloatArray
    most_kvar: FloatArray
    deaf: BoolArray

    def obeyed_kvar(self, now_s: float) -> FloatArray:
        """Return the set-point (i,) that each obeys at a time; 0, its own programme, without a lease."""
        held = np.clip(self.set_kvar, -self.most_kvar, self.most_kvar)
        return np.where(now_s < self.until_s, held, 0.0)

    def take(self, number: IntArray, set_kvar: FloatArray, until_s: FloatArray, back: BoolArray) -> None:
        """Obey orders: a lease with its set-point, or the return to the own programme. The deaf hear nothing."""
        hears = ~self.deaf[number]
        leased = number[hears & ~back]
        self.set_kvar[leased], self.until_s[leased] = set_kvar[hears & ~back], until_s[hears & ~back]
        self.until_s[number[hears & back]] = -np.inf


def open_inverters(inverters: Inverters) -> Field:
    """Return all inverters on their own programme."""
    many = len(inverters.id)
    return Field(np.zeros(many), np.full(many, -np.inf), inverters.q_max_kvar, np.zeros(many, np.bool_))
