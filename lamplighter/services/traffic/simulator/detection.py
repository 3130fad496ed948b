# SPDX-License-Identifier: Apache-2.0
"""What loops, lane areas, call buttons and counters see each second, and how they fail when told to."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lamplighter.services.traffic.layout import CALL, COUNT, EXIT, FAR, NEAR, STOP_LINE, Layout
from lamplighter.services.traffic.simulator.engine import Engine
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

ABSURD = 1_000_000_000
SILENT, STUCK, ABSURDLY_HIGH = "detector_silent", "detector_stuck", "detector_absurd"
FAULTS = (SILENT, STUCK, ABSURDLY_HIGH)
QUARTER_S = 900


def _all(ask: Callable[[str], float], names: Sequence[str]) -> FloatArray:
    """Return what SUMO answers for every detector."""
    return np.fromiter(map(ask, names), np.float64, len(names))


class Detection:
    """The detectors of one city. Values (d, 2) in device units: loop (vehicles, thousandths), area (vehicles,
    standing), call (1 or 0), counter (vehicles in the last quarter of an hour)."""

    def __init__(self, layout: Layout, engine: Engine) -> None:
        self._detectors = layout.detectors
        self._engine = engine
        role = layout.detectors.role
        self._loops = np.flatnonzero(role == STOP_LINE)
        self._areas = np.flatnonzero((role == NEAR) | (role == FAR) | (role == EXIT))
        self._calls = np.flatnonzero(role == CALL)
        self._counters = np.flatnonzero(role == COUNT)
        self._loop_names = [str(row) for row in self._loops]
        self._area_names = [str(row) for row in self._areas]
        self._lanes = [
            [f"{row}.{number}" for number in range(len(engine.counter_lanes.get(str(layout.detectors.street[row]), ())))]
            for row in self._counters
        ]
        self._passed = np.zeros(len(self._loops), np.int64)
        self._cover = np.zeros(len(self._loops))
        self._counted = np.zeros(len(self._counters), np.int64)
        crossings: dict[str, int] = {str(layout.detectors.street[row]): int(row) for row in self._calls}
        self._crossing_of = crossings
        self._beside = sorted({area for row in self._calls for area in str(layout.detectors.beside[row]).split()})
        count = len(role)
        self.values = np.zeros((count, 2), np.int64)
        self.seen = np.zeros((count, 2), np.int64)
        self.present = np.ones(count, np.bool_)
        self._fault: dict[int, str] = {}
        self._frozen: dict[int, IntArray] = {}
        self._group_row = np.repeat(np.arange(count), np.diff(layout.detectors.group_offsets))
        self._unwatched = ~self._before((role == NEAR) | (role == CALL), len(layout.groups.box))

    def read(self, group_green: BoolArray, now_s: int) -> None:
        """Fill `seen` (the truth) and `values`, `present` (what the detectors say). group_green (g,)."""
        sumo: Any = self._engine.sumo
        cover = _all(sumo.inductionloop.getLastStepOccupancy, self._loop_names)
        self.seen[self._loops, 0] = 0
        self.seen[self._loops, 1] = np.minimum(np.rint(cover * 10.0), 1000.0)
        passed_of, names = sumo.inductionloop.getIntervalVehicleNumber, self._loop_names
        for place in np.flatnonzero((cover > 0) | (self._cover > 0)).tolist():  # nobody else can have passed
            passed = passed_of(names[place])
            self.seen[self._loops[place], 0] = passed - self._passed[place]
            self._passed[place] = passed
        self._cover = cover
        veh = _all(sumo.lanearea.getLastStepVehicleNumber, self._area_names)
        halting_of, names = sumo.lanearea.getLastStepHaltingNumber, self._area_names
        self.seen[self._areas, 0] = veh
        self.seen[self._areas, 1] = 0
        for place in np.flatnonzero(veh).tolist():  # nobody stands on an empty stretch
            self.seen[self._areas[place], 1] = halting_of(names[place])
        self._read_calls(sumo, group_green)
        if now_s % QUARTER_S == 0:
            self._read_counters(sumo)
        np.copyto(self.values, self.seen)
        self._break()

    def _read_calls(self, sumo: Any, group_green: BoolArray) -> None:
        """A call stands from the first person who wants to cross at red until the crossing is green."""
        detectors = self._detectors
        if len(self._calls) == 0:
            return
        served = np.zeros(len(self.present), np.bool_)
        served[self._group_row[group_green[detectors.group]]] = True
        self.seen[self._calls[served[self._calls]], 0] = 0
        people_on, next_of = sumo.edge.getLastStepPersonIDs, sumo.person.getNextEdge
        for place in self._beside:
            for person in people_on(place):
                row = self._crossing_of.get(next_of(person))
                if row is not None and not served[row]:
                    self.seen[row, 0] = 1

    def _read_counters(self, sumo: Any) -> None:
        passed_of = sumo.inductionloop.getIntervalVehicleNumber
        total = np.array([sum(passed_of(name) for name in names) for names in self._lanes], np.int64).reshape(-1)
        self.seen[self._counters, 0] = total - self._counted
        self._counted = total

    def _break(self) -> None:
        for row, fault in self._fault.items():
            if fault == ABSURDLY_HIGH:
                self.values[row] = ABSURD
            elif fault == STUCK:
                self.values[row] = self._frozen[row]

    def fail(self, fault: str, arguments: Mapping[str, Any]) -> str:
        """Break or mend one detector named by its id in `arguments`; say what was done. ValueError says what is wrong."""
        name = str(arguments.get("detector", ""))
        found = np.flatnonzero(self._detectors.id == name)
        if fault not in (*FAULTS, "mend"):
            raise ValueError(f"fault {fault!r} is unknown; there are {', '.join((*FAULTS, 'mend'))}")
        if len(found) == 0:
            raise ValueError(f"detector {name!r} is unknown; give the id of a row of traffic/detectors.csv")
        row = int(found[0])
        if fault == "mend":
            self._fault.pop(row, None)
            self.present[row] = True
            return f"Detector {name} works again."
        self._fault[row] = fault
        self.present[row] = fault != SILENT
        self._frozen[row] = np.maximum(self.values[row], 1) if fault == STUCK else self.values[row].copy()
        said = {SILENT: "is silent", STUCK: f"is stuck at {self._frozen[row].tolist()}", ABSURDLY_HIGH: f"reports {ABSURD}"}
        return f"Detector {name} {said[fault]} from now on."

    def true_flows(self, assets: int, start: int) -> FloatArray:
        """Return the flow of every counter over the last whole quarter of an hour in veh/h, by city position (assets,)."""
        flows = np.zeros(assets)
        flows[start + self._detectors.local[self._counters]] = self.seen[self._counters, 0] * (3600 / QUARTER_S)
        return flows

    def demand(self, groups: int) -> tuple[BoolArray, BoolArray]:
        """Return the signal_groups (g,) before which somebody truly stands or has called, and those with anybody there."""
        return self._demand(self.seen, np.zeros(len(self.present), np.bool_), groups)

    def told(self, groups: int) -> tuple[BoolArray, BoolArray]:
        """Return the same as the box takes it from its detectors: where one is silent, or none is, somebody waits."""
        stands, here = self._demand(self.values, ~self.present, groups)
        return stands | self._unwatched, here | self._unwatched

    def _demand(self, values: IntArray, silent: BoolArray, groups: int) -> tuple[BoolArray, BoolArray]:
        role = self._detectors.role
        tells = (role == NEAR) | (role == CALL)
        here = tells & ((values[:, 0] > 0) | silent)
        stands = here & ((role == CALL) | (values[:, 1] > 0) | silent)
        return self._before(stands, groups), self._before(here, groups)

    def _before(self, wanted: BoolArray, groups: int) -> BoolArray:
        asked = np.zeros(groups, np.bool_)
        asked[self._detectors.group[wanted[self._group_row]]] = True
        return asked
