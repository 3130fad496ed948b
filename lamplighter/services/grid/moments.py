# SPDX-License-Identifier: Apache-2.0
"""Local time and what classes usually draw at it, as tables, so that a decider needs no clock of its own."""

from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from lamplighter.services.grid.network.demand import HOURS_A_YEAR, commerce, household
from lamplighter.services.grid.network.model import ABSENT, Grid
from lamplighter.terms.columns import FloatArray

FROM_YEAR, TO_YEAR = 2020, 2051
SLOT_H = 0.25
SLOTS = 96


class Local(NamedTuple):
    """Local time: offset_s holds from begins_s on."""

    begins_s: FloatArray
    offset_s: FloatArray


class Usual(NamedTuple):
    """By slots of a day (96,): household and commerce power over the yearly mean; and each row's mean power (n,) in kW."""

    household_ratio: FloatArray
    commerce_ratio: FloatArray
    home_kw: FloatArray
    shop_kw: FloatArray


def local_time(timezone: str) -> Local:
    """Return the offsets of local time as a table, exact to the hour in which they change."""
    zone = ZoneInfo(timezone)

    def offset(at_s: float) -> float:
        shift = datetime.fromtimestamp(at_s, zone).utcoffset()
        return shift.total_seconds() if shift is not None else 0.0

    begin = datetime(FROM_YEAR, 1, 1, tzinfo=UTC).timestamp()
    days = np.arange(begin, datetime(TO_YEAR, 1, 1, tzinfo=UTC).timestamp(), 86_400.0)
    per_day = np.array([offset(at_s) for at_s in days.tolist()])
    begins, offsets = [begin], [float(per_day[0])]
    for day in np.flatnonzero(np.diff(per_day)).tolist():
        hours = (days[day] + np.arange(1, 25) * 3600.0).tolist()
        first = next((at_s for at_s in hours if offset(at_s) != offsets[-1]), hours[-1])
        begins.append(first)
        offsets.append(offset(first))
    return Local(np.array(begins), np.array(offsets))


def hour_of(local: Local, now_s: float) -> float:
    """Return the local hour of day."""
    place = max(int(np.searchsorted(local.begins_s, now_s, side="right")) - 1, 0)
    return float((now_s + local.offset_s[place]) % 86_400.0 / 3600.0)


def usual_of(grid: Grid) -> Usual:
    """Return what the classes of a grid usually draw."""
    hours = np.asarray((np.arange(SLOTS) + 0.5) * SLOT_H, np.float64)
    node = grid.tree.node
    low = grid.nodes.station[node] != ABSENT
    home = np.where(low, grid.nodes.household_kwh[node], 0.0) / HOURS_A_YEAR
    shop = np.where(low, grid.nodes.commerce_kwh[node], 0.0) / HOURS_A_YEAR
    return Usual(household(hours), commerce(hours), home, shop)
