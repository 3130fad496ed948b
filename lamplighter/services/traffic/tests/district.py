# SPDX-License-Identifier: Apache-2.0
"""The real district that the tests of planning, demand and build look at, read once."""

import shutil
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from lamplighter.city.network import read_network as read_streets
from lamplighter.city.streets import georeference, streets_of
from lamplighter.services.traffic.build import build
from lamplighter.services.traffic.layout import Layout, read_layout
from lamplighter.services.traffic.planning.network import RoadNetwork, read_network
from lamplighter.services.traffic.planning.plan import Plan, plan_signal
from lamplighter.services.traffic.terms import QUANTITIES, Settings
from lamplighter.terms.asset import Assets
from lamplighter.terms.city import BuildContext, CityData, Place


def sumo_home() -> Path:
    """Return where SUMO is installed."""
    spec = find_spec("sumo")
    assert spec is not None
    assert spec.origin is not None, "eclipse-sumo is not installed"
    return Path(spec.origin).parent


def net_path() -> Path:
    """Return the network of the demo district."""
    return sumo_home() / "tools" / "game" / "DRT" / "osm.net.xml"


@cache
def network() -> RoadNetwork:
    """Return the demo district's network."""
    return read_network(net_path())


@cache
def plans() -> tuple[Plan, ...]:
    """Return every plan of the demo district, with the greens of the network's programmes."""
    return tuple(plan_signal(network(), signal, None) for signal in network().signals)


def context(folder: Path, net: Path, source: dict[str, str] | None = None) -> BuildContext:
    """Return what `build` is handed for a network, its streets read as the city reads them."""
    (folder / "sumo").mkdir(parents=True)
    shutil.copy(net, folder / "sumo" / "net.xml")
    read = read_streets(folder / "sumo" / "net.xml", net.name)
    lon_deg, lat_deg = georeference(read, net.name, (13.5, 52.4))
    text, number = np.zeros(0, np.str_), np.zeros(0)
    nothing = Assets(text, text, text, text, text, number, number, text)
    place = Place(float(lon_deg.mean()), float(lat_deg.mean()), "Europe/Berlin")
    streets = streets_of(read, lon_deg, lat_deg)
    return BuildContext("district", 1, place, streets, Settings(), nothing, folder, source or {}, lambda what, share: None)


def layout(folder: Path) -> Layout:
    """Return the traffic tables that the demo city is built with, as deciders and boxes read them."""
    given = context(folder, net_path())
    built = build(given)
    city = CityData(
        given.name, given.name, True, given.place, given.streets, built.assets, slice(0, len(built.assets)), built.tables,
        given.settings, tuple(quantity.name for quantity in QUANTITIES), ("district",), folder,
    )  # fmt: skip
    return read_layout(city)
