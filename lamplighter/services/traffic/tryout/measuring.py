# SPDX-License-Identifier: Apache-2.0
"""Runs of SUMO, each in a process of its own and one at a time: counts at stop lines, and what a plan does to delay.

Trip records go through a pipe and are summed where evaluations sum theirs (`trials.measure`): none is kept or written.
"""

import os
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import quoteattr

from lamplighter.services.traffic.retiming.counts import Count
from lamplighter.services.traffic.trials.measure import NeverInserted, read_trips, summed
from lamplighter.services.traffic.tryout.scenario import Scenario, routes_of

COUNT_S = 300
NICENESS = "2"
INSTALL = "install it with: pip install 'lamplighter[sumo]'"


@dataclass(frozen=True)
class Run:
    """One run: delay as in RESCO (time lost and departure delay, mean over all vehicles, also those that never came in or
    never ended), time lost and waiting of those that came in, time lost on foot, and who was left."""

    seed: int
    delay_s: float
    time_loss_s: float
    depart_delay_s: float
    waiting_s: float
    foot_loss_s: float
    finished: int
    total: int
    never_inserted: int


def _binary() -> str:
    package = find_spec("sumo")  # the wheel's own command is a script that would close the pipe
    place = None if package is None or package.origin is None else Path(package.origin).parent / "bin" / "sumo"
    found = str(place) if place is not None and place.exists() else shutil.which("sumo")
    if found is None:
        raise ValueError(f"SUMO is not installed, so nothing can be counted or measured; {INSTALL}")
    return found


@contextmanager
def _private() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="lamplighter-retime-") as name:
        yield Path(name)


def _command(scenario: Scenario, seed: int, extra: list[Path], private: Path) -> list[str]:
    files = [str(p) for p in (*scenario.extra, *extra)]
    return [
        "nice", "-n", NICENESS, _binary(), "--net-file", str(scenario.net),
        "--route-files", ",".join(str(p) for p in routes_of(scenario, seed, private)),
        *(("--additional-files", ",".join(files)) if files else ()),
        "--begin", str(scenario.begin_s), "--end", str(scenario.end_s), "--step-length", "1", "--seed", str(seed),
        "--time-to-teleport", "-1", "--no-step-log", "true", "--no-warnings", "true", "--duration-log.disable", "true",
        "--xml-validation", "never", "--xml-validation.net", "never", "--xml-validation.routes", "never",
    ]  # fmt: skip


def _fail(scenario: Scenario, said: bytes) -> ValueError:
    words = " | ".join(said.decode(errors="replace").strip().splitlines()[-3:]) or "nothing"
    return ValueError(
        f"SUMO did not run {scenario.name} ({scenario.net}). It said: {words}. Run `sumo` on the scenario alone first."
    )


def measure(scenario: Scenario, seed: int, plan: Path | None) -> Run:
    """Run the demand under the scenario's own programmes, or under those of the additional file `plan`."""
    with _private() as private:
        reader, writer = os.pipe()
        command = _command(scenario, seed, [] if plan is None else [plan], private)
        command += ["--tripinfo-output", f"/dev/fd/{writer}", "--tripinfo-output.write-unfinished", "true",
                    "--tripinfo-output.write-undeparted", "true"]  # fmt: skip
        with (private / "said.txt").open("wb") as said:
            process = subprocess.Popen(command, pass_fds=(writer,), stdout=said, stderr=said)
            os.close(writer)
            with os.fdopen(reader, "rb") as stream:
                try:
                    run = _run(seed, stream)
                except RuntimeError as error:
                    process.wait()
                    raise _fail(scenario, (private / "said.txt").read_bytes()) from error
        if process.wait() != 0:
            raise _fail(scenario, (private / "said.txt").read_bytes())
        return run


def _run(seed: int, stream: BinaryIO) -> Run:
    """Return what a run came to; RuntimeError where its records are cut off."""
    trips = read_trips(stream)
    sums = summed(trips, NeverInserted(tuple(trips.undeparted_s), tuple(trips.undeparted_s)))
    return Run(
        seed, sums["delay_s"], sums["time_loss_s"], sums["depart_delay_s"], sums["waiting_s"], sums["pedestrian_wait_s"],
        int(sums["finished"]), int(sums["total"]), int(sums["never_inserted"]),
    )  # fmt: skip


def count(scenario: Scenario, seed: int) -> list[Count]:
    """Run the own programmes once and return what loops behind all stop lines counted, by turn, in five minutes each."""
    ways = _ways(scenario)
    with _private() as private:
        output = private / "loops.xml"
        lines = ["<additional>"]
        for number, (_, lane) in enumerate(ways):
            lines.append(
                f'<inductionLoop id="{number}" lane={quoteattr(lane)} pos="0.1" friendlyPos="true" period="{COUNT_S}" '
                f"file={quoteattr(str(output))}/>"
            )
        extra = private / "loops.add.xml"
        extra.write_text("\n".join([*lines, "</additional>"]), encoding="utf-8")
        done = subprocess.run(_command(scenario, seed, [extra], private), capture_output=True, check=False)
        if done.returncode != 0:
            raise _fail(scenario, done.stderr or done.stdout)
        found: dict[tuple[str, int, float, float, str], float] = {}
        for _, element in ET.iterparse(output, events=("end",)):
            if element.tag == "interval":
                street, lane, to = ways[int(element.get("id", "0"))][0]
                key = (street, lane, float(element.get("begin", "0")), float(element.get("end", "0")), to)
                found[key] = found.get(key, 0.0) + float(element.get("nVehEntered", "0"))
                element.clear()
    full = [(key, veh) for key, veh in sorted(found.items()) if key[3] - key[2] >= COUNT_S - 1]
    return [Count(street, lane, begin_s, end_s, veh, to) for (street, lane, begin_s, end_s, to), veh in full]


def _ways(scenario: Scenario) -> list[tuple[tuple[str, int, str], str]]:
    """Return street, lane and street entered of every way of vehicles through a signal, and the lane inside the junction."""
    signals = {junction.id for junction in scenario.junctions}
    ways: list[tuple[tuple[str, int, str], str]] = []
    for _, element in ET.iterparse(scenario.net, events=("end",)):
        if element.tag == "connection" and element.get("tl") in signals and element.get("via"):
            street, lane = element.get("from", ""), int(element.get("fromLane", "0"))
            edge = scenario.network.edges.get(street)
            if edge is not None and edge.function == "normal" and edge.lanes[lane].kind in ("motor", "mixed"):
                ways.append(((street, lane, element.get("to", "")), element.get("via", "")))
        if element.tag in ("edge", "junction", "connection"):
            element.clear()
    return ways
