# SPDX-License-Identifier: Apache-2.0
"""A whole city run, tick by tick: every service that is due, its field advanced in lock step, outcomes added up."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from lamplighter.evidence.totals import OutcomeTotals
from lamplighter.runtime import loop
from lamplighter.runtime.loop import ServiceRun, Tick
from lamplighter.runtime.wiring import Field, OpenField, simulated
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import AnyArray
from lamplighter.terms.outcome import OutcomeRows
from lamplighter.terms.reading import Message
from lamplighter.terms.service import Service
from lamplighter.terms.simulation import Advance, SimulationStart, World

Arm = Literal["adaptive", "baseline"]
WORLD_EVERY_S = 60
ACCUMULATES = "arrivals_"  # world arrays with this beginning add up until the reader's next advance
SUMMED = ("p_kw", "q_kvar")  # every field draws its own share of these: what a reader sees is the sum


@dataclass(frozen=True)
class RunPlan:
    """One run of a simulated city: which services in which arm, which seed, from when (POSIX seconds)."""

    seed: int
    begin_s: float
    warm_up_s: float
    arms: Mapping[str, Arm]
    scale: float = 1.0


class CityRun:
    """A simulated city under control. Nothing here knows a service by name."""

    def __init__(
        self, services: Sequence[Service], cities: Mapping[str, CityData], plan: RunPlan, open_field: OpenField = simulated
    ) -> None:
        """Start the fields (simulated ones each in a process of its own) and prepare the services meanwhile."""
        self.plan = plan
        self.now_s = plan.begin_s
        self._fields: dict[str, Field] = {}
        self._pending: dict[str, list[Message]] = {service.name: [] for service in services}
        self._exports: dict[str, World] = {}
        self._totals: dict[str, dict[str, AnyArray]] = {service.name: {} for service in services}
        self.latest_advance: dict[str, Advance] = {}
        try:
            for service in services:
                start = SimulationStart(cities[service.name], plan.seed, plan.begin_s, plan.warm_up_s, plan.scale)
                self._fields[service.name] = open_field(service, start)
            self.runs = [loop.open_run(s, cities[s.name], plan.arms.get(s.name, "baseline") == "adaptive") for s in services]
        except BaseException:
            for field in self._fields.values():  # what opened must not outlive what did not
                with contextlib.suppress(Exception):
                    field.close()
            raise
        areas = next(iter(cities.values())).areas if cities else ()
        self.truth = {s.name: OutcomeTotals(s.outcome_names, areas) for s in services}
        self.measured = {s.name: OutcomeTotals(s.outcome_names, areas) for s in services}

    def wait_ready(self) -> None:
        """Wait until every field is open."""
        for process in self._fields.values():
            process.wait_ready()

    def run_of(self, service: str) -> ServiceRun:
        """Return one service's run; KeyError names those there are."""
        for run in self.runs:
            if run.service.name == service:
                return run
        raise KeyError(f"no service {service!r}; there are {', '.join(r.service.name for r in self.runs)}")

    def due(self, now_s: float) -> list[ServiceRun]:
        """Return the services whose cadence falls on this second."""
        return [run for run in self.runs if (now_s - self.plan.begin_s) % run.service.cadence_s == 0]

    def advance(self) -> dict[str, Tick]:
        """Let the city run to the next second at which any service is due, and do those services' ticks."""
        step_s = int(np.gcd.reduce([run.service.cadence_s for run in self.runs]))
        to_s = self.now_s + step_s
        self._settle_debts()
        due = self.due(to_s)
        for run in due:
            name = run.service.name
            field = self._fields[name]
            world: World = self._world(name) if self._meets(run, to_s) else {}
            field.begin(to_s, self._pending[name] if field.lock_step else (), world)
            if field.lock_step:
                self._pending[name] = []
            if world:
                self._totals[name] = {}
        answers = {run.service.name: self._fields[run.service.name].finish() for run in due}
        self.now_s = to_s
        return {run.service.name: self._tick(run, answers[run.service.name]) for run in due}

    def _meets(self, run: ServiceRun, to_s: float) -> bool:
        """Tell whether a field is shown the others now: the joint physics is slow, so once a minute is enough."""
        return run.service.cadence_s >= WORLD_EVERY_S or (to_s - self.plan.begin_s) % WORLD_EVERY_S == 0

    def _tick(self, run: ServiceRun, answer: Advance) -> Tick:
        name = run.service.name
        self.latest_advance[name] = answer
        self._take_exports(name, answer.exports)
        done = loop.tick(run, self.runs, answer.readings, self.now_s)
        if self._fields[name].lock_step:
            self._pending[name].extend(done.messages)
        else:
            # What cannot be sent now is not sent later: it would be obeyed late.
            self._fields[name].send(done.messages, self.now_s)
        _add(self.truth[name], answer.truth)
        if done.outcomes is not None:
            try:
                _add(self.measured[name], done.outcomes)
            except ValueError as error:
                return replace(done, outcomes=None, fault=f"{done.fault} {name}: outcomes not counted ({error}).".strip())
        return done

    def _take_exports(self, name: str, exports: World) -> None:
        self._exports[name] = {**self._exports.get(name, {}), **exports}
        for key, value in exports.items():
            if key.startswith(ACCUMULATES):
                for reader, sums in self._totals.items():
                    if reader != name:
                        sums[key] = sums[key] + value if key in sums else np.array(value)

    def _world(self, reader: str) -> World:
        """Return what one field sees of the others: sums, latest values and what added up since it last looked."""
        world: dict[str, AnyArray] = dict(self._totals[reader])
        for name, exports in self._exports.items():
            if name == reader:
                continue
            for key, value in exports.items():
                if key in SUMMED and key in world:
                    world[key] = world[key] + value
                elif not key.startswith(ACCUMULATES):
                    world[key] = value
        return world

    def set_arm(self, service: str, arm: Arm) -> int:
        """Choose a service's arm; going back to baseline frees every box at once. Returns how many were freed."""
        run = self.run_of(service)
        if arm == "adaptive":
            run.adaptive = np.ones_like(run.adaptive)
            if not self._fields[service].lock_step:
                self._pending[service] = []
            return 0
        messages, boxes = loop.hand_back(run, self.now_s)
        self._pending[service].extend(messages)
        self._settle_debts()
        return boxes

    def _settle_debts(self) -> None:
        """Send again what hands boxes back and could not be sent: unlike an order, it does no harm by being late."""
        for name, owed in self._pending.items():
            if owed and not self._fields[name].lock_step and self._fields[name].send(owed, None):
                self._pending[name] = []

    def release(self) -> None:
        """Hand every real box back, once and at once, before its field is let go. Simulated boxes end with their field."""
        for run in self.runs:
            if not self._fields[run.service.name].lock_step:
                self.set_arm(run.service.name, "baseline")

    def faults(self) -> tuple[str, ...]:
        """Return what keeps a field from being spoken to, and whom it still owes its way back."""
        said: list[str] = []
        for name, field in self._fields.items():
            if field.fault():
                said.append(f"{name}: {field.fault()}.")
            if self._pending[name] and not field.lock_step:
                said.append(f"{name}: boxes could not be told yet that they are handed back; their leases end by themselves.")
        return tuple(said)

    def scene(self) -> dict[str, Mapping[str, AnyArray]]:
        """Return what each simulated field shows of itself on the map."""
        return {name: process.scene().value for name, process in self._fields.items()}

    def inject(self, service: str, fault: str, arguments: Mapping[str, object]) -> str:
        """Break something in one simulated field on purpose."""
        return self._fields[service].inject(fault, arguments)

    def close(self) -> None:
        """Stop every field."""
        for process in self._fields.values():
            process.close()


def _add(totals: OutcomeTotals, rows: OutcomeRows) -> None:
    if len(rows.outcome):
        totals.add(rows)
