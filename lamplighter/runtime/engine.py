# SPDX-License-Identifier: Apache-2.0
"""A running simulated city behind its page: one thread that ticks, frozen views for everybody else."""

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from lamplighter.city.folder import attribution_lines, load
from lamplighter.runtime import loop
from lamplighter.runtime.answering import Answering
from lamplighter.runtime.cityrun import Arm, CityRun, RunPlan
from lamplighter.runtime.drawing import about, explained, layer_values, merged_scene
from lamplighter.runtime.loop import ServiceRun, Tick
from lamplighter.runtime.operators import Wish, read_wish, wished
from lamplighter.runtime.recorder import Recorder
from lamplighter.runtime.series import POINTS_MAX, Point, SeriesKeeper
from lamplighter.runtime.settings import record_folder
from lamplighter.runtime.shadow import Shadow
from lamplighter.runtime.simulation import SimulatorError
from lamplighter.runtime.telling import tell
from lamplighter.runtime.view import (
    Asked,
    Box,
    DecisionLine,
    Explanation,
    Found,
    Offer,
    Scene,
    Series,
    ServiceState,
    View,
    Wished,
)
from lamplighter.runtime.wiring import OpenField, simulated
from lamplighter.services import discover
from lamplighter.terms.asking import Letter
from lamplighter.terms.columns import AnyArray
from lamplighter.terms.service import Service

PUBLISH_EVERY_S = 0.25
LINES_MAX = 200
FAULTS_MAX = 8
SPEED_MIN, SPEED_MAX = 0.1, 3600.0
BEHIND_MAX_S = 0.5  # further behind than this, the city runs as fast as it can and says so


class LiveEngine:
    """Runs one simulated city with its shadow and publishes a new view several times a second.

    Implements `runtime.view.Engine`. All that changes the city happens in its own thread; callers only leave wishes.
    """

    def __init__(
        self, folder: Path, plan: RunPlan, end_s: float, with_shadow: bool = True, open_field: OpenField = simulated
    ) -> None:
        """Load the city and start its fields. The services are those that the plan gives an arm.

        CityError where the city cannot be read; HistoryInUseError where another process keeps its record.
        """
        self._services: tuple[Service, ...] = tuple(s for s in discover() if s.name in plan.arms)
        self._cities = load(folder, discover())
        self._plan, self._end_s = plan, end_s
        record = record_folder(next(iter(self._cities.values())).name)
        self._recorder = Recorder(record, self._services, self._cities, f"seed-{plan.seed}")
        try:
            self._run = CityRun(self._services, self._cities, plan, open_field)
        except BaseException:
            self._recorder.close(plan.begin_s)
            raise
        self._answering = Answering(self._run.runs, self._recorder.reader())
        self._simulated = open_field is simulated
        names = tuple(service.name for service in self._services)
        self._shadow = Shadow(folder, names, plan) if with_shadow else None
        first = next(iter(self._cities.values()))
        self._keeper = SeriesKeeper(self._services, first.areas, plan.begin_s)
        self._points: dict[Arm, dict[str, list[Point]]] = {arm: {n: [] for n in names} for arm in ("adaptive", "baseline")}
        self._lines: deque[DecisionLine] = deque(maxlen=LINES_MAX)
        self._ticks: dict[str, Tick] = {}
        self._counts: dict[str, list[int]] = {name: [0, 0, 0, 0] for name in names}
        self._wishes: queue.Queue[Callable[[], None]] = queue.Queue(maxsize=1000)
        self._stop, self._playing, self._changed = threading.Event(), threading.Event(), threading.Event()
        self._playing.set()
        self._speed, self._reached, self._version = 10.0, 0.0, 0
        self._faults: tuple[str, ...] = ()
        self._wish_number = 0
        self._wished: tuple[Wished, ...] = ()
        self._ended = False
        self._scene = self._make_scene(folder)
        self._moving: Mapping[str, AnyArray] = {}
        self._view = self._make_view()
        self._thread = threading.Thread(target=self._work, name="city", daemon=True)

    def _make_scene(self, folder: Path) -> Scene:
        first = next(iter(self._cities.values()))
        return Scene(
            name=first.name, title=first.title, simulated=first.simulated and self._simulated,
            attribution=attribution_lines(folder), place=first.place, streets=first.streets, assets=first.assets,
            areas=first.areas, services=tuple(about(run) for run in self._run.runs), seed=self._plan.seed,
            begin_s=self._plan.begin_s,
        )  # fmt: skip

    # --- what the web may ask -----------------------------------------------------------------------------

    def scene(self) -> Scene:
        """Return what does not change."""
        return self._scene

    def view(self) -> View:
        """Return the newest view."""
        return self._view

    def explain(self, asset_id: str) -> Explanation:
        """Return why an asset does what it does; KeyError where there is no such asset."""
        return explained(asset_id, self._run.runs, self._ticks)

    def play(self) -> None:
        """Let the city run on."""
        self._playing.set()
        self._changed.set()

    def pause(self) -> None:
        """Hold the simulated city still; ValueError where the boxes are real: their time cannot be held."""
        if not self._simulated:
            raise ValueError("a real city cannot be held still; hand it back, and every box runs its own programme")
        self._playing.clear()
        self._changed.set()

    def set_speed(self, speed: float) -> None:
        """Run at so many times real time; ValueError outside the bounds, and for real boxes, which know one speed."""
        if not self._simulated and speed != 1.0:
            raise ValueError("a real city runs at the speed of its clock")
        if not SPEED_MIN <= speed <= SPEED_MAX:
            raise ValueError(
                f"speed {speed:g} is outside {SPEED_MIN:g} to {SPEED_MAX:g} times real time; it stays at {self._speed:g}"
            )
        self._speed = float(speed)
        self._changed.set()

    def set_arm(self, service: str, arm: Arm) -> None:
        """Choose a service's arm; KeyError where there is no such service."""
        self._run.run_of(service)
        self._wish(lambda: self._change_arm(service, arm))

    def hand_back(self) -> int:
        """Free every box; return how many there are."""
        for run in self._run.runs:
            self._wish(lambda name=run.service.name: self._change_arm(name, "baseline"))
        return sum(len(loop.boxes(run)) for run in self._run.runs)

    def ask(self, service: str, asked: Asked) -> int:
        """Put an operator's wish to the gate until it ends; KeyError, ValueError as the protocol says."""
        run = self._run.run_of(service)
        self._wish_number += 1
        wish = read_wish(run.service, run.city.assets, asked, self._wish_number, self._run.now_s)
        self._wish(lambda: self._take(run, wish))
        return wish.number

    def withdraw(self, number: int) -> None:
        """End a wish at the next tick."""
        self._wish(lambda: self._end(number))

    def wishes(self) -> tuple[Wished, ...]:
        """Return the wishes that stand and those that ended lately."""
        return self._wished

    def boxes(self) -> tuple[Box, ...]:
        """Return the boxes of which operators may ask something."""
        return self._answering.boxes()

    def offers(self, asset_id: str) -> tuple[Offer, ...]:
        """Return what an operator may ask of the box that an asset hangs on; KeyError where there is no such asset."""
        return self._answering.offers(asset_id)

    def account(self, asset_id: str, at: str, part: str) -> Letter:
        """Return what was at a box, from the record; KeyError, ValueError as the protocol says."""
        return self._answering.account(asset_id, at, part)

    def found(self) -> tuple[Found, ...]:
        """Return what stands out in the running city."""
        return self._answering.found()

    def _take(self, run: ServiceRun, wish: Wish) -> None:
        run.desk.take(wish)
        self._wished = self._all_wished()
        self._recorder.operator_asked(self._run.now_s, run.service.name, wish, run.city.assets.area[wish.asset])

    def _end(self, number: int) -> None:
        for run in self._run.runs:
            for wish in run.desk.standing():
                if wish.number == number:
                    wish.until_s = self._run.now_s

    def _all_wished(self) -> tuple[Wished, ...]:
        made = [wished(run.service.name, run.city.assets.id, wish) for run in self._run.runs for wish in run.desk.wishes]
        return tuple(sorted(made, key=lambda one: one.number))

    def _wish(self, act: Callable[[], None]) -> None:
        with contextlib.suppress(queue.Full):  # a thousand unheard wishes: one more would only hold the page up
            self._wishes.put_nowait(act)
        self._changed.set()

    def _change_arm(self, service: str, arm: Arm) -> None:
        boxes = self._run.set_arm(service, arm)
        title = self._run.run_of(service).service.title
        text = (
            f"An operator handed {title} back: {boxes} boxes return to their own programmes."
            if arm == "baseline"
            else f"An operator put {title} under lamplighter."
        )
        self._lines.append(DecisionLine(self._run.now_s, service, "", "operator", text, max(boxes, 1)))
        self._recorder.operator_act(self._run.now_s, service, arm)

    # --- the thread ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Wait until the fields are open, then start ticking."""
        threading.Thread(target=self._answering.open_watchers, name="watchers", daemon=True).start()
        self._run.wait_ready()
        self._recorder.run_started(self._scene, self._plan)
        self._thread.start()

    def stop(self) -> None:
        """Stop ticking, close every process, keep what was recorded. Safe to call twice."""
        self._stop.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        with contextlib.suppress(Exception):  # whatever fails here, the leases end by themselves
            self._run.release()
        if self._shadow is not None:
            self._shadow.close()
        self._run.close()
        self._recorder.close(self._run.now_s)

    def _work(self) -> None:
        try:
            self._pace()
        except Exception as error:  # noqa: BLE001 - a city that stops must say so, whatever stopped it
            known = isinstance(error, SimulatorError)
            text = str(error) if known else f"The city stopped ({type(error).__name__}: {error})."
            self._faults = (*self._faults, f"{text} Leases end by themselves; every box runs its own programme.")
            self._ended = True
            with contextlib.suppress(Exception):
                self._run.release()
            self._publish()

    def _pace(self) -> None:
        due = published = mark = time.monotonic()
        mark_s = self._run.now_s
        while not self._stop.is_set():
            self._grant_wishes()
            if not self._playing.is_set() or self._run.now_s >= self._end_s:
                self._ended = self._run.now_s >= self._end_s
                self._publish()
                self._changed.wait(timeout=0.5)
                self._changed.clear()
                due = mark = time.monotonic()
                mark_s = self._run.now_s
                continue
            before_s = self._run.now_s
            self._advance()
            now = time.monotonic()
            due = max(due + (self._run.now_s - before_s) / self._speed, now - BEHIND_MAX_S)
            if now - published >= PUBLISH_EVERY_S or due - now > PUBLISH_EVERY_S:
                if now - mark > 1.0:
                    self._reached, mark, mark_s = (self._run.now_s - mark_s) / (now - mark), now, self._run.now_s
                self._moving = merged_scene(self._run.scene()) if self._scene.simulated else {}
                self._publish()
                published = now
            if due > now:
                self._changed.wait(timeout=min(due - now, 5.0))
                self._changed.clear()

    def _grant_wishes(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._wishes.get_nowait()()

    def _advance(self) -> None:
        for name, done in self._run.advance().items():
            run = self._run.run_of(name)
            self._ticks[name] = done
            count = self._counts[name]
            count[0] += done.verdict.permitted_count
            count[1] += done.verdict.refused_count
            count[2] += len(done.measured)
            count[3] += len(done.rejected)
            truth = self._run.latest_advance[name].truth
            self._keeper.add(name, truth if self._scene.simulated else done.outcomes)
            self._account(run, done)
        if self._wish_number:
            self._wished = self._all_wished()
        for point in self._keeper.closed(self._run.now_s):
            self._keep("adaptive", point)

    def _account(self, run: ServiceRun, done: Tick) -> None:
        """Tell and record one tick. An account that fails is told once and never stops control."""
        try:
            self._lines.extend(tell(run, done))
            self._recorder.tick(run, done)
            self._answering.follow(run, done)
        except Exception as error:  # noqa: BLE001 - whatever fails here must not stop the city
            text = f"{run.service.name}: a tick could not be told or recorded ({type(error).__name__}: {error}). Control goes on."
            if text not in self._faults:
                self._faults = (*self._faults, text)[-FAULTS_MAX:]

    def _publish(self) -> None:
        if self._shadow is not None:
            self._shadow.follow(min(self._run.now_s, self._end_s))
            for point in self._shadow.points():
                self._keep("baseline", point)
        self._version += 1
        self._view = self._make_view()

    def _keep(self, arm: Arm, point: Point) -> None:
        points = self._points[arm][point.service]
        points.append(point)
        del points[:-POINTS_MAX]

    def _make_view(self) -> View:
        more = (self._shadow.fault if self._shadow else "", self._recorder.fault, self._answering.fault, *self._run.faults())
        faults = self._faults + tuple(fault for fault in more if fault)
        return View(
            version=self._version, now_s=self._run.now_s, running=self._playing.is_set(), speed=self._speed, ended=self._ended,
            speed_reached=self._reached, services=tuple(self._state(run.service.name) for run in self._run.runs),
            layers=tuple(v for run in self._run.runs for v in layer_values(run, self._ticks.get(run.service.name))),
            moving=self._moving, series=self._series(), lines=tuple(self._lines), faults=faults,
        )  # fmt: skip

    def _state(self, name: str) -> ServiceState:
        run = self._run.run_of(name)
        permits, refusals, admitted, rejected = self._counts[name]
        in_force = sum(int(entry.active.sum()) for entry in run.in_force.values())
        last = self._ticks[name].now_s if name in self._ticks else self._plan.begin_s
        arm: Arm = "adaptive" if bool(run.adaptive.any()) else "baseline"
        return ServiceState(name, arm, len(run.adaptive), in_force, permits, refusals, admitted, rejected, last)

    def _series(self) -> tuple[Series, ...]:
        result: list[Series] = []
        for service in self._services:
            ours, theirs = self._points["adaptive"][service.name], self._points["baseline"][service.name]
            for outcome in service.outcome_names:
                if outcome.chart:
                    result.append(_series(service.name, outcome.name, ours, theirs))
        return tuple(result)


def _series(service: str, outcome: str, ours: Sequence[Point], theirs: Sequence[Point]) -> Series:
    """Return one chart's two lines; windows in which nothing was reported are left out, not drawn as zero."""

    def line(points: Sequence[Point]) -> tuple[AnyArray, AnyArray]:
        kept = [(p.end_s, p.window[outcome]) for p in points if outcome in p.window]
        return np.array([t for t, _ in kept], np.float64), np.array([v for _, v in kept], np.float64)

    mine, other = line(ours), line(theirs)
    until_s = min(ours[-1].end_s, theirs[-1].end_s) if ours and theirs else 0.0
    ends = [next((p for p in reversed(points) if p.end_s == until_s), None) for points in (ours, theirs)]
    cumulative = [end.since_start.get(outcome) if end is not None else None for end in ends]
    return Series(service, outcome, mine[0], mine[1], other[0], other[1], cumulative[0], cumulative[1])
