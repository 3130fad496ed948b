# SPDX-License-Identifier: Apache-2.0
"""The street lights in software: boxes with their own calendar, lamps that age and fail, meters that are read.

Each segment's lamps follow a calendar stored in them: the timetable where one was made, else full output from dusk to dawn. A
command overrides it for half an hour at most; then the calendar holds again. A box never takes less than the least steady
output, and without a clock gives full light. What is drawn follows a straight power law with a standing part for the gear, and
rises with age where constant light output makes up for fading. Truth is computed from the state of every lamp and leaves
only as sums.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamplighter.services.lighting import lamps, required, sun, truth, wire
from lamplighter.services.lighting.lamps import CLO_NEW_SHARE, Fleet
from lamplighter.services.lighting.layout import DAY_S, Layout, calendar_output, local_hour, local_s
from lamplighter.services.lighting.photometry.luminaires import GEAR_W
from lamplighter.services.lighting.prepared import prepare
from lamplighter.services.lighting.terms import BOUNDARY_S, CADENCE_S, FLOW, LEASE_S, LEVEL_MIN
from lamplighter.terms.columns import AnyArray, BoolArray, FloatArray
from lamplighter.terms.outcome import OutcomeRows
from lamplighter.terms.reading import Message, Reading
from lamplighter.terms.simulation import Advance, Simulated, SimulationStart, World

FILTER_VAR_SHARE = 0.12  # a driver's input filter draws capacitive reactive power whatever the light, by rated power
REPORT_KEPT_S = 2 * CADENCE_S  # what was reported earlier has been superseded by the time it is fetched
SOURCE = "lighting-gateway"
STREET_FLOW = "street_flow_veh_h"  # true flow of every street, from a simulation that knows it
CLO_SPAN = 1.0 - CLO_NEW_SHARE
MINUTES_PER_HOUR = 60.0
LAMP_FAULTS = {
    "dead_lamps": lamps.DEAD,
    "dark_lamps": lamps.DARK,
    "mute_lamps": lamps.MUTE,
    "stuck_lamps": lamps.STUCK,
    "day_burning_lamps": lamps.ALWAYS_ON,
}
NOON_H = 12
READ_OVER_MIN = 60  # the registers of a city are read within an hour of noon, cabinet by cabinet
RAIN_SHARE, RAIN_S = 0.2, 10_800.0
AMBIENT_LX = (2.0, 8.0)  # of a cell's surroundings in the evening: what designs reckon with
SHOPS_CLOSE_H, SHOPS_OPEN_H, CLOSED_RATIO = 23.0, 6.0, 0.6


class LightingField:
    """The simulated field of one city's street lights. Seeded; the same messages give the same lamps."""

    def __init__(self, start: SimulationStart) -> None:
        """Install every lamp's calendar, draw which lamps are old and which are dead, and stand at the start."""
        self._layout: Layout = prepare(start.city)
        segments = self._layout.segments
        dice = np.random.default_rng([start.seed, 60598])
        count = len(self._layout.lamp_segment)
        fault = np.where(dice.random(count) < start.city.settings.lamp_fault_share, lamps.DARK, lamps.SOUND)
        self._fleet = Fleet(fault.astype(np.int64), CLO_NEW_SHARE + CLO_SPAN * dice.random(count))
        self._seed, self._lost_share = start.seed, start.city.settings.lost_command_share
        self._dice = np.random.default_rng([start.seed, 13201])
        self._begin_s = start.begin_s
        self._now_s = start.begin_s - start.warm_up_s
        cabinets, cells, count = len(self._layout.cabinet_asset), len(self._layout.cell_asset), len(segments.design)
        self._override: FloatArray = np.zeros(count)
        self._expires_s: FloatArray = np.full(count, -np.inf)
        self._ramp_s: FloatArray = np.full(count, 5.0)
        self._timed: BoolArray = np.ones(count, dtype=np.bool_)
        self._registers = lamps.empty_registers(self._layout)
        self._dimming_level: FloatArray = self._by_calendar(self._now_s)
        self._energised: BoolArray = np.ones(cabinets, dtype=np.bool_)
        self._tripped: BoolArray = np.zeros(cabinets, dtype=np.bool_)
        self._silent: BoolArray = np.zeros(cabinets, dtype=np.bool_)
        self._meter: FloatArray = 1.0 + lamps.METER_DEVIATION_RATIO * dice.standard_normal(cabinets)
        self._ambient_lx: FloatArray = dice.uniform(*AMBIENT_LX, cells)
        self._cell_wh: FloatArray = np.zeros(cells)
        self._cell_light_wh: FloatArray = np.zeros(cells)
        self._size = len(start.city.assets)
        self._power_w: FloatArray = np.zeros(cabinets)
        self._reactive_var: FloatArray = np.zeros(cabinets)
        self._day_wh: FloatArray = np.zeros(cabinets)
        self._noon: tuple[FloatArray, FloatArray, FloatArray] | None = None
        self._noon_wh: FloatArray = np.zeros(cabinets)
        self._rejected = 0
        self._account = truth.open_account(start.city, self._layout)
        self._refit()

    def _refit(self) -> None:
        """Recompute what depends on which lamps live: power per segment and the light of its worst field."""
        self._drawn = lamps.drawn(self._fleet, self._layout)
        self._account = truth.refitted(self._account, self._fleet.lit(), self._layout)

    def _by_calendar(self, at_s: float) -> FloatArray:
        """Return the output (s,) that the boxes' own calendars give; a box that has lost its clock gives full light."""
        if not self._dark(at_s):
            return np.zeros(len(self._layout.segments.design))
        return np.where(self._timed, calendar_output(at_s, self._layout), 1.0)

    def _dark(self, at_s: float) -> bool:
        layout = self._layout
        return float(sun.elevation_deg(np.array(at_s), layout.lon_deg, layout.lat_deg)) < layout.dusk_elevation_deg

    def advance(self, to_s: float, messages: Sequence[Message], world: World) -> Advance:
        """Deliver the messages, run minute by minute to `to_s`, and return reports, power drawn and true outcomes."""
        for message in messages:
            self._obey(message)
        if "energised" in world:
            self._energised = np.asarray(world["energised"])[self._layout.cabinet_asset].astype(np.bool_)
        flow, on_streets = (np.asarray(world[k], dtype=np.float64) if k in world else None for k in (FLOW, STREET_FLOW))
        readings: list[Reading] = []
        truths: list[OutcomeRows] = []
        while (self._now_s // CADENCE_S + 1) * CADENCE_S <= to_s:
            self._now_s = (self._now_s // CADENCE_S + 1) * CADENCE_S
            self._minute()
            if to_s - self._now_s < REPORT_KEPT_S:
                readings += self._reports()
            readings += self._read_registers()
            if self._now_s % BOUNDARY_S == 0:
                cells = self._cell_reports()
                readings += cells if to_s - self._now_s < REPORT_KEPT_S else []
                passed = truth.Passed(flow, on_streets, required.moves(*self._surroundings(), self._layout))
                self._account, rows = truth.close_quarter(self._account, self._now_s, passed, self._layout)
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
        if self._lost_share > 0.0:
            known &= self._dice.random(len(known)) >= self._lost_share
        rows = command.segment[known]
        if command.hand_back:
            self._expires_s[rows] = -np.inf
        elif command.expires_s > self._now_s:
            self._override[rows] = np.maximum(command.dimming_level[known], LEVEL_MIN)
            self._expires_s[rows] = np.minimum(command.expires_s, self._now_s + LEASE_S)
            self._ramp_s[rows] = command.ramp_s

    def _minute(self) -> None:
        """Run the minute that ends now: calendar, override, ramp, supply, meters."""
        layout = self._layout
        segments = layout.segments
        begun_s = self._now_s - CADENCE_S
        dark = self._dark(begun_s)
        overridden = self._expires_s > begun_s
        own = self._by_calendar(begun_s)
        supplied = (self._energised & ~self._tripped)[segments.cabinet]
        target = np.where(supplied, np.where(overridden & dark, self._override, own), 0.0)
        ramp_s = np.where(overridden, np.minimum(self._ramp_s, CADENCE_S), 0.0)
        mean = np.where(supplied, target + (self._dimming_level - target) * ramp_s / (2.0 * CADENCE_S), 0.0)
        drawn_w = self._drawn.power_w(mean, supplied)
        filter_var = np.where(supplied & (mean > 0.0), FILTER_VAR_SHARE * segments.power_w * self._drawn.living_count, 0.0)
        cabinets, cells = len(layout.cabinet_asset), len(layout.cell_asset)
        self._power_w = np.bincount(segments.cabinet, weights=drawn_w, minlength=cabinets).astype(np.float64)
        self._reactive_var = -np.bincount(segments.cabinet, weights=filter_var, minlength=cabinets).astype(np.float64)
        self._dimming_level = target
        self._day_wh = self._day_wh + self._power_w * self._meter / MINUTES_PER_HOUR
        self._registers = lamps.counted(self._registers, mean, supplied, 1.0 / MINUTES_PER_HOUR)
        self._cell_wh += np.bincount(segments.cell, weights=drawn_w, minlength=cells) / MINUTES_PER_HOUR
        rated_w = mean * (segments.power_w - GEAR_W) * segments.lamps
        self._cell_light_wh += np.bincount(segments.cell, weights=rated_w, minlength=cells) / MINUTES_PER_HOUR
        self._account = truth.minute(self._account, mean, dark, drawn_w, layout)

    def _surroundings(self) -> tuple[FloatArray, FloatArray]:
        """Return ambient light in lx, and the share of the last quarter-hour with wet roads, per cell (c,)."""
        before_s = self._now_s - 1.0
        spell = np.random.default_rng([self._seed, 77, int(before_s // RAIN_S)])
        wet = 1.0 if spell.random() < RAIN_SHARE else 0.0
        hour = local_hour(before_s, self._layout.local)
        closed = hour >= SHOPS_CLOSE_H or hour < SHOPS_OPEN_H
        return self._ambient_lx * (CLOSED_RATIO if closed else 1.0), np.full(len(self._ambient_lx), wet)

    def _read_registers(self) -> list[Reading]:
        """Return what lamps and cabinets counted in the day that ended at noon, a share of the cabinets each minute."""
        layout = self._layout
        minute = int(local_s(self._now_s, layout.local) % DAY_S // CADENCE_S) - NOON_H * 60
        if minute == 0:
            self._noon = lamps.read(self._registers, self._fleet, layout)
            self._noon_wh, self._day_wh = self._day_wh, np.zeros_like(self._day_wh)
            self._registers = lamps.empty_registers(layout)
        if not 0 <= minute < READ_OVER_MIN or self._noon is None:
            return []
        turn = np.arange(len(layout.cabinet_asset)) % READ_OVER_MIN == minute
        told = turn & self._energised & ~self._tripped
        metered = np.flatnonzero(told & ~self._silent)
        registers = np.zeros(len(metered), dtype=wire.REGISTER_ROW)
        registers["number"], registers["energy_wh"] = metered, np.rint(self._noon_wh[metered])
        speaks = (self._fleet.fault != lamps.DEAD) & (self._fleet.fault != lamps.MUTE)
        number = np.flatnonzero(told[layout.segments.cabinet[layout.lamp_segment]] & speaks)
        rows = np.zeros(len(number), dtype=wire.LAMP_ROW)
        rows["number"], rows["energy_wh"] = number, np.rint(self._noon[0][number])
        rows["burn_ch"], rows["light_ch"] = np.rint(self._noon[1][number] * 100.0), np.rint(self._noon[2][number] * 100.0)
        return self._packed("lamps", wire.LAMPS, rows) + self._packed("registers", wire.REGISTERS, registers)

    def _reports(self) -> list[Reading]:
        """Return what the gateway reports of this minute; a box without supply says nothing."""
        speaking = self._energised & ~self._tripped & ~self._silent
        supplied = np.flatnonzero((self._energised & ~self._tripped)[self._layout.segments.cabinet])
        rows = np.zeros(len(supplied), dtype=wire.SEGMENT_ROW)
        rows["number"], rows["count"] = supplied, 1
        rows["half_percent"] = np.rint(self._dimming_level[supplied] * wire.HALF_PERCENT)
        live = np.flatnonzero(speaking)
        meters = np.zeros(len(live), dtype=wire.CABINET_ROW)
        meters["number"] = live
        meters["power_w"], meters["reactive_var"] = np.rint(self._power_w[live]), np.rint(self._reactive_var[live])
        return self._packed("segments", wire.SEGMENTS, rows) + self._packed("cabinets", wire.CABINETS, meters)

    def _cell_reports(self) -> list[Reading]:
        rows = np.zeros(len(self._cell_wh), dtype=wire.CELL_ROW)
        rows["number"] = np.arange(len(rows))
        rows["energy_wh"], rows["light_wh"] = np.floor(self._cell_wh), np.floor(self._cell_light_wh)
        # What is short of a watt-hour stays in the register, as in any meter.
        self._cell_wh, self._cell_light_wh = self._cell_wh % 1.0, self._cell_light_wh % 1.0
        about = np.zeros(len(rows), dtype=wire.SURROUNDINGS_ROW)
        ambient_lx, wet_share = self._surroundings()
        about["number"], about["wet_percent"] = np.arange(len(rows)), np.rint(wet_share * 100.0)
        about["ambient_dlx"] = np.rint(ambient_lx * 10.0)
        return self._packed("cells", wire.CELLS, rows) + self._packed("surroundings", wire.SURROUNDINGS, about)

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
        """Break something on purpose.

        `dead_lamps`, `dark_lamps`, `mute_lamps`, `stuck_lamps`, `day_burning_lamps` (share, or lamps: a list of places), each
        with a seed; `dark_cabinet`, `silent_cabinet`, `lost_clock` (number of the cabinet); `ambient` (lx). ValueError names
        the faults there are.
        """
        if fault in LAMP_FAULTS:
            return self._break_lamps(LAMP_FAULTS[fault], arguments)
        number = int(arguments.get("number", 0)) % max(len(self._energised), 1)
        name = self._layout.asset_id[self._layout.cabinet_asset[number] - self._layout.start]
        if fault == "dark_cabinet":
            self._tripped[number] = True
            return f"{name} has no supply; its lamps are dark and say nothing."
        if fault == "silent_cabinet":
            self._silent[number] = True
            return f"The meter of {name} says nothing; its lamps burn."
        if fault == "ambient":
            self._ambient_lx = np.full(len(self._ambient_lx), float(arguments.get("lx", 0.5)))
            return f"The surroundings of every cell give {self._ambient_lx[0]:g} lx in the evening."
        if fault == "lost_clock":
            self._timed[self._layout.segments.cabinet == number] = False
            return f"The lamps of {name} have lost their clock; without a command they give full light while it is dark."
        known = ", ".join((*LAMP_FAULTS, "dark_cabinet", "silent_cabinet", "lost_clock", "ambient"))
        raise ValueError(f"fault {fault!r} is not known to street lighting; known are {known}")

    def _break_lamps(self, code: int, arguments: Mapping[str, Any]) -> str:
        fault = self._fleet.fault.copy()
        if "lamps" in arguments:
            chosen = np.zeros(len(fault), dtype=np.bool_)
            chosen[np.asarray(arguments["lamps"], dtype=np.int64)] = True
        else:
            dice = np.random.default_rng([int(arguments.get("seed", 0)), int(self._now_s)])
            chosen = dice.random(len(fault)) < float(arguments.get("share", 0.01))
        chosen &= fault == lamps.SOUND
        self._registers = lamps.broken(self._registers, self._fleet, self._layout)
        fault[chosen] = code
        self._fleet = Fleet(fault, self._fleet.clo_ratio)
        self._refit()
        return f"{int(chosen.sum())} lamps: each {lamps.FAULTS[code]}."

    def now_s(self) -> float:
        """Return the moment up to which it has run."""
        return self._now_s

    def fleet(self) -> Fleet:
        """Return the true state of every lamp."""
        return self._fleet

    def close(self) -> None:
        """Nothing is held open."""

    def segment_levels(self) -> FloatArray:
        """Return the output (s,) that the lamps of each segment give now."""
        return self._dimming_level.copy()


def open_simulator(start: SimulationStart) -> LightingField:
    """Return the simulated street lights of a city."""
    return LightingField(start)
