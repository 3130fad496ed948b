# SPDX-License-Identifier: Apache-2.0
"""SUMO through libsumo, in this process: one run per process, one second per step, seeded.

libsumo keeps its state in the process and prints as it likes; it must share the process neither with another run nor
with pyarrow. What it prints while starting is caught and told only where starting fails.
"""

import fcntl
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import iterparse
from xml.sax.saxutils import quoteattr

import numpy as np

from lamplighter.services.traffic.demand.draw import draw, write_trips
from lamplighter.services.traffic.layout import CALL, COUNT, STOP_LINE, Detectors
from lamplighter.terms.city import Place
from lamplighter.terms.columns import FloatArray, IntArray
from lamplighter.terms.table import Table

NET = "net.xml"
TELEPORT_S = 300  # a car that could not move for so long is lifted over the jam; its lost time counts all the same
WHOLE_RUN_S = 10_000_000
DAY_S = 86_400
MEAN_DATA_S = 60
PIPE_BYTES = 1 << 20
METRES_PER_DEGREE = math.pi / 180 * 6371008.8


@dataclass(frozen=True)
class Scenario:
    """What to run: network, demand, begin in SUMO seconds (0 = local midnight), seed and share of the demand."""

    folder: Path
    begin_s: int
    seed: int
    scale: float
    place: Place
    flows: Table | None  # what the city draws its trips from; None where its route files hold departures


@contextmanager
def _caught(into: Path) -> Generator[None]:
    """Send what native code prints to a file while it starts."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with into.open("ab") as sink:
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
            os.close(kept[0])
            os.close(kept[1])


def _written(folder: Path) -> list[Path]:
    """Return the route files of a city folder; FileNotFoundError where it has no network or none."""
    found = sorted({*folder.glob("*.rou.xml"), *folder.glob("*.rou.xml.gz"), *folder.glob("routes-*")})
    if not found or not (folder / NET).exists():
        raise FileNotFoundError(
            f"{folder}: a simulated city needs {NET} and at least one *.rou.xml there; build the city folder again "
            "with `lamplighter city build`"
        )
    return found


def _routes(scenario: Scenario, private: Path) -> list[Path]:
    """Return the route files: those of the scenario, and the trips drawn for this seed where the city makes its demand."""
    found = _written(scenario.folder)
    if scenario.flows is None:
        return found
    trips = draw(scenario.flows, scenario.seed, scenario.begin_s, scenario.begin_s + DAY_S, scenario.scale)
    drawn = private / "trips.rou.xml"
    write_trips(trips, scenario.flows, drawn)
    return [*found, drawn]


def _detector_lines(detectors: Detectors, lanes_of: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for row in range(len(detectors.id)):
        role, street = int(detectors.role[row]), str(detectors.street[row])
        lane, position_m = quoteattr(f"{street}_{detectors.lane[row]}"), float(detectors.position_m[row])
        if role == STOP_LINE:
            yield f'<inductionLoop id="{row}" lane={lane} pos="{position_m:.2f}" period="{WHOLE_RUN_S}" file="NUL"/>'
        elif role == COUNT:
            for number, each in enumerate(lanes_of.get(street, ())):
                pos = f'pos="{position_m:.2f}" friendlyPos="true" period="{WHOLE_RUN_S}" file="NUL"'
                yield f'<inductionLoop id="{row}.{number}" lane={quoteattr(each)} {pos}/>'
        elif role != CALL:
            length = f'pos="{position_m:.2f}" length="{float(detectors.length_m[row]):.2f}" friendlyPos="true"'
            yield f'<laneAreaDetector id="{row}" lane={lane} {length} period="{WHOLE_RUN_S}" file="NUL"/>'


def _motor_lanes(net: Path, streets: frozenset[str]) -> dict[str, list[str]]:
    """Return the lanes of the named streets on which motor vehicles may drive, read from the network file."""
    lanes: dict[str, list[str]] = {}
    for _, element in iterparse(net, events=("end",)):
        if element.tag == "edge":
            name = element.get("id", "")
            if name in streets:
                found = [lane for lane in element.iterfind("lane") if _motor(lane.get("allow"), lane.get("disallow"))]
                lanes[name] = [lane.get("id", "") for lane in found]
            element.clear()
    return lanes


def _motor(allow: str | None, disallow: str | None) -> bool:
    if allow is not None:
        return allow == "all" or "passenger" in allow.split()
    return disallow is None or not {"passenger", "all"} & set(disallow.split())


class Engine:
    """One run of SUMO. Every call goes to the engine in this process; nothing is kept per vehicle here."""

    def __init__(self, scenario: Scenario, detectors: Detectors) -> None:
        _written(scenario.folder)
        try:
            self._private = Path(tempfile.mkdtemp(prefix="lamplighter-traffic-"))
            with _caught(self._private / "said.txt"):
                self.sumo: Any = import_module("libsumo")
        except ImportError as error:
            raise ImportError(
                "the traffic simulator needs SUMO's library libsumo, which is not installed; "
                "install it with: pip install 'lamplighter[sumo]'"
            ) from error
        counted = frozenset(str(street) for street in detectors.street[detectors.role == COUNT])
        self.counter_lanes = _motor_lanes(scenario.folder / NET, counted)
        self._trips_fd, write_fd = os.pipe()
        os.set_blocking(self._trips_fd, False)
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            fcntl.fcntl(write_fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._start(scenario, detectors, write_fd)
        self.to_lon_lat = self._geography(scenario.place)

    def _start(self, scenario: Scenario, detectors: Detectors, write_fd: int) -> None:
        extra = self._private / "detectors.add.xml"
        walks = self._private / "walks.xml"
        lines = "\n".join(_detector_lines(detectors, self.counter_lanes))
        measured = (
            f'<edgeData id="walks" file={quoteattr(str(walks))} period="{MEAN_DATA_S}" begin="{scenario.begin_s}" '
            'detectPersons="walk" withInternal="true" excludeEmpty="true" writeAttributes="waitingTime departed"/>'
        )
        extra.write_text(f"<additional>\n{measured}\n{lines}\n</additional>\n")
        command = [
            "sumo", "--net-file", str(scenario.folder / NET), "--additional-files", str(extra),
            "--route-files", ",".join(str(path) for path in _routes(scenario, self._private)),
            "--begin", str(scenario.begin_s), "--step-length", "1", "--seed", str(scenario.seed),
            "--scale", str(scenario.scale if scenario.flows is None else 1.0), "--time-to-teleport", str(TELEPORT_S),
            "--tripinfo-output", f"/dev/fd/{write_fd}", "--no-step-log", "true", "--no-warnings", "true",
            "--duration-log.disable", "true", "--xml-validation", "never", "--xml-validation.net", "never",
            "--xml-validation.routes", "never",
        ]  # fmt: skip
        try:
            with _caught(self._private / "said.txt"):
                self.sumo.start(command)
        except Exception as error:
            said = (self._private / "said.txt").read_text(errors="replace").strip().splitlines()[-5:]
            self._forget()
            raise RuntimeError(
                f"SUMO could not start on {scenario.folder}: {error}. It said: {' | '.join(said) or 'nothing'}. "
                "Run `lamplighter city check` on the folder."
            ) from error
        finally:
            os.close(write_fd)
        self._walks = walks.open("rb")

    def _geography(self, place: Place) -> "tuple[FloatArray, FloatArray]":
        """Return quadratic coefficients (6,) of longitude and latitude over the network's metres (error below 0.1 m)."""
        (x0, y0), (x1, y1) = self.sumo.simulation.getNetBoundary()
        x_m, y_m = np.linspace(float(x0), float(x1), 5), np.linspace(float(y0), float(y1), 5)
        grid: FloatArray = np.stack([np.tile(x_m, 5), np.repeat(y_m, 5)], axis=1)
        pairs: list[tuple[float, float]] = [self.sumo.simulation.convertGeo(*point) for point in grid.tolist()]
        lon_lat: FloatArray = np.array(pairs, np.float64)
        if np.allclose(
            np.ptp(lon_lat, axis=0), np.ptp(grid, axis=0)
        ):  # a network without a projection: metres east and north of the place
            east_m, north_m = METRES_PER_DEGREE * np.cos(np.radians(place.lat0_deg)), METRES_PER_DEGREE
            lon_lat = np.array([place.lon0_deg, place.lat0_deg]) + lon_lat / np.array([east_m, north_m])
        self._middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
        terms = _quadratic(grid - self._middle)
        lon = np.linalg.lstsq(terms, lon_lat[:, 0], rcond=None)[0]
        lat = np.linalg.lstsq(terms, lon_lat[:, 1], rcond=None)[0]
        return np.asarray(lon, np.float64), np.asarray(lat, np.float64)

    def lon_lat(self, xy_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return WGS84 degrees of network metres (n, 2)."""
        terms = _quadratic(xy_m - self._middle)
        return terms @ self.to_lon_lat[0], terms @ self.to_lon_lat[1]

    def step(self) -> None:
        """Run one second."""
        self.sumo.simulationStep()

    def trip_records(self) -> str:
        """Return the records of trips that ended since the last call."""
        parts: list[bytes] = []
        while True:
            try:
                part = os.read(self._trips_fd, PIPE_BYTES)
            except BlockingIOError:
                break
            if not part:
                break
            parts.append(part)
        return b"".join(parts).decode()

    def walk_records(self) -> str:
        """Return what SUMO summed up per street over people on foot since the last call."""
        return self._walks.read().decode()

    def close(self) -> None:
        """End the run and remove everything written."""
        with _caught(self._private / "said.txt"):
            self.sumo.close()
        self._walks.close()
        self._forget()

    def _forget(self) -> None:
        os.close(self._trips_fd)
        shutil.rmtree(self._private, ignore_errors=True)


def _quadratic(xy_m: FloatArray) -> FloatArray:
    x, y = xy_m[:, 0], xy_m[:, 1]
    return np.stack([np.ones(len(x)), x, y, x * x, x * y, y * y], axis=1)


def positions(engine: Engine) -> tuple[FloatArray, IntArray]:
    """Return where everybody is (n, 2) in network metres, sorted by place so that no order tells who is who.

    The second array is the kind: 0 car or lorry, 1 bus, 2 bicycle, 3 on foot, 4 tram.
    """
    sumo = engine.sumo
    kinds = {"bus": 1, "coach": 1, "bicycle": 2, "tram": 4}
    vehicles = sumo.vehicle.getIDList()
    people = sumo.person.getIDList()
    rows = [(*sumo.vehicle.getPosition(name), kinds.get(sumo.vehicle.getVehicleClass(name), 0)) for name in vehicles]
    rows += [(*sumo.person.getPosition(name), 3) for name in people if not sumo.person.getVehicle(name)]
    rows.sort()
    table = np.array(rows, np.float64).reshape(-1, 3)
    return table[:, :2], table[:, 2].astype(np.int64)
