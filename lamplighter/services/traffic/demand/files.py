# SPDX-License-Identifier: Apache-2.0
"""The demand as files of the city folder: the table of flows, and the routes and vehicle types for SUMO."""

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

import numpy as np

from lamplighter.services.traffic.demand.flows import BUS, Flow
from lamplighter.services.traffic.planning.network import RoadNetwork
from lamplighter.terms.table import Table

STOP_S = 15
STOP_EVERY_M = 450.0

# Lengths, speeds and reaction of SUMO's own vehicle classes; speedFactor spreads wishes, as drivers differ.
TYPES = (
    '<vType id="car" vClass="passenger" speedFactor="normc(1.0,0.1,0.7,1.2)"/>',
    '<vType id="truck" vClass="truck" length="10" maxSpeed="22" speedFactor="normc(0.95,0.05,0.7,1.1)"/>',
    '<vType id="bus" vClass="bus" maxSpeed="16"/>',
    '<vType id="tram" vClass="tram" length="30" maxSpeed="14"/>',
    '<vType id="bicycle" vClass="bicycle" maxSpeed="6" speedFactor="normc(1.0,0.15,0.6,1.4)"/>',
    '<vType id="person" vClass="pedestrian" maxSpeed="1.5" speedFactor="normc(0.9,0.12,0.6,1.2)"/>',
)


def flow_table(flows: Sequence[Flow]) -> Table:
    """Return the flows as a table; the row number is the number in the route's id."""
    return {
        "flow": np.arange(len(flows), dtype=np.int64),
        "mode": np.asarray([f.mode for f in flows], dtype=np.str_),
        "per_day": np.round(np.asarray([f.trips_per_day for f in flows], dtype=np.float64), 3),
        "profile": np.asarray([f.profile for f in flows], dtype=np.str_),
        "from_street": np.asarray([f.edges[0] for f in flows], dtype=np.str_),
        "to_street": np.asarray([f.edges[-1] for f in flows], dtype=np.str_),
    }


def routes_xml(network: RoadNetwork, flows: Sequence[Flow]) -> str:
    """Return the text of `sumo/demand.rou.xml`: vehicle types and one route `f<flow>` per flow."""
    lines = ["<routes>", *TYPES]
    for number, flow in enumerate(flows):
        stops = "".join(_stops(network, flow)) if flow.mode == BUS else ""
        edges = quoteattr(" ".join(flow.edges))
        lines.append(
            f'<route id="f{number}" edges={edges}>{stops}</route>' if stops else f'<route id="f{number}" edges={edges}/>'
        )
    lines.append("</routes>")
    return "\n".join(lines) + "\n"


def _stops(network: RoadNetwork, flow: Flow) -> list[str]:
    """Return bus stops in the kerb lane, about every 450 m, in streets long enough to hold one clear of both ends."""
    stops: list[str] = []
    since_m = 0.0
    for edge in flow.edges[1:-1]:
        lanes = [lane for lane in network.edges[edge].lanes if "bus" in lane.classes and "pedestrian" not in lane.classes]
        since_m += network.edges[edge].lanes[-1].length_m
        if since_m >= STOP_EVERY_M and lanes and lanes[0].length_m >= 90.0:
            stops.append(f'<stop lane={quoteattr(lanes[0].id)} endPos="{lanes[0].length_m / 2:.1f}" duration="{STOP_S}"/>')
            since_m = 0.0
    return stops
