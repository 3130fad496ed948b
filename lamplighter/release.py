# SPDX-License-Identifier: Apache-2.0
"""The only door to the public: zone-hour counts with integer noise, on a fixed schedule, against a budget in the ledger.

The guarantee is rho-zero-concentrated differential privacy (Bun and Steinke 2016) by the discrete Gaussian
(Canonne, Kamath, Steinke 2020) as implemented in OpenDP. The unit is one person and one release. Because nobody is
identified, nobody's contribution can be counted: TOUCHED_MAX is what zone borders let a person do in a day
(99th percentile of simulated people), and is part of the claim.
"""

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import NormalDist
from typing import Any

import numpy as np

from lamplighter.ledger import Ledger, ReleaseMade
from lamplighter.terms.columns import AnyArray, BoolArray, IntArray, TextArray

HOUR_S = 3600  # the finest window that leaves the house
TOUCHED_MAX = 17  # zone-hours that one person touches in a day, once each
DAYS_MAX = 7  # a typical day may be summed over so many days
RHO_MILLIONTHS = 20_000  # what one release costs
BUDGET_MILLIONTHS = 1_040_000  # what a calendar year may cost: one release a week
SETTLE_S = 6 * HOUR_S  # a release comes no sooner than this after its last hour


class ReleaseRefusedError(ValueError):
    """A table may not leave; the message says why and when it may. Nothing was spent."""


@dataclass(frozen=True)
class ZoneHours:
    """Counts that are still secret. zone (z,) names; begin_s the first hour (POSIX); counts (z, h), summed over `days`
    days from begin_s on (the same hours of each); covered (z, h) where they were measured throughout.
    """

    name: str
    zone: TextArray
    begin_s: int
    days: int
    counts: IntArray
    covered: BoolArray


@dataclass(frozen=True)
class Release:
    """What may be published. values (z, h) integers, unbiased and so now and then below zero; present (z, h).

    sigma_veh: standard deviation of the noise of every value; rho_millionths: what it cost.
    """

    name: str
    zone: TextArray
    begin_s: int
    days: int
    values: IntArray
    present: BoolArray
    sigma_veh: float
    rho_millionths: int
    content_sha256: str


def sigma_for(rho: float, days: int = 1) -> float:
    """Return the noise for a cost of `rho`: sensitivity^2 / (2 sigma^2) = rho, sensitivity = days * sqrt(TOUCHED_MAX)."""
    return days * math.sqrt(TOUCHED_MAX / (2 * rho))


def epsilon(rho: float, delta: float) -> float:
    """Return the epsilon of (epsilon, delta)-DP that rho-zCDP implies (Bun and Steinke 2016, proposition 1.3)."""
    return rho + 2 * math.sqrt(rho * math.log(1 / delta))


def membership_auc_max(rho: float) -> float:
    """Return the best area under the curve that any attacker can reach on who took part, by a Gaussian mechanism."""
    return NormalDist().cdf(math.sqrt(rho))


def spent_millionths(ledger: Ledger, budget: str) -> int:
    """Return what the releases of a budget (a calendar year, "2026") have cost so far."""
    return sum(e.rho_millionths for e in ledger.entries() if isinstance(e, ReleaseMade) and e.budget == budget)


def release(table: ZoneHours, ledger: Ledger, now_s: float) -> Release:
    """Noise a table and return it, once the ledger holds what it cost and its hash.

    ReleaseRefusedError where the table is too fine, too early, already released, or the year's budget is spent.
    LedgerUnwritableError where the cost could not be written down: then nothing leaves.
    """
    _check(table, now_s)
    title = f"{table.name} {_day(table.begin_s)}"
    budget = _day(now_s)[:4]
    if any(isinstance(e, ReleaseMade) and e.table == title for e in ledger.entries()):
        raise ReleaseRefusedError(
            f"release {title}: was made before, and a second draw of noise would undo the first. Use the first"
        )
    spent = spent_millionths(ledger, budget)
    if spent + RHO_MILLIONTHS > BUDGET_MILLIONTHS:
        raise ReleaseRefusedError(
            f"release {title}: the budget of {budget} is {BUDGET_MILLIONTHS} millionths of rho, {spent} are spent and this costs "
            f"{RHO_MILLIONTHS}. Nothing was released; the next budget begins with the next year"
        )
    sigma = sigma_for(RHO_MILLIONTHS / 1e6, table.days) * (1 + 1e-9)
    values = np.where(table.covered, _noised(table.counts, sigma, table.days), 0)
    digest = _digest(title, values, table.covered)
    ledger.append(ReleaseMade(int(now_s), title, budget, RHO_MILLIONTHS, digest))
    return Release(table.name, table.zone, table.begin_s, table.days, values, table.covered.copy(), sigma, RHO_MILLIONTHS, digest)


def _check(table: ZoneHours, now_s: float) -> None:
    shape = (len(table.zone), table.counts.shape[1] if table.counts.ndim == 2 else 0)
    if table.counts.shape != shape or table.covered.shape != shape or table.counts.dtype.kind not in "iu":
        raise ReleaseRefusedError(
            f"release {table.name}: counts must be integers of shape (zones, hours) = {shape}, with a mask of that shape; "
            f"they are {table.counts.dtype} of {table.counts.shape}"
        )
    if not 23 <= shape[1] <= 25 or table.begin_s % HOUR_S or not 1 <= table.days <= DAYS_MAX:
        raise ReleaseRefusedError(
            f"release {table.name}: holds {shape[1]} hours from {table.begin_s} s, summed over {table.days} days; "
            f"allowed are whole hours of one day (23 to 25), summed over 1 to {DAYS_MAX} days"
        )
    if len(np.unique(table.zone)) != len(table.zone):
        raise ReleaseRefusedError(f"release {table.name}: a zone is listed twice; a person would be counted twice with it")
    if (table.counts < 0).any():
        place = np.argwhere(table.counts < 0)[0]
        raise ReleaseRefusedError(
            f"release {table.name}: zone {table.zone[place[0]]}, hour {place[1]} counts {table.counts[tuple(place)]}, below 0"
        )
    due_s = table.begin_s + (table.days - 1) * 24 * HOUR_S + shape[1] * HOUR_S + SETTLE_S
    if now_s < due_s:
        raise ReleaseRefusedError(
            f"release {table.name}: is due at {datetime.fromtimestamp(due_s, UTC):%Y-%m-%d %H:%M} UTC, "
            f"{SETTLE_S // HOUR_S} hours after its last hour, and not before. Nothing was released"
        )


def _noised(counts: IntArray, sigma: float, days: int) -> IntArray:
    # Loaded when noise is drawn (it takes most of a second); its functions are built with types no checker can follow.
    import opendp.prelude

    dp: Any = opendp.prelude
    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T=int)), dp.l2_distance(T=float)
    mechanism = dp.m.make_gaussian(*space, scale=sigma)
    cost = float(mechanism.map(days * math.sqrt(TOUCHED_MAX)))
    if cost > RHO_MILLIONTHS / 1e6:
        raise ReleaseRefusedError(
            f"the noise of sigma {sigma} would cost rho {cost}, above {RHO_MILLIONTHS / 1e6}; nothing was released"
        )
    drawn = mechanism([int(value) for value in counts.ravel()])
    return np.array(drawn, dtype=np.int64).reshape(counts.shape)


def _digest(title: str, values: AnyArray, present: AnyArray) -> str:
    content = title.encode() + values.astype("<i8").tobytes() + present.astype("<u1").tobytes()
    return hashlib.sha256(content).hexdigest()


def _day(time_s: float) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d}"
