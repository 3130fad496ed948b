# SPDX-License-Identifier: Apache-2.0
"""Nets that nobody has tuned anything on: made by SUMO's netgenerate, with drawn trips, from empty streets to far too many.

    python benchmarks/unseen_nets.py [--only grid-low,people] [--seeds 1,2] [--loss 0.2] [--jobs 1] [--to FOLDER]

For every net the delay under its own programme and under lamplighter, seed by seed, and a one-sided bound: if a net and a seed
were drawn like these, the share of draws in which lamplighter is worse (more than 1 % and more than 0.5 s) lies, with 95 %
confidence, below the figure printed (`trials/compare.py`). Numbers go to
benchmarks/results/unseen-nets.json.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import sumo
import sumolib

RESULTS = Path(__file__).parent / "results"
TYPES = '<vType id="car"/><vType id="truck" vClass="truck"/><vType id="bus" vClass="bus"/>'
BUS_EVERY_S = 300


@dataclass(frozen=True)
class Town:
    """How a net is made (words for netgenerate), and who travels: vehicles and persons an hour, bus lines, a peak or none."""

    words: str
    flow_veh_h: int
    persons_h: int = 0
    bus_lines: int = 0
    peak: bool = False


GRID = "--grid --grid.x-number 3 --grid.y-number 3 --grid.length 220 --grid.attach-length 250 -L 2"
POCKETS = f"{GRID} --turn-lanes 1 --turn-lanes.length 50"
ARTERIAL = "--grid --grid.x-number 6 --grid.y-number 1 --grid.length 300 --grid.attach-length 300 -L 2"
WALKED = "--sidewalks.guess --crossings.guess --sidewalks.guess.min-speed 1"
TOWNS = {
    "grid-low": Town(POCKETS, 1500),
    "grid-mid": Town(POCKETS, 3500),
    "grid-high": Town(POCKETS, 5500),
    "grid-over": Town(POCKETS, 8000),
    "one-lane": Town("--grid --grid.x-number 4 --grid.y-number 3 --grid.length 150 --grid.attach-length 200 -L 1", 2200),
    "drawn": Town(
        "--rand --seed 7 --rand.iterations 60 --rand.min-distance 120 --rand.max-distance 300 -L 2 --rand.connectivity 0.9", 3500
    ),
    "spider": Town("--spider --spider.arm-number 6 --spider.circle-number 2 --spider.space-radius 180 -L 2", 3500),
    "arterial": Town(ARTERIAL, 4500, peak=True),
    "arterial-over": Town(ARTERIAL, 7000),
    "people": Town(
        f"--grid --grid.x-number 3 --grid.y-number 2 --grid.length 200 --grid.attach-length 200 -L 2 {WALKED}",
        2500,
        persons_h=1200,
    ),
    "actuated": Town(f"{POCKETS} --tls.default-type actuated", 3500),
    "actuated-one": Town(
        "--grid --grid.x-number 1 --grid.y-number 1 --grid.attach-length 300 -L 3 --turn-lanes 1 --tls.default-type actuated",
        3000,
    ),
    "buses": Town(POCKETS, 3000, bus_lines=6),
    "one-by-one": Town(f"{GRID} --tls.layout incoming", 3500),
    "left-hand": Town(f"{GRID} --lefthand", 3000),
}


def _ends(net: Any) -> tuple[list[Any], list[Any]]:
    """Return the streets at which trips begin and end: those at the net's edge, or all where there are none."""
    streets = [edge for edge in net.getEdges() if edge.allows("passenger")]
    begin = [e for e in streets if all(other.getFromNode() == e.getToNode() for other in e.getIncoming())]
    end = [e for e in streets if all(other.getToNode() == e.getFromNode() for other in e.getOutgoing())]
    return (begin, end) if len(begin) > 2 and len(end) > 2 else (streets, streets)


def _trips(net: Any, town: Town, rng: random.Random, duration_s: int) -> list[tuple[float, str]]:
    begin, end = _ends(net)
    weight = {e.getID(): rng.choice([1, 1, 2, 4]) * e.getLaneNumber() for e in (*begin, *end)}

    def pair() -> tuple[str, str]:
        while True:
            a = rng.choices(begin, [weight[e.getID()] for e in begin])[0]
            b = rng.choices(end, [weight[e.getID()] for e in end])[0]
            if a != b and a.getFromNode() != b.getToNode() and net.getShortestPath(a, b)[0]:
                return a.getID(), b.getID()

    found: list[tuple[float, str]] = []
    for n in range(town.flow_veh_h * duration_s // 3600):
        spread = min(max(rng.gauss(duration_s / 2, duration_s / 6), 0.0), duration_s)
        at, (a, b) = spread if town.peak else rng.uniform(0, duration_s), pair()
        kind = "truck" if rng.random() < 0.06 else "car"
        found.append(
            (at, f'<trip id="v{n}" type="{kind}" depart="{at:.1f}" from="{a}" to="{b}" departLane="best" departSpeed="max"/>')
        )
    for line in range(town.bus_lines):
        a, b = pair()
        for at in range(60 * line, duration_s, BUS_EVERY_S):
            found.append((at, f'<trip id="b{line}_{at}" type="bus" depart="{at}" from="{a}" to="{b}" departLane="best"/>'))
    walked = [e.getID() for e in net.getEdges() if e.allows("pedestrian")]
    for n in range(town.persons_h * duration_s // 3600):
        (a, b), at = rng.sample(walked, 2), rng.uniform(0, duration_s)
        found.append((at, f'<person id="p{n}" depart="{at:.1f}"><walk from="{a}" to="{b}"/></person>'))
    return sorted(found)


def build(name: str, town: Town, folder: Path, duration_s: int = 3600) -> Path:
    """Write a net, its trips and its configuration; return the configuration."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    made = [str(Path(sumo.SUMO_HOME) / "bin" / "netgenerate"), *town.words.split(), "-j", "traffic_light"]
    turned = [] if "--lefthand" in made else ["--no-turnarounds"]
    subprocess.run([*made, *turned, "-o", str(place / "net.net.xml"), "--no-warnings"], check=True, stdout=subprocess.DEVNULL)
    net = cast(Any, sumolib).net.readNet(str(place / "net.net.xml"))
    trips = _trips(net, town, random.Random(name), duration_s)
    (place / "trips.rou.xml").write_text("\n".join(("<routes>", TYPES, *(text for _, text in trips), "</routes>")))
    config = place / f"{name}.sumocfg"
    files = '<net-file value="net.net.xml"/><route-files value="trips.rou.xml"/>'
    when = f'<begin value="0"/><end value="{duration_s * 3 // 2}"/>'
    stays = '<time-to-teleport value="-1"/>'
    config.write_text(
        f"<configuration><input>{files}</input><time>{when}</time><processing>{stays}</processing></configuration>",
    )
    return config


def told(numbers: dict[str, Any]) -> str:
    """Return the table and the bound."""
    lines = ["| net | own (s) | lamplighter (s) | longest wait, own / lamplighter (s) |", "|---|---|---|---|"]
    for name, arms in numbers["scenarios"].items():
        own, ours = list(arms["own"].values()), list(arms["adaptive"].values())
        means = [sum(run["delay_s"] for run in runs) / len(runs) for runs in (own, ours)]
        waits = [max(run["wait_max_s"] for run in runs) for runs in (own, ours)]
        lines.append(f"| {name} | {means[0]:.1f} | {means[1]:.1f} | {waits[0]:.0f} / {waits[1]:.0f} |")
    found = numbers["against_own"]["adaptive"]
    lines += ["", f"Worse than the own programme in {found['worse_runs']} of {found['runs']} runs; share of such runs below"]
    return "\n".join((*lines, f"{found['bound_share']:.1%} (95 %)."))


def main() -> None:
    """Make the nets, run them, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(TOWNS))
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--loss", default="0", help="share of lanes whose detectors are silent")
    parser.add_argument("--jobs", default="1")
    parser.add_argument("--minutes", type=int, default=60, help="how long trips begin")
    parser.add_argument("--demand", type=float, default=1.0, help="factor on everybody who travels")
    parser.add_argument("--to", type=Path, help="keep the nets in this folder")
    parser.add_argument("--json", type=Path, default=RESULTS / "unseen-nets.json")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        words: list[str] = []
        for name in args.only.split(","):
            town = TOWNS[name]
            town = replace(town, flow_veh_h=int(town.flow_veh_h * args.demand), persons_h=int(town.persons_h * args.demand))
            words += ["--sumo", str(build(name, town, args.to or Path(scratch), 60 * args.minutes))]
        command = [sys.executable, "-m", "lamplighter", "evaluate", *words, "--cadence", "1s", "--arms", "own,adaptive"]
        command += ["--seeds", args.seeds, "--detector-loss", args.loss, "--jobs", args.jobs, "--json", str(args.json)]
        subprocess.run(command, check=True)
    print(told(json.loads(args.json.read_text())))


if __name__ == "__main__":
    main()
