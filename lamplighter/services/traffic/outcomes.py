# SPDX-License-Identifier: Apache-2.0
"""What residents would notice, from aggregates alone: counts over stop lines, standing vehicles, calls and greens.

These are estimates of what the simulator knows as truth, under the same names, so that their bias can be seen. Lost time
of vehicles is the time spent on the lane areas before stop lines less the time that as many vehicles as passed would
have needed at the speed allowed (vehicles present, summed over the seconds, need no vehicle to be followed), per
vehicle at the first stop line of its trip (`passages`: a trip goes over two stop lines or so, and loses time at each).
Unseen stay: time lost inside intersections, behind the lane areas, at crossings without signals and before entering the
network. The wait from call to green stands for the waits of people on foot (a call counts once, however many stand there,
and walks without a call not at all). Per person, a vehicle counts as a car with the persons that the settings state.
"""

from collections import Counter
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from lamplighter.services.traffic.layout import CALL, CYCLE, FAR, FOOT, MIXED, NEAR, STOP_LINE, Layout
from lamplighter.services.traffic.outcome_names import LONGEST_OF, NAMES
from lamplighter.services.traffic.passages import Passages, first_share, passages
from lamplighter.services.traffic.terms import GREEN, Settings
from lamplighter.terms.city import CityData, Streets
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.outcome import OutcomeRows
from lamplighter.terms.snapshot import Snapshot

FRESH_S = 5.0
ACCOUNT_S = 60.0
SPEED_M_S = 50 / 3.6  # where the street is unknown: what is allowed in towns (StVO, section 3)


class Reach(NamedTuple):
    """Which detector speaks for which area: loops, standing-vehicle areas and calls, with the groups they serve."""

    loop_local: IntArray
    loop_area: IntArray
    loop_free_s: FloatArray  # what a vehicle over the loop needs at least on the lane areas before it
    queue_local: IntArray
    queue_area: IntArray
    call_local: IntArray
    call_area: IntArray
    asker_local: IntArray  # near areas, then calls
    asker_of_group: IntArray
    asker_group: IntArray
    group_local: IntArray
    group_area: IntArray
    group_wait: IntArray  # row of LONGEST_OF
    passages: Passages
    persons_per_car: float
    areas: int


class Tally(NamedTuple):
    """Sums (rows named below, areas) since the last account, and what is remembered from one second to the next."""

    then_s: float
    since_s: float
    value: FloatArray
    queue_veh: FloatArray
    called: BoolArray
    waiting_s: FloatArray
    passed_veh: FloatArray  # over each loop lately, old minutes counting for less and less


SPENT_S, FREE_S, STOPPED, PASSED, CALL_WAIT_S, CALLS, LONGEST_S = range(7)
ROWS = LONGEST_S + 1 + len(LONGEST_OF)
KEEPS_SHARE = 59 / 60  # of what passed, from one account to the next: an hour's memory


def _free_s(layout: Layout, streets: Streets, loops: IntArray) -> FloatArray:
    """Return, per loop, the seconds at the speed allowed on its near area and on its share of the far areas of its groups."""
    d = layout.detectors
    speed_m_s = {str(name): float(speed) for name, speed in zip(streets.id, streets.speed_m_s, strict=True)}
    drive_s = [
        float(length) / max(speed_m_s.get(str(street), SPEED_M_S), 1.0)
        for length, street in zip(d.length_m, d.street, strict=True)
    ]
    flat: list[int] = d.group.tolist()
    groups = [tuple(flat[first:last]) for first, last in pairwise(d.group_offsets.tolist())]
    rows: list[int] = loops.tolist()
    many = Counter([groups[row] for row in rows])
    near_s: dict[tuple[str, int], float] = {}
    far_s: dict[tuple[int, ...], float] = {}
    for row in np.flatnonzero(d.boxed & ((d.role == NEAR) | (d.role == FAR))).tolist():
        if d.role[row] == NEAR:
            near_s[str(d.street[row]), int(d.lane[row])] = drive_s[row]
        else:
            far_s[groups[row]] = far_s.get(groups[row], 0.0) + drive_s[row]
    free_s = [
        near_s.get((str(d.street[row]), int(d.lane[row])), 0.0) + far_s.get(groups[row], 0.0) / many[groups[row]] for row in rows
    ]
    return np.array(free_s, np.float64)


def reach(layout: Layout, city: CityData) -> Reach:
    """Return which detector speaks for which area of the city."""
    number = {name: place for place, name in enumerate(city.areas)}
    box_area = np.array([number.get(str(name), 0) for name in city.assets.area[layout.start + layout.boxes.local]], np.int64)
    d = layout.detectors
    loops = np.flatnonzero(d.boxed & (d.role == STOP_LINE))
    queues = np.flatnonzero(d.boxed & ((d.role == NEAR) | (d.role == FAR)))
    calls = np.flatnonzero(d.boxed & (d.role == CALL))
    askers = np.flatnonzero(d.boxed & ((d.role == NEAR) | (d.role == CALL)))
    place = np.zeros(len(d.role), np.int64)
    place[askers] = np.arange(len(askers))
    row = np.repeat(np.arange(len(d.role)), np.diff(d.group_offsets))
    asks = np.isin(row, askers)
    return Reach(
        loop_local=d.local[loops],
        loop_area=box_area[d.box[loops]],
        loop_free_s=_free_s(layout, city.streets, loops),
        queue_local=d.local[queues],
        queue_area=box_area[d.box[queues]],
        call_local=d.local[calls],
        call_area=box_area[d.box[calls]],
        asker_local=d.local[askers],
        asker_of_group=place[row[asks]],
        asker_group=d.group[asks],
        group_local=layout.groups.local,
        group_area=box_area[layout.groups.box],
        group_wait=np.select([layout.groups.kind == FOOT, np.isin(layout.groups.kind, (CYCLE, MIXED))], [1, 2], 0),
        passages=passages(layout, city.streets),
        persons_per_car=settings_of(city).persons_per_car,
        areas=max(len(city.areas), 1),
    )


def settings_of(city: CityData) -> Settings:
    """Return the settings of a city, or what holds where it has none."""
    return city.settings if isinstance(city.settings, Settings) else Settings()


def _fresh(snapshot: Snapshot, name: str, local: IntArray) -> FloatArray:
    """Return values at run positions, 0 where unknown or old: nothing is counted that was not measured."""
    column = snapshot.latest.get(name)
    if column is None:
        return np.zeros(len(local))
    known = column.present[local] & (snapshot.now_s - column.known_at_s[local] <= FRESH_S)
    return np.where(known, column.value[local], 0.0)


def _empty(reach: Reach, now_s: float) -> Tally:
    return Tally(
        then_s=now_s,
        since_s=now_s,
        value=np.zeros((ROWS, reach.areas)),
        queue_veh=np.zeros(len(reach.queue_local)),
        called=np.zeros(len(reach.call_local), np.bool_),
        waiting_s=np.zeros(len(reach.group_local)),
        passed_veh=np.zeros(len(reach.loop_local)),
    )


def _before(tells: BoolArray, reach: Reach) -> BoolArray:
    """Return the groups (g,) before which any of the detectors tells of somebody."""
    found = np.zeros(len(reach.group_local), np.bool_)
    found[reach.asker_group[tells[reach.asker_of_group]]] = True
    return found


def _count(snapshot: Snapshot, tally: Tally, reach: Reach) -> Tally:
    """Return the tally with one more second in it."""
    passed_s = min(max(snapshot.now_s - tally.then_s, 0.0), FRESH_S)
    queue = _fresh(snapshot, "queue_veh", reach.queue_local)
    there = _fresh(snapshot, "area_veh", reach.queue_local)
    passed = _fresh(snapshot, "count_veh", reach.loop_local) * (passed_s > 0)
    state = _fresh(snapshot, "group_state", reach.group_local)
    call = _fresh(snapshot, "call_waiting", reach.call_local) > 0
    calls = _fresh(snapshot, "call_waiting", reach.asker_local) > 0
    stands = _before(calls | (_fresh(snapshot, "queue_veh", reach.asker_local) > 0), reach)
    here = _before(calls | (_fresh(snapshot, "area_veh", reach.asker_local) > 0), reach)
    waiting_s = np.where((state != GREEN) & (stands | (here & (tally.waiting_s > 0))), tally.waiting_s + passed_s, 0.0)
    sums, passed_veh = tally.value.copy(), tally.passed_veh + passed
    first = passed * first_share(reach.passages, passed_veh) if passed.any() else passed
    for row, area, value in (
        (SPENT_S, reach.queue_area, there * passed_s),
        (FREE_S, reach.loop_area, passed * reach.loop_free_s),
        (STOPPED, reach.queue_area, np.maximum(queue - tally.queue_veh, 0.0)),
        (PASSED, reach.loop_area, first),
        (CALL_WAIT_S, reach.call_area, call * passed_s),
        (CALLS, reach.call_area, call & ~tally.called),
    ):
        sums[row] += np.bincount(area, weights=value, minlength=reach.areas)
    np.maximum.at(sums[LONGEST_S], reach.group_area, waiting_s)
    np.maximum.at(sums, (LONGEST_S + 1 + reach.group_wait, reach.group_area), waiting_s)
    return Tally(snapshot.now_s, tally.since_s, sums, queue, call, waiting_s, passed_veh)


def _account(tally: Tally, persons_per_car: float) -> tuple[OutcomeRows, Tally]:
    """Return the contributions of the last minute; a sum with nothing to be divided by waits for the next."""
    sums = tally.value.copy()
    found: list[tuple[IntArray, IntArray, FloatArray, FloatArray]] = []

    def note(name: str, areas: IntArray, value: FloatArray, weight: FloatArray) -> None:
        found.append((np.full(len(areas), NAMES.index(name), np.int64), areas, value, weight))

    passed, called = np.flatnonzero(sums[PASSED] > 0), np.flatnonzero(sums[CALLS] > 0)
    weight = sums[PASSED, passed]
    lost_s = np.maximum(sums[SPENT_S, passed] - sums[FREE_S, passed], 0.0)
    note("vehicle_delay_s_trip", passed, lost_s / weight, weight)
    note("stops_per_trip", passed, sums[STOPPED, passed] / weight, weight)
    note("trips_finished", passed, weight, np.ones(len(passed)))
    note("pedestrian_delay_s_trip", called, sums[CALL_WAIT_S, called] / sums[CALLS, called], sums[CALLS, called])
    persons = np.where(sums[PASSED] > 0, sums[PASSED] * persons_per_car, 0.0) + sums[CALLS]
    moved = np.flatnonzero(persons > 0)
    vehicles_s = np.where(sums[PASSED] > 0, np.maximum(sums[SPENT_S] - sums[FREE_S], 0.0) * persons_per_car, 0.0)
    walkers_s = np.where(sums[CALLS] > 0, sums[CALL_WAIT_S], 0.0)
    note("person_delay_s_trip", moved, (vehicles_s + walkers_s)[moved] / persons[moved], persons[moved])
    for row, name in enumerate(("longest_red_wait_s", *LONGEST_OF), LONGEST_S):
        waited = np.flatnonzero(sums[row] > 0)
        note(name, waited, sums[row, waited], np.ones(len(waited)))
    for row in (SPENT_S, FREE_S, STOPPED, PASSED):
        sums[row, passed] = 0.0
    for row in (CALL_WAIT_S, CALLS):
        sums[row, called] = 0.0
    sums[LONGEST_S:] = 0.0
    rows = OutcomeRows(*(np.concatenate(column) for column in zip(*found, strict=True)))
    return rows, tally._replace(value=sums, since_s=tally.then_s, passed_veh=tally.passed_veh * KEEPS_SHARE)


def outcomes(snapshot: Snapshot, state: Tally | None, prepared: Any) -> tuple[OutcomeRows, Tally]:
    """Return contributions once a minute (nothing in between), and the tally. `prepared.reach` is what `reach` returned."""
    tally = _count(snapshot, state or _empty(prepared.reach, snapshot.now_s), prepared.reach)
    if snapshot.now_s - tally.since_s >= ACCOUNT_S:
        return _account(tally, prepared.reach.persons_per_car)
    return OutcomeRows(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0)), tally
