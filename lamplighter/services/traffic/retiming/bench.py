# SPDX-License-Identifier: Apache-2.0
"""What a set of programmes costs: delay, stops and full streets of the vehicles counted, by the network model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamplighter.services.traffic.retiming import kernel
from lamplighter.services.traffic.retiming.demand import Demand, roads
from lamplighter.services.traffic.retiming.roads import RoadModel
from lamplighter.services.traffic.retiming.scheme import LIT, Junction, Programme, cycle_s, seconds
from lamplighter.terms.columns import AnyArray, BoolArray, FloatArray, IntArray

START_LOST_S, END_GAIN_S, LAST_S = 3, 2, 3  # HCM 2000, exhibit 10-9: 2 s lost at the start, 2 s of yellow used; SUMO: 3 and 2
SETTLE_S, WATCH_S = 240, 900  # where cycles differ; else whole cycles


@dataclass(frozen=True)
class Aims:
    """What counts: a stop as so many seconds of delay, and how long demand of this size lasts."""

    stop_s: float
    period_h: float


@dataclass(frozen=True)
class Forecast:
    """What the model expects, per lane (l,): flow, delay per vehicle, share that stops, longest queue, demand over what can pass.

    full: streets (by row) that fill up; waiting_veh: vehicles delayed at any moment, the sum over lanes.
    """

    lane: IntArray
    flow_veh_h: FloatArray
    delay_s: FloatArray
    stopped_share: FloatArray
    longest_veh: FloatArray
    saturation_ratio: FloatArray
    fullest_veh: FloatArray
    street: IntArray
    waiting_veh: float


def codes(junction: Junction, programme: Programme) -> AnyArray:
    """Return what each link may do in each second of the cycle (t, n), with starts lost and the end of yellow gained."""
    shown = np.asarray([list(state) for state in seconds(junction, programme)])
    lit = np.isin(shown, list(LIT))
    free, arrow, yellow = shown == "G", shown == "s", np.isin(shown, ["y", "Y"])
    code = np.where(free, kernel.FREE, np.where(lit | arrow, kernel.YIELDS, kernel.DARK)).astype(np.int8)
    for ago in range(1, LAST_S + 1):
        was = np.roll(shown, ago, axis=0)
        run = np.all([np.roll(yellow, k, axis=0) for k in range(ago)], axis=0)
        if ago <= END_GAIN_S:
            code[run & (was == "G")] = kernel.FREE
        code[run & (was == "g")] = kernel.LAST
    dark = ~(lit | arrow)
    for ago in range(1, START_LOST_S + 1):
        code[lit & np.roll(dark, ago, axis=0)] = kernel.DARK
    return code


class Bench:
    """The chosen boxes of a network under one demand; asked over and over with other programmes."""

    def __init__(self, model: RoadModel, demand: Demand, junctions: Sequence[Junction], boxes: BoolArray, aims: Aims) -> None:
        self.roads, self.lanes = roads(model, demand, boxes)
        self.number = np.flatnonzero(boxes)
        self.junctions = [junctions[int(n)] for n in self.number]
        self.aims = aims
        self.street = np.unique(model.lane_edge[self.lanes])
        self.flow_veh_s: FloatArray = (demand.move_share * np.repeat(demand.lane_veh_s, np.diff(model.lane_first)))[
            boxes[model.move_box]
        ]
        self.asked = 0
        self._kept: dict[tuple[int, tuple[int, ...], tuple[float, ...]], AnyArray] = {}

    def lights(self, programmes: Sequence[Programme]) -> kernel.Lights:
        """Return what all boxes show."""
        parts: list[AnyArray] = []
        for n, programme in enumerate(programmes):
            key = (n, programme.order, programme.green_s)
            if key not in self._kept:
                if len(self._kept) > 20000:
                    self._kept.clear()
                self._kept[key] = codes(self.junctions[n], programme)
            parts.append(self._kept[key])
        return kernel.Lights(
            np.cumsum([0] + [part.size for part in parts[:-1]]).astype(np.int64),
            np.asarray([part.shape[1] for part in parts], np.int64),
            np.asarray([part.shape[0] for part in parts], np.int64),
            np.asarray([round(p.offset_s) for p in programmes], np.int64),
            np.concatenate([part.ravel() for part in parts]),
        )

    def _window(self, programmes: Sequence[Programme]) -> tuple[int, int]:
        cycles = {round(cycle_s(j, p)) for j, p in zip(self.junctions, programmes, strict=True)}
        longest = max(cycles)
        if all(longest % cycle == 0 for cycle in cycles):
            settle = longest * max(2, int(np.ceil(120 / longest)))
            return settle, longest * max(1, int(np.ceil(90 / longest)))
        return SETTLE_S, WATCH_S

    def cost(self, programmes: Sequence[Programme]) -> float:
        """Return the vehicles delayed at any moment, stops counted as the aims say, and streets over-full on top."""
        self.asked += 1
        settle, watch = self._window(programmes)
        seen = kernel.watch(self.roads, self.lights(programmes), settle, watch)
        delay = kernel.delays_s(self.roads, seen, watch, self.aims.period_h)
        over = np.maximum(0.0, seen.fullest_veh - 0.9 * self.roads.storage_veh).sum()
        return float(delay.sum() + self.aims.stop_s * seen.stopped_veh.sum() / watch + 0.2 * over)

    def forecast(self, programmes: Sequence[Programme]) -> Forecast:
        """Return what the model expects lane by lane."""
        settle, watch = self._window(programmes)
        seen = kernel.watch(self.roads, self.lights(programmes), settle, watch)
        delay = kernel.delays_s(self.roads, seen, watch, self.aims.period_h).sum(axis=1)
        rate = seen.arrived_veh / watch
        some = np.maximum(seen.arrived_veh, 1e-9)
        return Forecast(
            self.lanes,
            rate * 3600.0,
            np.where(rate > 1e-9, delay / np.maximum(rate, 1e-9), 0.0),
            seen.stopped_veh / some,
            seen.longest_veh,
            seen.arrived_veh / np.maximum(seen.possible_veh, 1e-6),
            seen.fullest_veh,
            self.street,
            float(delay.sum()),
        )
