# SPDX-License-Identifier: Apache-2.0
"""What a box makes of the radio telegrams of buses and trams: the one place where such a vehicle is looked at by itself.

A vehicle near a signal asks for its green, as buses and trams do by VDV R09.16. The box keeps of it: which movement, bus
or tram, and in which ten seconds the next one arrives. Nothing else leaves this module, and nothing is kept here.
"""

from typing import Any

import numpy as np

from lamplighter.services.traffic.layout import Layout, announced
from lamplighter.services.traffic.simulator.engine import Engine
from lamplighter.services.traffic.terms import DUE_MAX_S, DUE_STEP_S
from lamplighter.terms.columns import IntArray

CLASSES = {"bus": 0, "coach": 0, "tram": 1, "rail_urban": 1, "rail": 1}
NEVER = 255


class Requests:
    """Who asks for green before which movement. offsets (b+1,) into the asking groups of the layout."""

    def __init__(self, layout: Layout, engine: Engine) -> None:
        asking = announced(layout)
        self._sumo: Any = engine.sumo
        self.offsets: IntArray = np.searchsorted(layout.groups.box[asking], np.arange(len(layout.boxes.tls) + 1)).astype(np.int64)
        place = {int(group): row for row, group in enumerate(asking)}
        moves = layout.movements
        self._row = {
            (str(layout.boxes.tls[box]), int(link)): place[int(group)]
            for box, link, group in zip(moves.box, moves.link, moves.group, strict=True)
            if int(group) in place
        }
        self._rows = len(asking)

    def due_tens(self) -> IntArray:
        """Return (rows, 2), for buses and trams: the end of the window of the next arrival in tens of seconds, 0 for none."""
        due = np.full((self._rows, 2), NEVER, np.int64)
        vehicle = self._sumo.vehicle
        for name in vehicle.getIDList():
            kind = CLASSES.get(vehicle.getVehicleClass(name))
            ahead = () if kind is None else vehicle.getNextTLS(name)
            if kind is None or not ahead:
                continue
            row = self._row.get((ahead[0][0], ahead[0][1]))
            if row is None or self._stops_before(name, ahead[0][2]):
                continue
            tens = int(ahead[0][2] / max(vehicle.getAllowedSpeed(name), 1.0) / DUE_STEP_S) + 1
            if tens * DUE_STEP_S <= DUE_MAX_S:
                due[row, kind] = min(due[row, kind], tens)
        return np.where(due == NEVER, 0, due)

    def _stops_before(self, name: str, signal_m: float) -> bool:
        """Tell whether it stands at a stop, or calls at one before the signal: it asks once its doors are closed."""
        vehicle = self._sumo.vehicle
        if vehicle.isStopped(name):
            return True
        stops = vehicle.getStops(name, 1)
        if not stops:
            return False
        edge = stops[0].lane.rsplit("_", 1)[0]
        return bool(0.0 <= vehicle.getDrivingDistance(name, edge, stops[0].endPos) < signal_m)
