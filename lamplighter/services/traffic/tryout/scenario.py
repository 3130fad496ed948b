# SPDX-License-Identifier: Apache-2.0
"""What is tried out: a SUMO scenario as it lies there, or a built city with the trips drawn for one seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lamplighter.city import folder
from lamplighter.services.traffic.demand.draw import draw, write_trips
from lamplighter.services.traffic.layout import Layout, read_layout
from lamplighter.services.traffic.planning.network import RoadNetwork, read_network
from lamplighter.services.traffic.retiming.installed import from_layout, from_signal, street_names
from lamplighter.services.traffic.retiming.scheme import Junction
from lamplighter.services.traffic.trials.scenario import find_scenario
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
    found = find_scenario(place)
    if not found.routes:
        raise ValueError(f"{found.config}: it names no route-files; without demand there is nothing to count or to measure")
    network = read_network(found.net, found.additional)
    junctions = tuple(from_signal(s, street_names(network, s)) for s in network.signals)
    begin_s = float(found.begin_s)
    end_s = begin_s + END_UNSAID_S + DRIVE_OUT_S if found.end_s is None else float(found.end_s)
    return Scenario(found.config.stem, found.net, found.routes, found.additional, begin_s, end_s, None, network, junctions, None)


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
