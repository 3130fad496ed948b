# SPDX-License-Identifier: Apache-2.0
"""All that a decider sees: the city now, as immutable dense arrays."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lamplighter.terms.asset import Assets
from lamplighter.terms.columns import BoolArray, FloatArray
from lamplighter.terms.decision import InForce


@dataclass(frozen=True)
class Column:
    """The latest value of one quantity, dense over a run of assets (k,): value, when known, whether ever known."""

    value: FloatArray
    known_at_s: FloatArray
    present: BoolArray

    def fresh(self, now_s: float, within_s: float) -> BoolArray:
        """Return the mask (k,) of values known and no older than `within_s`."""
        return self.present & (now_s - self.known_at_s <= within_s)


@dataclass(frozen=True)
class Shared:
    """One quantity as reported by another service's run of assets, for services that meet in the twin."""

    start: int
    column: Column


@dataclass(frozen=True)
class Snapshot:
    """The city as one service sees it at `now_s` (POSIX seconds of city time).

    latest: quantity name to Column over the service's own run of assets (`span`); shared: quantity name to the
    columns of every service that reports it; in_force: action name to what is permitted and unexpired.
    """

    now_s: float
    assets: Assets
    span: slice
    latest: Mapping[str, Column]
    shared: Mapping[str, tuple[Shared, ...]]
    in_force: Mapping[str, InForce]
    adaptive: BoolArray  # (k,) which of the service's assets are in the adaptive arm now
    vocabulary: tuple[str, ...]  # quantity names by their number in frames and citations
    shared_fresh_s: Mapping[str, float]  # how old another service's quantity may be and still count as fresh

    def citywide(self, quantity: str, within_s: float) -> tuple[FloatArray, BoolArray]:
        """Return value (n,) and fresh mask (n,) of a shared quantity over all assets of the city."""
        value = np.zeros(len(self.assets), dtype=np.float64)
        known = np.zeros(len(self.assets), dtype=np.bool_)
        for part in self.shared.get(quantity, ()):
            run = slice(part.start, part.start + len(part.column.value))
            fresh = part.column.fresh(self.now_s, within_s)
            value[run] = np.where(fresh, part.column.value, value[run])
            known[run] |= fresh
        return value, known
