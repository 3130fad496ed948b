# SPDX-License-Identifier: Apache-2.0
"""A recipe: the TOML file from which a city folder is built. It holds names and settings, no foreign data."""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from lamplighter.city.areas import FEWEST, MOST
from lamplighter.city.faults import CityError, Fault, refuse, shortened, unknown_name
from lamplighter.city.manifest import name_faults, read_toml, timezone_faults
from lamplighter.city.scenario import NOWHERE, Scenario, read_scenario
from lamplighter.city.settings import read_settings
from lamplighter.terms.service import Service

IN_SUMO = "sumo:"  # a path inside the installed SUMO, wherever that is


@dataclass(frozen=True)
class _City:
    name: str
    title: str
    timezone: str
    seed: int = field(default=1, metadata={"low": 0, "high": 2**31 - 1})
    simulated: bool = True
    areas: int | None = field(default=None, metadata={"low": FEWEST, "high": MOST})


@dataclass(frozen=True)
class _Source:
    net: str | None = None
    config: str | None = None
    grid: str | None = None
    origin_lon_deg: float = field(default=NOWHERE[0], metadata={"low": -180.0, "high": 180.0})
    origin_lat_deg: float = field(default=NOWHERE[1], metadata={"low": -85.0, "high": 85.0})


@dataclass(frozen=True)
class _Attribution:
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """What a city is built from. settings: per service name the settings value; areas: None lets the city choose."""

    file: str
    name: str
    title: str
    timezone: str
    seed: int
    simulated: bool
    areas: int | None
    attribution: tuple[str, ...]
    scenario: Scenario
    settings: Mapping[str, Any]


def read_recipe(path: Path, services: Sequence[Service]) -> Recipe:
    """Return a recipe; CityError tells all that is wrong with it."""
    document = read_toml(path, path.name)
    sections = ("city", "source", "attribution")
    known = {service.name: service for service in services}
    faults: list[Fault] = []
    for name, table in document.items():
        if name not in sections and name not in known:
            faults.append(Fault(path.name, None, f"[{name}]", "unknown", *unknown_name(name, [*sections, *known])))
        elif not isinstance(table, dict):
            faults.append(
                Fault(path.name, None, name, shortened(table), f"a table [{name}]", "Write it as a table of keys and values.")
            )
    tables = {name: cast("dict[str, Any]", table) for name, table in document.items() if isinstance(table, dict)}
    values: dict[str, Any] = {}
    kinds: dict[str, type] = {"city": _City, "source": _Source, "attribution": _Attribution}
    for name, kind in (kinds | {name: service.settings for name, service in known.items()}).items():
        values[name], wrong = read_settings(kind, tables.get(name, {}), path.name, name)
        faults += wrong
    city, source = cast("_City | None", values["city"]), cast("_Source | None", values["source"])
    if city is not None:
        faults += [*name_faults(city.name, path.name), *timezone_faults(city.timezone, path.name)]
    if source is not None and (source.net is None) == (source.config is None):
        remedy = 'Give one of them, such as net = "my.net.xml".'
        faults.append(Fault(path.name, None, "[source] net, config", "both or neither", "exactly one of the two", remedy))
    if faults or city is None or source is None:
        raise CityError(faults, "Nothing was built.")
    scenario = _scenario(source, path)
    settings = {name: values[name] for name in known}
    lines = values["attribution"].lines
    return Recipe(
        path.name, city.name, city.title, city.timezone, city.seed, city.simulated, city.areas, lines, scenario, settings
    )


def _scenario(source: _Source, recipe: Path) -> Scenario:
    grid = source.grid if source.grid is None or source.grid.startswith("simbench:") else str(_located(source.grid, recipe))
    origin = (source.origin_lon_deg, source.origin_lat_deg)
    if source.config is not None:
        return read_scenario(_located(source.config, recipe), grid, origin)
    return Scenario(net=_located(str(source.net), recipe), grid=grid, origin_deg=origin)


def _located(text: str, recipe: Path) -> Path:
    """Return the path a recipe names: inside the installed SUMO, or relative to the recipe."""
    if not text.startswith(IN_SUMO):
        return recipe.parent / text
    # The package is located without being imported: its import changes the environment of the whole process.
    found = importlib.util.find_spec("sumo")
    if found is None or not found.submodule_search_locations:
        fault = Fault(recipe.name, None, "[source]", text, "an installed SUMO", "Install it: pip install 'lamplighter[sumo]'.")
        raise refuse(fault, "Nothing was built.")
    return Path(found.submodule_search_locations[0]) / text.removeprefix(IN_SUMO)


def verify_name(name: str, timezone: str) -> None:
    """Raise CityError unless a city may be called so and lie in that time zone."""
    faults = (*name_faults(name, "command line"), *timezone_faults(timezone, "command line"))
    if faults:
        raise CityError(faults, "Nothing was built.")


def settings_of(services: Sequence[Service]) -> dict[str, Any]:
    """Return every service's settings with nothing but defaults, for a city that has no recipe."""
    found: dict[str, Any] = {}
    faults: list[Fault] = []
    for service in services:
        found[service.name], wrong = read_settings(service.settings, {}, "defaults", service.name)
        faults += wrong
    if faults:
        raise CityError(faults, "Nothing was built.")
    return found
