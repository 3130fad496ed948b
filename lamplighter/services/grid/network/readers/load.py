# SPDX-License-Identifier: Apache-2.0
"""One way to ask for a grid by what somebody types: a city, a file of any known kind, or a SimBench code."""

import json
import re
from pathlib import Path
from typing import Any, cast

from lamplighter.city.directory import built_cities, find_city
from lamplighter.city.faults import CityError
from lamplighter.city.folder import load
from lamplighter.services import discover
from lamplighter.services.grid.network.check import check_network
from lamplighter.services.grid.network.model import GridError, read_grid
from lamplighter.services.grid.network.readers import matpower, pandapower, pgm, year
from lamplighter.services.grid.network.readers.city import network_of
from lamplighter.services.grid.network.tables import Network

SIMBENCH = re.compile(r"(simbench:.*|\d-[A-Z]+.*-.*|(rural|semiurb|urban)\d)")
FILES = ".m (MATPOWER), .json (pandapower, power-grid-model, MATPOWER, PowerModels)"


def load_grid(asked: str) -> Network:
    """Return the network that was asked for, checked. GridError or CityError say all that is wrong with it.

    asked: the path of a file (kinds are told apart by what is in it), a SimBench code (`1-LV-urban6--2`; `urban6` for
    `1-LV-urban6--0-sw`), or the name or folder of a built city.
    """
    path = Path(asked).expanduser()
    if path.is_file():
        network = _read_file(path)
    elif SIMBENCH.fullmatch(asked):
        network = pandapower.read_simbench(asked)
    elif path.suffix in (".m", ".json"):
        raise GridError(f"{asked}: there is no such file; allowed are {FILES}, a SimBench code or a city. Nothing was read.")
    else:
        network = _read_city(asked)
    check_network(network)
    return network


def is_city(asked: str) -> bool:
    """Return whether `load_grid` would look for a city: no file and no SimBench code."""
    path = Path(asked).expanduser()
    return not path.is_file() and not SIMBENCH.fullmatch(asked) and path.suffix not in (".m", ".json")


def has_year(asked: str) -> bool:
    """Return whether `load_year` reads it: a SimBench code."""
    return SIMBENCH.fullmatch(asked) is not None and not Path(asked).is_file()


def load_year(asked: str) -> tuple[Network, year.Year]:
    """Return a SimBench network and its year of quarters of an hour. GridError where the grid brings no year."""
    if not has_year(asked):
        raise GridError(f"{asked}: only SimBench grids bring a year; give a code as in 1-LV-urban6--2. Nothing was run.")
    net = pandapower.simbench_net(asked)
    network = pandapower.network_from_net(net, pandapower.simbench_code(asked))
    check_network(network)
    return network, year.year_from_net(net, network)


def city_folder(asked: str) -> Path:
    """Return the folder of a built city. GridError names all that a grid may be, where there is no such city."""
    try:
        return find_city(asked)
    except CityError as error:
        built = ", ".join(built_cities()) or "none is built yet"
        raise GridError(
            f"{asked}: there is no file, SimBench code or built city of that name; allowed are {FILES}, a code (1-LV-urban6--2, "
            f"or urban6 in short) or a built city ({built}). Nothing was read."
        ) from error


def _read_city(asked: str) -> Network:
    cities = load(city_folder(asked), discover())
    if "grid" not in cities:
        raise GridError(f"{asked}: the city has no grid. Build it anew with `lamplighter city build {asked}`.")
    return network_of(read_grid(cities["grid"].tables), asked)


def _read_file(path: Path) -> Network:
    if path.suffix == ".m":
        return matpower.read_case(path)
    if path.suffix != ".json":
        raise GridError(f"{path}: the kind of file is not known; allowed are {FILES}. Nothing was read.")
    try:
        whole: object = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise GridError(f"{path}: it is no JSON ({error}). Nothing was read.") from error
    if isinstance(whole, dict):
        data = cast("dict[str, Any]", whole)
        if data.get("_class") == "pandapowerNet":
            return pandapower.read_json(path)
        if "data" in data and "type" in data:
            return pgm.from_dataset(data, path.stem)
        case = data.get("mpc", data)
        if all(name in case for name in ("bus", "branch", "gen", "baseMVA")):
            return matpower.from_json(case, path.stem)
    raise GridError(
        f"{path}: the JSON is none of pandapower's, power-grid-model's, MATPOWER's or PowerModels'. Nothing was read."
    )
