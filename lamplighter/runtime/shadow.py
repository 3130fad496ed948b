# SPDX-License-Identifier: Apache-2.0
"""The same city, the same seed, without lamplighter: a second process that follows the first, for the charts."""

import contextlib
import os
import signal
import traceback
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from lamplighter.city.folder import load
from lamplighter.runtime.cityrun import CityRun, RunPlan
from lamplighter.runtime.evaluate import chosen_services
from lamplighter.runtime.processes import context
from lamplighter.runtime.series import Point, SeriesKeeper
from lamplighter.services import discover


def _follow(folder: Path, names: tuple[str, ...], plan: RunPlan, pipe: Connection) -> None:
    """Run the baseline city to each goal the leader names; send back the points of closed windows."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(5)
    run: CityRun | None = None
    try:
        services = chosen_services(names)
        cities = load(folder, discover())
        run = CityRun(services, cities, replace(plan, arms=dict.fromkeys(names, "baseline")))
        run.wait_ready()
        keeper = SeriesKeeper(services, next(iter(cities.values())).areas, plan.begin_s)
        pipe.send(("ready", None))
        goal_s = plan.begin_s
        while True:
            while pipe.poll(None if run.now_s >= goal_s else 0):
                wish: float | None = pipe.recv()
                if wish is None:
                    return
                goal_s = wish
            for name in run.advance():
                keeper.add(name, run.latest_advance[name].truth)
            points = keeper.closed(run.now_s)
            if points:
                pipe.send(("points", points))
    except EOFError:
        pass
    except Exception:  # noqa: BLE001 - whatever stops the shadow must be told, and must not stop the city
        with contextlib.suppress(OSError):
            pipe.send(("failed", traceback.format_exc(limit=8)))
    finally:
        if run is not None:
            run.close()
        pipe.close()


class Shadow:
    """The leader's end of the city without lamplighter. It never holds the leader up."""

    def __init__(self, folder: Path, names: tuple[str, ...], plan: RunPlan) -> None:
        processes = context()
        self._pipe, child = processes.Pipe()
        self._process = processes.Process(target=_follow, args=(folder, names, plan, child), name="city without", daemon=False)
        self._process.start()
        child.close()
        self.fault = ""

    def follow(self, now_s: float) -> None:
        """Let the shadow run up to the leader's time."""
        if not self.fault:
            try:
                self._pipe.send(now_s)
            except (BrokenPipeError, OSError):
                self.fault = "The city without lamplighter stopped; the charts show only the city with it."

    def points(self) -> list[Point]:
        """Return the points that have arrived since the last call, without waiting."""
        arrived: list[Point] = []
        try:
            while not self.fault and self._pipe.poll(0):
                kind, value = self._pipe.recv()
                if kind == "points":
                    arrived.extend(value)
                elif kind == "failed":
                    self.fault = f"The city without lamplighter stopped, the other goes on: {value.strip().splitlines()[-1]}"
        except (EOFError, ConnectionResetError):
            self.fault = "The city without lamplighter ended; the charts show only the city with it."
        return arrived

    def close(self) -> None:
        """Stop the shadow; never raises."""
        with contextlib.suppress(OSError, BrokenPipeError):
            self._pipe.send(None)
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(timeout=5)
