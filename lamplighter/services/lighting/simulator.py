# SPDX-License-Identifier: Apache-2.0
"""The street lights in software: boxes with their own calendar, lamps that age and fail, meters that are read.

Each segment's lamps follow a calendar stored in them (dusk to dawn, full output). A command overrides it until it
expires; then the calendar holds again. What is drawn follows a straight power law with a standing part for the gear, and
rises with age where constant light output makes up for fading. Truth is computed from the state of every lamp and leaves
only as sums.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamplighter.services.lighting import sun, truth, wire
from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.photometry.luminaires import GEAR_W
from lamplighter.services.lighting.prepared import prepare
from lamplighter.services.lighting.terms import BOUNDARY_S, CADENCE_S, FLOW
from lamplighter.terms.columns import AnyArray, BoolArray, FloatArray
from lamplighter.terms.outcome import OutcomeRows
from lamplighter.terms.reading import Message, Reading
from lamplighter.terms.simulation import Advance, Simulated, SimulationStart, World

FILTER_VAR_SHARE = 0.12  # a driver's input filter draws capacitive reactive power whatever the light, by rated power
STANDBY_W = 0.4  # by day the gear's node stays on
CLO_NEW_SHARE = 0.9  # constant light output: a new lamp needs this share of the light's power, an old one all of it
REPORT_KEPT_S = 2 * CADENCE_S  # what was reported earlier has been superseded by the time it is fetched
SOURCE = "lighting-gateway"


class LightingField:
    """The simulated field of one city's street lights. Seeded; the same messages give the same lamps."""

    def __init__(self, start: SimulationStart) -> None:
        """Install every lamp's calendar, draw which lamps are old and which are dead, and stand at the start."""
        self._layout: Layout = prepare(start.city)
        segments = self._layout.segments
        dice = np.random.default_rng([start.seed, 60598])
        lamps = len(self._layout.lamp_segment)
        self._alive: BoolArray = dice.random(lamps) >= start.city.settings.lamp_fault_share
        self._clo: FloatArray = CLO_NEW_SHARE + (1.0 - CLO_NEW_SHARE) * dice.random(lamps)
        self._begin_s = start.begin_s
        self._now_s = start.begin_s - start.warm_up_s
        count = len(segments.design)
        self._override: FloatArray = np.zeros(count)
        self._expires_s: FloatArray = np.full(count, -np.inf)
        self._ramp_s: FloatArray = np.full(count, 5.0)
        self._dimming_level: FloatArray = np.full(count, 1.0 if self._dark(self._now_s) else 0.0)
        self._energised: BoolArray = np.ones(len(self._layout.cabinet_asset), dtype=np.bool_)
        self._cell_wh: FloatArray = np.zeros(len(self._layout.cell_asset))
        self._cell_level: FloatArray = np.zeros(len(self._layout.cell_asset))
        self._cell_minutes = 0
        self._size = len(start.city.assets)
        self._areas = len(start.city.areas)
        self._power_w: FloatArray = np.zeros(len(self._layout.cabinet_asset))
        self._reactive_var: FloatArray = np.zeros(len(self._layout.cabinet_asset))
        self._rejected = 0
        self._account = truth.open_account(start.city, self._layout)
        self._refit()

    def _refit(self) -> None:
        """Recompute what depends on which lamps live: power per segment and the light of its worst field."""
        layout = self._layout
        segments = layout.segments
        per_lamp_w = segments.power_w[layout.lamp_segment] - GEAR_W
        count = len(segments.design)
        self._gear_w = np.bincount(layout.lamp_segment, weights=self._alive * GEAR_W, minlength=count)
        self._light_w = np.bincount(layout.lamp_segment, weights=self._alive * per_lamp_w * self._clo, minlength=count)
        self._living = np.bincount(layout.lamp_segment, weights=self._alive, minlength=count)
        self._account = truth.refitted(self._account, self._alive, layout)

    def _dark(self, at_s: float) -> bool:
        layout = self._layout
        return float(sun.elevation_deg(np.array(at_s), layout.lon_deg, layout.lat_deg)) < layout.dusk_elevation_deg

    def advance(self, to_s: float, messages: Sequence[Message], world: World) -> Advance:
        """Deliver the messages, run minute by minute to `to_s`, and return reports, power drawn and true outcomes."""
        for message in messages:
            self._obey(message)
        if "energised" in world:
            self._energised = np.asarray(world["energised"])[self._layout.cabinet_asset].astype(np.bool_)
        flow = np.asarray(world[FLOW], dtype=np.float64) if FLOW in world else None
        readings: list[Reading] = []
        truths: list[OutcomeRows] = []
        while (self._now_s // CADENCE_S + 1) * CADENCE_S <= to_s:
            self._now_s = (self._now_s // CADENCE_S + 1) * CADENCE_S
            self._minute()
            if to_s - self._now_s < REPORT_KEPT_S:
                readings += self._reports()
            if self._now_s % BOUNDARY_S == 0:
                cells = self._cell_reports()
                readings += cells if to_s - self._now_s < REPORT_KEPT_S else []
                self._account, rows = truth.close_quarter(self._account, self._now_s, flow, self._layout)
                if self._now_s > self._begin_s:
                    truths.append(rows)
        p_kw, q_kvar = np.zeros(self._size), np.zeros(self._size)
        p_kw[self._layout.cabinet_asset] = self._power_w / 1000.0
        q_kvar[self._layout.cabinet_asset] = self._reactive_var / 1000.0
        return Advance(readings, {"p_kw": p_kw, "q_kvar": q_kvar}, truth.joined(truths))

    def _obey(self, message: Message) -> None:
        """Take a command as a box does: bytes that are no command, or that have expired, change nothing."""
        try:
            command = wire.read_command(message)
        except ValueError:
            self._rejected += 1
            return
        known = command.segment < len(self._dimming_level)
        rows = command.segment[known]
        if command.hand_back:
            self._expires_s[rows] = -np.inf
        elif command.expires_s > self._now_s:
            self._override[rows] = command.dimming_level[known]
            self._expires_s[rows] = command.expires_s
            self._ramp_s[rows] = command.ramp_s

    def _minute(self) -> None:
        """Run the minute that ends now: calendar, override, ramp, supply, meters."""
        layout = self._layout
        segments = layout.segments
        begun_s = self._now_s - CADENCE_S
        overridden = self._expires_s > begun_s
        target = np.where(overridden, self._override, 1.0) if self._dark(begun_s) else np.zeros(len(self._dimming_level))
        supplied = self._energised[segments.cabinet]
        target = np.where(supplied, target, 0.0)
        ramp_s = np.where(overridden, np.minimum(self._ramp_s, CADENCE_S), 0.0)
        mean = target + (self._dimming_level - target) * ramp_s / (2.0 * CADENCE_S)
        mean = np.where(supplied, mean, 0.0)
        burning = mean > 0.0
        drawn_w = np.where(burning, self._gear_w + self._light_w * mean, self._living * STANDBY_W)
        drawn_w = np.where(supplied, drawn_w, 0.0)
        filter_var = np.where(supplied & burning, FILTER_VAR_SHARE * segments.power_w * self._living, 0.0)
        cabinets = len(layout.cabinet_asset)
        self._power_w = np.bincount(segments.cabinet, weights=drawn_w, minlength=cabinets).astype(np.float64)
        self._reactive_var = -np.bincount(segments.cabinet, weights=filter_var, minlength=cabinets).astype(np.float64)
        self._dimming_level = target
        cells = len(layout.cell_asset)
        self._cell_wh += np.bincount(segments.cell, weights=drawn_w, minlength=cells) / 60.0
        lamps = np.bincount(segments.cell, weights=mean * segments.lamps, minlength=cells)
        self._cell_level += lamps / np.maximum(layout.cell_lamps, 1)
        self._cell_minutes += 1
        self._account = truth.minute(self._account, mean, self._dark(begun_s), drawn_w, layout)

    def _reports(self) -> list[Reading]:
        """Return what the gateway reports of this minute; a box without supply says nothing."""
        supplied = np.flatnonzero(self._energised[self._layout.segments.cabinet])
        rows = np.zeros(len(supplied), dtype=wire.SEGMENT_ROW)
        rows["number"], rows["count"] = supplied, 1
        rows["half_percent"] = np.rint(self._dimming_level[supplied] * wire.HALF_PERCENT)
        live = np.flatnonzero(self._energised)
        meters = np.zeros(len(live), dtype=wire.CABINET_ROW)
        meters["number"] = live
        meters["power_w"], meters["reactive_var"] = np.rint(self._power_w[live]), np.rint(self._reactive_var[live])
        return self._packed("segments", wire.SEGMENTS, rows) + self._packed("cabinets", wire.CABINETS, meters)

    def _cell_reports(self) -> list[Reading]:
        rows = np.zeros(len(self._cell_wh), dtype=wire.CELL_ROW)
        rows["number"] = np.arange(len(rows))
        rows["energy_wh"] = np.rint(self._cell_wh)
        rows["half_percent"] = np.rint(self._cell_level / max(self._cell_minutes, 1) * wire.HALF_PERCENT)
        self._cell_wh, self._cell_level = np.zeros(len(rows)), np.zeros(len(rows))
        self._cell_minutes = 0
        return self._packed("cells", wire.CELLS, rows)

    def _packed(self, topic: str, kind: int, rows: AnyArray) -> list[Reading]:
        """Return readings of at most ROWS_MAX rows each."""
        return [
            Reading(SOURCE, topic, wire.report(kind, rows[a : a + wire.ROWS_MAX], self._now_s), self._now_s)
            for a in range(0, len(rows), wire.ROWS_MAX)
        ]

    def scene(self) -> Simulated[Mapping[str, AnyArray]]:
        """Return nothing beyond what is reported: lamps do not move."""
        return Simulated({})

    def inject(self, fault: str, arguments: Mapping[str, Any]) -> str:
        """Break something: `dead_lamps` (share) kills lamps, `dark_cabinet` (number) opens its supply until the next exchange.

        ValueError names the faults there are.
        """
        if fault == "dead_lamps":
            share = float(arguments.get("share", 0.01))
            dice = np.random.default_rng([int(arguments.get("seed", 0)), int(self._now_s)])
            killed = self._alive & (dice.random(len(self._alive)) < share)
            self._alive = self._alive & ~killed
            self._refit()
            return f"{int(killed.sum())} lamps are dead."
        if fault == "dark_cabinet":
            number = int(arguments.get("number", 0)) % max(len(self._energised), 1)
            self._energised = self._energised.copy()
            self._energised[number] = False
            name = self._layout.asset_id[self._layout.cabinet_asset[number] - self._layout.start]
            return f"{name} has no supply; its lamps are dark and say nothing."
        raise ValueError(f"fault {fault!r} is not known to street lighting; known are dead_lamps, dark_cabinet")

    def close(self) -> None:
        """Nothing is held open."""

    def segment_levels(self) -> FloatArray:
        """Return the output (s,) that the lamps of each segment give now."""
        return self._dimming_level.copy()


def open_simulator(start: SimulationStart) -> LightingField:
    """Return the simulated street lights of a city."""
    return LightingField(start)
