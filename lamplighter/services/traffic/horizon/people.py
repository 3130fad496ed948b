# SPDX-License-Identifier: Apache-2.0
"""People as the planner counts them: calls at crossings, and buses and trams that asked for their green, as rows of persons.

A row is a crossing, or a movement of one kind of vehicle that may be announced. It says how many persons are behind the
request, when they are at the stop line, and how long they have been at red; the planner counts persons times seconds.

A call says that at least one person stands there, not how many. With people arriving at random, at a rate q, over a red of
r seconds, the mean number among whom at least one has come is q r / (1 - exp(-q r)): one at first, more as the red lasts.

An announcement says in which ten seconds a bus or tram arrives. The middle of the window counts, moved on by its age; once the
window is over it stands at the stop line. An announcement older than two windows says nothing any more.
"""

from typing import NamedTuple

import numpy as np

from lamplighter.services.traffic.layout import CALL, FOOT, Layout, announced
from lamplighter.services.traffic.terms import DUE_STEP_S, DUE_WINDOW_S, GREEN
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.snapshot import Snapshot

ON_FOOT, BUS, TRAM = 0, 1, 2
WALKERS_S = 0.02  # persons per second at a crossing, before anything is known of it: 72 an hour
OLD_S = 2.0 * DUE_WINDOW_S
CALL_SILENT_S = 5.0  # a call button that has been silent for so long counts as called
NO_BOUND_S = 1e9


class Persons(NamedTuple):
    """How many persons a vehicle of each kind carries, as the city's settings state it."""

    persons_per_car: float
    persons_per_bus: float
    persons_per_tram: float


class People(NamedTuple):
    """What does not change, p rows sorted by box. offsets (b+1); serve (s, n): the row with that number within its box is
    served in that stage row; group (p): flat signal_group; kind (p): ON_FOOT, BUS or TRAM; walk_s (p): the shortest walk, 0
    for vehicles; red_max_s (p): a bound for walkers, none for announced vehicles (their lane has its own); flow_s (p):
    persons per second assumed before anybody is seen; persons (p): behind one request of a vehicle, 1 on foot."""

    offsets: IntArray
    serve: BoolArray
    group: IntArray
    kind: IntArray
    walk_s: FloatArray
    red_max_s: FloatArray
    flow_s: FloatArray
    persons: FloatArray


class Waiting(NamedTuple):
    """What is known of every row now, (p,): persons behind the request (0 where there is none), seconds until they are at
    the stop line (0: they stand there), and seconds at red (0 at green)."""

    persons: FloatArray
    due_s: FloatArray
    red_s: FloatArray


def people_rows(layout: Layout, persons: Persons) -> People:
    """Return the rows of a city: each crossing's group, and each group that buses or trams announce themselves to, twice."""
    groups, stages = layout.groups, layout.stages
    walks, asking = np.flatnonzero(groups.kind == FOOT), announced(layout)
    group = np.concatenate([walks, asking, asking])
    kind = np.repeat([ON_FOOT, BUS, TRAM], [len(walks), len(asking), len(asking)])
    order = np.lexsort((kind, group, groups.box[group]))
    group, kind = group[order], kind[order]
    boxes = len(layout.boxes.tls)
    offsets = np.searchsorted(groups.box[group], np.arange(boxes + 1)).astype(np.int64)
    widest = int(np.diff(offsets).max(initial=0))
    serve = np.zeros((len(stages.box), widest), np.bool_)
    for number in range(widest):
        row = offsets[:-1][stages.box] + number
        has = row < offsets[1:][stages.box]
        local = group[row[has]] - groups.offsets[:-1][stages.box[has]]
        serve[has, number] = stages.green[has, local]
    on_foot = kind == ON_FOOT
    return People(
        offsets=offsets,
        serve=serve,
        group=group,
        kind=kind,
        walk_s=np.where(on_foot, groups.green_min_s[group], 0.0),
        red_max_s=np.where(on_foot, groups.red_max_s[group], NO_BOUND_S),
        flow_s=np.where(on_foot, WALKERS_S, 0.0),
        persons=np.array([1.0, persons.persons_per_bus, persons.persons_per_tram])[kind],
    )


def expected_walkers(flow_s: FloatArray, red_s: FloatArray) -> FloatArray:
    """Return how many people stand behind a call on average, (n,): Poisson arrivals over the red, given at least one."""
    mean = np.maximum(flow_s * red_s, 1e-9)
    return mean / -np.expm1(-mean)


def announced_due_s(due_s: FloatArray, age_s: FloatArray) -> tuple[BoolArray, FloatArray]:
    """Return whether somebody is announced (n,) and the seconds until the middle of the window (n,), 0 once it is over.

    due_s: end of the ten-second window as reported, 0 for none; age_s: since it was reported.
    """
    there = (due_s > 0) & (age_s <= OLD_S)
    over = due_s <= age_s
    left_s = np.where(over, 0.0, np.maximum(due_s - DUE_STEP_S / 2 - age_s, 0.0))
    return there, np.where(there, left_s, 0.0)


def waiting(
    people: People,
    called: BoolArray,
    due_s: tuple[FloatArray, FloatArray],
    age_s: tuple[FloatArray, FloatArray],
    red_s: FloatArray,
) -> Waiting:
    """Return what every row counts for now.

    All per signal_group (g,): called (somebody asked to cross, or the button is silent: the worst case); due_s and age_s
    for buses and for trams; red_s since the group's green ended, 0 at green.
    """
    group, on_foot = people.group, people.kind == ON_FOOT
    row_red_s = red_s[group]
    walkers = np.where(called[group] & (row_red_s > 0), expected_walkers(people.flow_s, row_red_s), 0.0)
    column = np.where(people.kind == TRAM, 1, 0)
    there, left_s = announced_due_s(np.stack(due_s)[column, group], np.stack(age_s)[column, group])
    return Waiting(
        persons=np.where(on_foot, walkers, np.where(there, people.persons, 0.0)),
        due_s=np.where(on_foot, 0.0, left_s),
        red_s=row_red_s,
    )


def waiting_now(snapshot: Snapshot, people: People, layout: Layout) -> Waiting:
    """Return what every row counts for in a city, from what its boxes report."""
    groups, d = layout.groups, layout.detectors
    local = groups.local
    state, _ = _latest(snapshot, "group_state", local)
    elapsed_s, _ = _latest(snapshot, "group_elapsed_s", local)
    buttons = np.flatnonzero(d.boxed & (d.role == CALL))
    call, call_age_s = _latest(snapshot, "call_waiting", d.local[buttons])
    row = np.repeat(np.arange(len(d.role)), np.diff(d.group_offsets))
    asks = np.zeros(len(d.role), np.bool_)
    asks[buttons] = (call > 0) | (call_age_s > CALL_SILENT_S)
    called = np.zeros(len(groups.box), np.bool_)
    called[d.group[asks[row]]] = True
    (bus_s, bus_age_s), (tram_s, tram_age_s) = (_latest(snapshot, name, local) for name in ("bus_due_s", "tram_due_s"))
    red_s = np.where(state == GREEN, 0.0, np.maximum(elapsed_s, 1.0))
    return waiting(people, called, (bus_s, tram_s), (bus_age_s, tram_age_s), red_s)


def _latest(snapshot: Snapshot, name: str, local: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return value and age in seconds of one quantity at run positions; never known is as old as can be."""
    column = snapshot.latest.get(name)
    if column is None:
        return np.zeros(len(local)), np.full(len(local), NO_BOUND_S)
    return column.value[local], np.where(column.present[local], snapshot.now_s - column.known_at_s[local], NO_BOUND_S)
