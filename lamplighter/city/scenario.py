# SPDX-License-Identifier: Apache-2.0
"""A SUMO scenario as somebody has it: its configuration read, its files found, copied beside the city."""

import gzip
import os
import shutil
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lamplighter.city import source
from lamplighter.city.faults import CityError, Fault, refuse, shortened
from lamplighter.city.network import elements

# The zero of a net without a geographic reference lies in the English Channel, where nobody takes it for the real place.
NOWHERE = (0.0, 50.0)
ENDINGS = {source.ROUTES: ".rou.xml", source.ADDITIONAL: ".add.xml"}
GRID_FILE = "source/grid.json"
ALIASES = {"n": "net-file", "net": "net-file", "r": "route-files", "a": "additional-files", "b": "begin", "e": "end"}
REMEDY_CONFIG = "Give the scenario's .sumocfg, whole; `sumo --save-configuration` writes one."
REMEDY_COPY = "Copy the whole file again from where it was made."
REMEDY = "Mend the path in the configuration; paths are relative to the configuration's own folder."


@dataclass(frozen=True)
class Scenario:
    """The inputs of a city. begin_s and end_s are seconds of the scenario's day, None where it is open; origin_deg is the
    longitude and latitude of the net's zero, for a net without a geographic reference; grid: `simbench:CODE` or a path."""

    net: Path
    routes: tuple[Path, ...] = ()
    additional: tuple[Path, ...] = ()
    begin_s: float | None = None
    end_s: float | None = None
    grid: str | None = None
    origin_deg: tuple[float, float] = NOWHERE


def read_scenario(config: Path, grid: str | None = None, origin_deg: tuple[float, float] = NOWHERE) -> Scenario:
    """Return what a SUMO configuration (`.sumocfg`, also gzipped) names; CityError tells all that is wrong with it."""
    given: dict[str, str] = {}
    for element in elements(config, config.name, ("configuration", "sumoConfiguration"), REMEDY_CONFIG):
        if "value" in element.attrib:
            given[ALIASES.get(element.tag, element.tag)] = element.attrib["value"]
    faults: list[Fault] = []
    if not given.get("net-file"):
        faults.append(Fault(config.name, None, "net-file", "missing", "the path of a SUMO net", "Name the network in <input>."))
    lists = {key: _paths(given.get(key, ""), config) for key in ("net-file", "route-files", "additional-files")}
    for key, paths in lists.items():
        faults += [
            Fault(config.name, None, key, f"{path} (missing)", "files that exist", REMEDY) for path in paths if not path.is_file()
        ]
    begin_s, end_s = (
        _seconds(given.get("begin"), "begin", config.name, faults),
        _seconds(given.get("end"), "end", config.name, faults),
    )
    if grid is not None and not grid.startswith("simbench:") and not Path(grid).is_file():
        faults.append(
            Fault(grid, None, "file", "missing", "a pandapower JSON file or simbench:CODE", "Give the path of an existing file.")
        )
    if faults:
        raise CityError(faults, "Nothing was imported.")
    return Scenario(lists["net-file"][0], lists["route-files"], lists["additional-files"], begin_s, end_s, grid, origin_deg)


def _paths(value: str, config: Path) -> tuple[Path, ...]:
    value = os.path.expandvars(value)  # SUMO puts environment variables in too
    return tuple(config.parent / name.strip() for name in value.split(",") if name.strip())


def _seconds(value: str | None, key: str, file: str, faults: list[Fault]) -> float | None:
    """Return SUMO's time notation, seconds or [[days:]hours:]minutes:seconds, as seconds; negative means open."""
    if value is None:
        return None
    try:
        parts = [float(part) for part in value.split(":")]
        if len(parts) > 4:
            raise ValueError(value)
    except ValueError:
        faults.append(Fault(file, None, key, shortened(value), "seconds or hours:minutes:seconds", "Mend the time."))
        return None
    total = sum(part * unit for part, unit in zip(reversed(parts), (1, 60, 3600, 86400), strict=False))
    return total if total >= 0 else None


def bring(scenario: Scenario, folder: Path) -> Mapping[str, str]:
    """Copy a scenario's files into a city folder, uncompressed; return `context.source` as `city.source` documents it."""
    (folder / "sumo").mkdir(parents=True)
    _copy(scenario.net, folder / "sumo" / "net.xml")
    found: dict[str, str] = {source.NET: "net.xml"}
    for key, paths in ((source.ROUTES, scenario.routes), (source.ADDITIONAL, scenario.additional)):
        if paths:
            found[key] = ";".join(_named(paths, key, folder / "sumo"))
    for key, value in ((source.BEGIN_S, scenario.begin_s), (source.END_S, scenario.end_s)):
        if value is not None:
            found[key] = f"{value:g}" if value < 1e6 else f"{value:.0f}"
    if scenario.grid is not None:
        found[source.GRID] = scenario.grid
        if not scenario.grid.startswith("simbench:"):
            (folder / GRID_FILE).parent.mkdir(exist_ok=True)
            _copy(Path(scenario.grid), folder / GRID_FILE)
            found[source.GRID] = GRID_FILE
    return found


def _named(paths: Sequence[Path], key: str, folder: Path) -> list[str]:
    """Copy files under names that cannot collide and that sort in the order of the configuration."""
    ending = ENDINGS[key]
    names = [f"{key}-{number:03d}-{_stem(path)}{ending}" for number, path in enumerate(paths, start=1)]
    for path, name in zip(paths, names, strict=True):
        _copy(path, folder / name)
        for element in elements(folder / name, path.name, ("routes", "additional") if key == source.ROUTES else (), REMEDY_COPY):
            element.clear()  # only read to its end, so that a file cut short is told now and not in the first run
    return names


def _stem(path: Path) -> str:
    name = path.name.removesuffix(".gz").removesuffix(".xml").removesuffix(".rou").removesuffix(".add")
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)


def _copy(path: Path, to: Path) -> None:
    if not path.is_file():
        raise refuse(
            Fault(str(path), None, "file", "missing", "a file that exists", "Mend the path in the recipe or configuration.")
        )
    if path.suffix != ".gz":
        shutil.copyfile(path, to)
        return
    try:
        with gzip.open(path, "rb") as packed, to.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise refuse(
            Fault(str(path), None, "gzip", str(error), "a complete gzip file", f"The file is cut short. {REMEDY_COPY}")
        ) from error
