# SPDX-License-Identifier: Apache-2.0
"""What really happened to people in the simulated city, reduced to sums while it happens.

Lost time is counted while it is being lost: of each trip, the growth of its time loss and of its wait before it could
enter the network, until its record says what it was in the end. So a trip that never ended, or never began, weighs as
much as one that did, and both arms of a comparison divide by the same number: the trips that fell due. A trip belongs
to the area where it begins; people on foot count while they stand (slow walking is no delay), where they stand. What is
kept per trip (its lost time so far) lives in this object alone and is dropped when the trip ends.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamplighter.services.traffic.outcome_names import LONGEST_OF, NAMES
from lamplighter.services.traffic.terms import Settings
from lamplighter.terms.city import Streets
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.outcome import OutcomeRows

VEHICLE, BICYCLE, BUS, WALK, TRAM = 0, 1, 2, 3, 4
DELAY_OF = ("vehicle_delay_s_trip", "bicycle_delay_s_trip", "bus_delay_s_trip", "pedestrian_delay_s_trip", "tram_delay_s_trip")
_MODE_OF_CLASS = {"bicycle": BICYCLE, "bus": BUS, "coach": BUS, "tram": TRAM}
UNCOUNTED = 9
_RAIL = frozenset({"rail", "rail_urban", "rail_electric", "rail_fast", "subway"})
_TRIP = re.compile(r"<tripinfo id=\"([^\"]*)\"([^>]*)>")
_FIELD = re.compile(r"(\w+)=\"([^\"]*)\"")
_EDGE = re.compile(r"<edge id=\"([^\"]*)\"([^>]*)/>")


@dataclass(frozen=True)
class AreaOf:
    """Which area a street of the network lies in: by street id, by intersection, and where nothing is known."""

    street: Mapping[str, int]
    intersection: Mapping[str, int]
    elsewhere: int

    def of(self, edge: str) -> int:
        """Return the area number of a street or of a part inside an intersection."""
        if edge.startswith(":"):
            return self.intersection.get(edge[1:].rsplit("_", 1)[0], self.elsewhere)
        return self.street.get(edge, self.elsewhere)


def areas_of(streets: Streets, areas: Sequence[str]) -> AreaOf:
    """Return the area of every street and intersection of a city."""
    number = {name: place for place, name in enumerate(areas)}
    of_street: dict[str, int] = {}
    of_node: dict[str, int] = {}
    for row in range(len(streets)):
        area = number.get(str(streets.area[row]), 0)
        of_street[str(streets.id[row])] = area
        of_node.setdefault(str(streets.from_node[row]), area)
        of_node.setdefault(str(streets.to_node[row]), area)
    return AreaOf(of_street, of_node, 0)


class Account:
    """Sums of lost time, trips, stops and longest waits by area, since they were last taken."""

    def __init__(self, areas: AreaOf, count: int, settings: Settings) -> None:
        self._areas = areas
        self._persons = np.array([settings.persons_per_car, 1.0, settings.persons_per_bus, 1.0, settings.persons_per_tram])
        self.delay_s = np.zeros((len(DELAY_OF), count))
        self.trips = np.zeros((len(DELAY_OF), count))
        self.stops = np.zeros(count)
        self.ended = np.zeros(count)
        self.arrivals = np.zeros(count)
        self.longest_s = np.zeros((len(LONGEST_OF), count))
        self._lost_s: dict[str, tuple[int, int, float]] = {}
        self._counting = False

    def begin(self) -> None:
        """From now on it counts: what was lost before is forgotten."""
        for sums in (self.delay_s, self.trips, self.stops, self.ended, self.arrivals, self.longest_s):
            sums[:] = 0.0
        self._counting = True

    def _note(self, name: str, mode: int, area: int, lost_s: float) -> None:
        known = self._lost_s.get(name)
        if known is None:
            self.trips[mode, area] += 1.0
            self.delay_s[mode, area] += lost_s
        else:
            self.delay_s[mode, area] += lost_s - known[2]
        self._lost_s[name] = (mode, area, lost_s)

    def poll(self, sumo: Any) -> None:
        """Count the time lost so far by everybody under way and by everybody who waits to enter the network."""
        vehicle = sumo.vehicle
        for waiting, names in ((False, vehicle.getIDList()), (True, sumo.simulation.getPendingVehicles())):
            for name in names:
                known = self._lost_s.get(name)
                if known is None:
                    kind = vehicle.getVehicleClass(name)
                    if kind in _RAIL:
                        continue
                    mode, area = _MODE_OF_CLASS.get(kind, VEHICLE), self._areas.of(vehicle.getRoute(name)[0])
                else:
                    mode, area = known[:2]
                lost_s = vehicle.getDepartDelay(name) + (0.0 if waiting else vehicle.getTimeLoss(name))
                self._note(name, mode, area, lost_s)

    def read_trips(self, records: str, mode_of_type: Mapping[str, int]) -> None:
        """Count the trips that ended, from SUMO's records of them."""
        for name, rest in _TRIP.findall(records):
            fields = dict(_FIELD.findall(rest))
            mode = mode_of_type.get(fields["vType"], VEHICLE)
            if mode == UNCOUNTED:
                continue
            known = self._lost_s.get(name)
            area = known[1] if known else self._areas.of(fields["departLane"].rsplit("_", 1)[0])
            self._note(name, known[0] if known else mode, area, float(fields["timeLoss"]) + float(fields["departDelay"]))
            del self._lost_s[name]
            if mode == TRAM:
                continue
            self.ended[area] += 1.0
            self.stops[area] += float(fields["waitingCount"])
            if mode == VEHICLE:
                self.arrivals[self._areas.of(fields["arrivalLane"].rsplit("_", 1)[0])] += 1.0

    def read_walks(self, records: str) -> None:
        """Count standing time and walks begun, from SUMO's sums per street."""
        for edge, rest in _EDGE.findall(records):
            fields = dict(_FIELD.findall(rest))
            area = self._areas.of(edge)
            self.delay_s[WALK, area] += float(fields.get("waitingTime", 0.0))
            self.trips[WALK, area] += float(fields.get("departed", 0.0))

    def waited(self, area: IntArray, kind: IntArray, wait_s: FloatArray) -> None:
        """Note how long somebody has been waiting at red, one entry per signal_group (n,); kind: place in LONGEST_OF."""
        np.maximum.at(self.longest_s, (kind, area), wait_s)

    def take(self) -> OutcomeRows:
        """Return what was counted since the last call. Lost time of an area where no trip began waits for one."""
        if not self._counting:
            return OutcomeRows(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
        rows: list[tuple[int, int, float, float]] = []
        begun = self.trips > 0
        persons = self._persons @ self.trips
        lost_s = self._persons @ np.where(begun, self.delay_s, 0.0)
        for area in np.flatnonzero(persons > 0):
            rows.append(
                (NAMES.index("person_delay_s_trip"), int(area), float(lost_s[area] / persons[area]), float(persons[area]))
            )
        for mode, name in enumerate(DELAY_OF):
            for area in np.flatnonzero(self.trips[mode] > 0):
                mean = self.delay_s[mode, area] / self.trips[mode, area]
                rows.append((NAMES.index(name), int(area), float(mean), float(self.trips[mode, area])))
                self.delay_s[mode, area] = self.trips[mode, area] = 0.0
        for area in np.flatnonzero(self.ended > 0):
            ended = float(self.ended[area])
            rows.append((NAMES.index("stops_per_trip"), int(area), float(self.stops[area]) / ended, ended))
            rows.append((NAMES.index("trips_finished"), int(area), ended, 1.0))
        for name, longest_s in (
            ("longest_red_wait_s", self.longest_s.max(axis=0)),
            *zip(LONGEST_OF, self.longest_s, strict=True),
        ):
            rows += [(NAMES.index(name), int(area), float(longest_s[area]), 1.0) for area in np.flatnonzero(longest_s > 0)]
        for sums in (self.stops, self.ended, self.longest_s):
            sums[:] = 0.0
        return rows_of(rows)

    def take_arrivals(self) -> FloatArray:
        """Return the cars that ended a trip per area since the last call."""
        taken = self.arrivals.copy()
        self.arrivals[:] = 0.0
        return taken


def rows_of(rows: Sequence[tuple[int, int, float, float]]) -> OutcomeRows:
    """Return outcome contributions (outcome, area, value, weight) as a table."""
    table = np.array(rows, np.float64).reshape(-1, 4)
    return OutcomeRows(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2].copy(), table[:, 3].copy())


class Waits:
    """How long somebody has been waiting at each red signal_group: from the first second in which somebody stands to green."""

    def __init__(self, groups: int) -> None:
        self.waiting_s = np.zeros(groups)

    def step(self, stands: BoolArray, here: BoolArray, red: BoolArray) -> FloatArray:
        """Advance one second. stands, here, red: (g,). Once somebody stands, the wait goes on until green, or until nobody
        is left there (from a lane of several groups they may have gone with another)."""
        self.waiting_s = np.where(red & (stands | (here & (self.waiting_s > 0))), self.waiting_s + 1.0, 0.0)
        return self.waiting_s
