# SPDX-License-Identifier: Apache-2.0
"""What is tried out: a SUMO scenario as it lies there, or a built city with the trips drawn for one seed."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lamplighter.city import folder
from lamplighter.services.traffic.demand.draw import draw, write_trips
from lamplighter.services.traffic.layout import Layout, read_layout
from lamplighter.services.traffic.planning.network import RoadNetwork, read_network
from lamplighter.services.traffic.retiming.installed import from_layout, from_signal, street_names
from lamplighter.services.traffic.retiming.scheme import Junction
from lamplighter.terms.service import Service
from lamplighter.terms.table import Table

END_UNSAID_S = 3600.0  # where a scenario names no end: its demand that starts within an hour, and the time it needs to drive
DRIVE_OUT_S = 1200.0


@dataclass(frozen=True)
class Scenario:
    """A road network with demand. extra: additional files in order; flows: what a city draws its trips from.

    begin_s to end_s: seconds since midnight of the scenario.
    """

    name: str
    net: Path
    routes: tuple[Path, ...]
    extra: tuple[Path, ...]
    begin_s: float
    end_s: float
    flows: Table | None
    network: RoadNetwork
    junctions: tuple[Junction, ...]
    layout: Layout | None


def open_scenario(place: Path) -> Scenario:
    """Read a *.sumocfg, or the one in a folder. Raises ValueError naming the file where it cannot be used."""
    found = [place] if place.suffix == ".sumocfg" else sorted(place.glob("*.sumocfg"))
    if len(found) != 1:
        raise ValueError(f"{place}: {len(found)} *.sumocfg found, exactly one is needed; name the file itself")
    try:
        root = ET.parse(found[0]).getroot()
    except (ET.ParseError, OSError) as error:
        raise ValueError(f"{found[0]}: not a readable SUMO configuration ({error}); bring the scenario again") from error
    net = _files(root, "net-file", found[0])
    extra = _files(root, "additional-files", found[0])
    routes = _files(root, "route-files", found[0])
    if len(net) != 1 or not routes:
        raise ValueError(f"{found[0]}: {len(net)} net-file and {len(routes)} route-files, one and at least one are needed")
    network = read_network(net[0], extra)
    junctions = tuple(from_signal(s, street_names(network, s)) for s in network.signals)
    begin_s, end_s = _time(root, "begin"), _time(root, "end")
    if end_s is None:
        end_s = (begin_s or 0.0) + END_UNSAID_S + DRIVE_OUT_S
    return Scenario(found[0].stem, net[0], routes, extra, begin_s or 0.0, end_s, None, network, junctions, None)


def _files(root: ET.Element, name: str, config: Path) -> tuple[Path, ...]:
    element = next(root.iter(name), None)
    names = [] if element is None else [part.strip() for part in element.get("value", "").split(",") if part.strip()]
    paths = tuple(config.parent / part for part in names)
    for path in paths:
        if not path.is_file():
            raise ValueError(f"{config}: {name} {path.name} is not there; bring the whole scenario")
    return paths


def _time(root: ET.Element, name: str) -> float | None:
    element = next(root.iter(name), None)
    if element is None:
        return None
    text = element.get("value", "0")
    parts = [float(part) for part in text.split(":")]
    return parts[0] if len(parts) == 1 else parts[-3] * 3600 + parts[-2] * 60 + parts[-1]


def open_city(name: str, service: Service, begin_s: float, end_s: float) -> Scenario:
    """Read a built city: its network, its tables and the flows from which trips are drawn."""
    place = folder.find_city(name)
    city = folder.load(place, [service])[service.name]
    layout = read_layout(city)
    sumo = place / "sumo"
    network = read_network(sumo / "net.xml")
    ids: list[str] = city.assets.id[layout.start + layout.boxes.local].tolist()
    junctions = tuple(from_layout(layout, n, ident) for n, ident in enumerate(ids))
    routes = tuple(sorted(sumo.glob("*.rou.xml")))
    own = sumo / "own_programmes.add.xml"
    flows = city.tables["flows"] if len(city.tables["flows"]["flow"]) else None
    return Scenario(place.name, sumo / "net.xml", routes, (own,), begin_s, end_s, flows, network, junctions, layout)


def routes_of(scenario: Scenario, seed: int, private: Path) -> Sequence[Path]:
    """Return the route files of one run; a city's trips are drawn anew for the seed."""
    if scenario.flows is None:
        return scenario.routes
    path = private / "trips.rou.xml"
    write_trips(draw(scenario.flows, seed, scenario.begin_s, scenario.end_s), scenario.flows, path)
    return [*scenario.routes, path]
