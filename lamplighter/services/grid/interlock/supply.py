# SPDX-License-Identifier: Apache-2.0
"""What inverters may supply at worst, and the checks of their set-points.

No inverter is trusted further than it has shown: a higher limit of charging rests on reactive power only where it is asked for
and measured, and were all of it to stop at once, no voltage may leave the band that holds for every ten minutes.
"""

from typing import NamedTuple

import numpy as np

from lamplighter.services.grid.interlock.flow import FRESH_S
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.prepared import Prepared, latest
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.decision import Findings, Proposals
from lamplighter.terms.snapshot import Snapshot

ROUNDING_KVAR = 0.02


class Supply(NamedTuple):
    """Reactive power (i,) in kvar: as measured now; of it, what goes on for certain; the least and the most that may be there
    while leases are kept or lapse."""

    measured_kvar: FloatArray
    relied_kvar: FloatArray
    least_kvar: FloatArray
    most_kvar: FloatArray


def inverters_of(snapshot: Snapshot, asset: IntArray, prepared: Prepared) -> IntArray:
    """Return the number of the inverter of each asset; those that are none were refused before."""
    back = np.zeros(snapshot.span.stop - snapshot.span.start, np.int64)
    back[prepared.inverter_at] = np.arange(len(prepared.inverter_at))
    return back[asset - snapshot.span.start]


def asked_of(snapshot: Snapshot, table: Proposals, prepared: Prepared) -> tuple[FloatArray, BoolArray]:
    """Return the set-points that a table asks for (i,), and which inverters it asks."""
    asked, is_asked = np.zeros(len(prepared.inverter_at)), np.zeros(len(prepared.inverter_at), np.bool_)
    if len(table):
        number = inverters_of(snapshot, table.asset, prepared)
        asked[number], is_asked[number] = table.values["q_kvar"], True
    return asked, is_asked


def _in_force(snapshot: Snapshot, prepared: Prepared) -> tuple[FloatArray, FloatArray]:
    """Return the set-point (i,) that each box obeys as far as is known, and that which was granted, 0 where none is."""
    told, fresh = latest(snapshot, "inverter_set_kvar", prepared.inverter_at, FRESH_S)
    force = snapshot.in_force["supply_reactive"]
    active = force.active[prepared.inverter_at]
    granted = np.where(active, force.values["q_kvar"][prepared.inverter_at], 0.0)
    return np.where(fresh, told, granted), granted


def supply_of(snapshot: Snapshot, prepared: Prepared, asked: FloatArray, is_asked: BoolArray) -> Supply:
    """Return what inverters may supply if the set-points asked for (i,) are permitted."""
    measured, _ = latest(snapshot, "inverter_q_kvar", prepared.inverter_at, FRESH_S)
    told, granted = _in_force(snapshot, prepared)
    goes_on = np.where(is_asked, asked, granted)
    may_be = np.stack([np.zeros(len(told)), measured, told, granted, goes_on])
    return Supply(measured, np.minimum(measured, goes_on), may_be.min(axis=0), may_be.max(axis=0))


def moves(snapshot: Snapshot, table: Proposals, prepared: Prepared) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return the station (k,) of each row, what it asks for, and what its box obeys now."""
    number = inverters_of(snapshot, table.asset, prepared)
    if len(table) == 0:
        return number, np.zeros(0), np.zeros(0)
    row = prepared.inverter_row[number]
    station = np.where(row != ABSENT, prepared.row_station[np.maximum(row, 0)], len(prepared.grid.station_id))
    return station, table.values["q_kvar"], _in_force(snapshot, prepared)[0][number]


def within_rating(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Prepared) -> Findings:
    """Refuse a set-point beyond what the inverters can, or for inverters that are cut off."""
    number = inverters_of(snapshot, proposals[0].asset, prepared)
    asked = np.abs(proposals[0].values["q_kvar"])
    most = np.where(prepared.inverter_row[number] != ABSENT, prepared.grid.inverters.q_max_kvar[number], 0.0)
    return Findings(asked <= most + 1e-6, asked, most)


def answers(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Prepared) -> Findings:
    """Refuse a set-point other than 0 for inverters of which no measurement is fresh."""
    number = inverters_of(snapshot, proposals[0].asset, prepared)
    _, measured = latest(snapshot, "inverter_q_kvar", prepared.inverter_at, FRESH_S)
    _, told = latest(snapshot, "inverter_set_kvar", prepared.inverter_at, FRESH_S)
    heard = (measured & told)[number]
    return Findings(heard | (proposals[0].values["q_kvar"] == 0.0), heard.astype(np.float64), np.ones(len(number)))
