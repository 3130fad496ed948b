# SPDX-License-Identifier: Apache-2.0
"""A town of ten streets and two small services of its own, with which the city's tests build, break and mend."""

import importlib.util
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from lamplighter.city.build import Report, build
from lamplighter.city.recipe import Recipe
from lamplighter.city.scenario import Scenario
from lamplighter.terms.asset import AssetKind, Assets
from lamplighter.terms.city import BuildContext, Built
from lamplighter.terms.quantity import Quantity
from lamplighter.terms.service import Service
from lamplighter.terms.table import ColumnSpec, TableSpec

NODES = """<nodes>
 <node id="a" x="13.5300" y="52.4300"/><node id="b" x="13.5330" y="52.4300" type="traffic_light"/>
 <node id="c" x="13.5360" y="52.4300"/><node id="d" x="13.5330" y="52.4320"/>
 <node id="e" x="13.5330" y="52.4280"/><node id="f" x="13.5345" y="52.4315"/>
</nodes>"""

EDGES = """<edges>
 <edge id="ab" from="a" to="b" numLanes="1" speed="13.89" name="Main Street" type="highway.residential" sidewalkWidth="2"/>
 <edge id="ba" from="b" to="a" numLanes="1" speed="13.89" name="Main Street" type="highway.residential" sidewalkWidth="2"/>
 <edge id="bc" from="b" to="c" numLanes="2" speed="13.89" name="Main Street" type="highway.residential" sidewalkWidth="2"/>
 <edge id="cb" from="c" to="b" numLanes="2" speed="13.89" name="Main Street" type="highway.residential" sidewalkWidth="2"/>
 <edge id="bd" from="b" to="d" numLanes="1" speed="8.33" name="Straße, alte" type="highway.living_street"/>
 <edge id="db" from="d" to="b" numLanes="1" speed="8.33" name="Straße, alte" type="highway.living_street"/>
 <edge id="eb" from="e" to="b" numLanes="1" speed="5.56" type="highway.track"/>
 <edge id="df" from="d" to="f" numLanes="1" speed="2.78" type="highway.path" allow="bicycle pedestrian">
  <param key="lit" value="no"/>
 </edge>
 <edge id="fc" from="f" to="c" numLanes="1" speed="2.78" type="highway.footway" allow="pedestrian"/>
 <edge id="ae" from="a" to="e" numLanes="1" speed="27" type="railway.rail" allow="rail"/>
</edges>"""


def sumo_home() -> Path:
    """Return where the installed SUMO lies; skips the test where it is absent."""
    found = importlib.util.find_spec("sumo")
    if found is None or not found.submodule_search_locations:
        pytest.skip("needs SUMO: pip install 'lamplighter[sumo]'")
    return Path(found.submodule_search_locations[0])


def small_net(folder: Path, *options: str) -> Path:
    """Return a net made by SUMO's own netconvert from the nodes and edges above, in UTM unless options say otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "town.nod.xml").write_text(NODES, encoding="utf-8")
    (folder / "town.edg.xml").write_text(EDGES, encoding="utf-8")
    net = folder / "town.net.xml"
    files = ["-n", str(folder / "town.nod.xml"), "-e", str(folder / "town.edg.xml"), "-o", str(net)]
    command = [str(sumo_home() / "bin" / "netconvert"), *files, "--crossings.guess", "--output.street-names"]
    subprocess.run([*command, *(options or ("--proj.utm",))], check=True, capture_output=True)
    return net


@dataclass(frozen=True)
class LampSettings:
    """Settings of the small lighting service."""

    spacing_m: float = field(default=30.0, metadata={"low": 5.0, "high": 100.0})
    power_w: int = 60
    arrangement: Literal["single", "opposite"] = "single"
    night: bool = True
    classes: tuple[str, ...] = ("P4", "M5")


@dataclass(frozen=True)
class GridSettings:
    """Settings of the small grid service: none."""


HEADS = TableSpec(
    "heads",
    "what hangs on each lamp",
    (
        ColumnSpec("asset", "text", "the lamp", refers_to="assets"),
        ColumnSpec("street", "text", "the street it lights", refers_to="streets"),
        ColumnSpec("number", "int", "which head of the lamp", low=0, high=3),
        ColumnSpec("power_w", "float", "rated power in watts", low=1.0, high=400.0),
        ColumnSpec("optics", "text", "distribution of light", one_of=("narrow", "wide")),
        ColumnSpec("dimmable", "bool", "obeys dimming"),
        ColumnSpec("note", "text", "anything", optional=True),
    ),
    key=("asset", "number"),
)


def table_of(assets: list[tuple[str, str, str, str, float, float]]) -> Assets:
    """Return assets from rows of id, kind, service, street, longitude and latitude."""
    ids, kinds, services, streets, lon, lat = (list(c) for c in zip(*assets, strict=True)) if assets else ([],) * 6
    blank = np.full(len(ids), "", dtype=np.str_)
    texts = [np.array(column, dtype=np.str_) for column in (ids, kinds, services, streets)]
    places = [np.array(column, dtype=np.float64) for column in (lon, lat)]
    return Assets(texts[0], texts[1], texts[2], blank, texts[3], places[0], places[1], blank)


def build_lamps(context: BuildContext) -> Built:
    """Put one lamp, shifted by the seed's dice, at the first point of every lit street that is no crossing."""
    dice = np.random.default_rng(context.seed)
    streets = context.streets
    rows = np.flatnonzero(streets.lit & (streets.kind != "crossing"))
    first = streets.shape_offsets[rows]
    lon = streets.shape_lon_deg[first] + dice.normal(0, 1e-5, len(rows))
    lat = streets.shape_lat_deg[first] + dice.normal(0, 1e-5, len(rows))
    ids = [f"lamp-{i}" for i in range(len(rows))]
    names = streets.name[rows].tolist()
    assets = table_of([(i, "lamp", "lamps", s, x, y) for i, s, x, y in zip(ids, names, lon, lat, strict=True)])
    heads = {
        "asset": np.array(ids, dtype=np.str_),
        "street": streets.id[rows],
        "number": np.zeros(len(rows), dtype=np.int64),
        "power_w": np.full(len(rows), float(context.settings.power_w)) + 0.1,
        "optics": np.array(["wide", "narrow"], dtype=np.str_)[np.arange(len(rows)) % 2],
        "dimmable": np.arange(len(rows)) % 3 > 0,
    }
    context.progress("lamps", 1.0)
    return Built(assets, {"heads": heads}, (f"{len(rows)} lamps at the starts of lit streets.",))


def build_stations(context: BuildContext, count: int = 2) -> Built:
    """Put stations at the ends of the network's bounding box."""
    lon, lat = context.streets.shape_lon_deg, context.streets.shape_lat_deg
    rows = [("station-west", lon.min(), lat.min()), ("station-east", lon.max(), lat.max())][:count]
    return Built(table_of([(i, "station", "mains", "", x, y) for i, x, y in rows]), {}, ())


def _not_called(*_: Any) -> Any:
    raise AssertionError("building and reading a city calls nothing of a service but its build")


def service(name: str, made: Callable[[BuildContext], Built], settings: type, **given: Any) -> Service:
    """Return a service that a city can build; everything else about it is absent."""
    deciding = ("prepare", "start", "decode", "encode", "adaptive", "baseline", "outcomes", "explain", "synthetic", "describe")
    tables = ("quantities", "actions", "reasons", "tables", "reads", "after", "interlocks", "outcome_names", "layers")
    usual: dict[str, Any] = {
        "title": name.title(),
        "doc": name,
        "cadence_s": 60,
        "fresh_s": 120.0,
        "simulator": "",
        "commands": "",
    }
    usual |= dict.fromkeys(deciding, _not_called) | dict.fromkeys(tables, ())
    usual |= {"name": name, "build": made, "settings": settings}
    return Service(**(usual | given))


def _quantity(name: str, of: str) -> Quantity:
    return Quantity(name, "kW", 0.1, 0.0, 100.0, "mean", 60, of, "power")


LAMPS = service(
    "lamps",
    build_lamps,
    LampSettings,
    kinds=(AssetKind("lamp", "a street light", needs_power=True),),
    tables=(HEADS,),
    quantities=(_quantity("p_kw", "lamp"), _quantity("energy_kw", "lamp")),
)
MAINS = service(
    "mains",
    build_stations,
    GridSettings,
    kinds=(AssetKind("station", "a substation", feeds=True),),
    quantities=(_quantity("p_kw", "station"), _quantity("band_kw", "station")),
)
BARE_MAINS = replace(MAINS, build=partial(build_stations, count=0))
SERVICES = (LAMPS, MAINS)


def small_recipe(net: Path, **given: Any) -> Recipe:
    """Return a recipe for the small town."""
    usual: dict[str, Any] = {
        "file": "town.toml",
        "name": "town",
        "title": 'Town "on the Spree"',
        "timezone": "Europe/Berlin",
        "seed": 7,
        "simulated": True,
        "areas": 4,
        "attribution": ("Made for tests.",),
        "scenario": Scenario(net),
        "settings": {"lamps": LampSettings(), "mains": GridSettings()},
    }
    return Recipe(**(usual | given))


def quiet(what: str, share: float) -> None:
    """Take progress and say nothing."""


def small_city(folder: Path, **given: Any) -> Report:
    """Build the small town at `folder / "town"` and return the report."""
    return build(small_recipe(small_net(folder / "source"), **given), folder / "town", SERVICES, None, quiet)
