# SPDX-License-Identifier: Apache-2.0
"""A SUMO scenario of any origin: its configuration file, and what a trial reads from it."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from lamplighter.services.traffic.trials.strands import open_xml


class ScenarioError(ValueError):
    """A scenario that cannot be run; the text says which file, what is wrong and what to do."""


@dataclass(frozen=True)
class Scenario:
    """One scenario. end_s is None where it runs until nobody is left; additional files in the order of the configuration."""

    name: str
    config: Path
    net: Path
    routes: tuple[Path, ...]
    additional: tuple[Path, ...]
    begin_s: int
    end_s: int | None


def find_scenario(path: Path) -> Scenario:
    """Read a `*.sumocfg`, or the only one of a folder. ScenarioError where there is none, several, or a file is missing."""
    config = path
    if path.is_dir():
        found = sorted(path.glob("*.sumocfg"))
        if len(found) != 1:
            named = ", ".join(f.name for f in found) or "none"
            raise ScenarioError(f"{path}: of *.sumocfg exactly one is needed in it, there is {named}; name the file instead")
        config = found[0]
    if not config.is_file():
        raise ScenarioError(f"{config}: no such file; give a *.sumocfg or a folder that has one")
    try:
        root = ET.parse(config).getroot()
    except ET.ParseError as error:
        raise ScenarioError(f"{config}: not a complete XML file ({error}); bring the scenario again") from error
    values = {_key(e.tag): e.get("value", e.get("v", "")) for e in root.iter() if e.get("value", e.get("v")) is not None}
    if not values.get("net-file"):
        raise ScenarioError(f"{config}: no <net-file value=.../>; this is not a SUMO configuration")
    net = config.parent / values["net-file"].strip()
    routes = _files(config, values.get("route-files", ""))
    additional = _files(config, values.get("additional-files", ""))
    for file in (net, *routes, *additional):
        if not file.is_file():
            raise ScenarioError(f"{config}: it names {file}, and {file.name} is not there; bring that file, or mend the name")
    name = config.parent.resolve().name if path.is_dir() or config.stem in ("run", "osm", "sumo", "config") else config.stem
    end = values.get("end", "")
    return Scenario(name, config, net, routes, additional, int(_seconds(values.get("begin", "0"))), _end(end))


def _key(tag: str) -> str:
    short = {"net": "net-file", "n": "net-file", "route": "route-files", "r": "route-files", "additional": "additional-files",
             "a": "additional-files", "b": "begin", "e": "end"}  # fmt: skip
    return short.get(tag, tag)


def _files(config: Path, text: str) -> tuple[Path, ...]:
    return tuple(config.parent / part.strip() for part in text.split(",") if part.strip())


def _end(text: str) -> int | None:
    return None if not text or float(_seconds(text)) < 0 else int(_seconds(text))


def _seconds(text: str) -> float:
    """Read seconds or d:hh:mm:ss."""
    parts = [float(part) for part in text.split(":")]
    factors = (1.0, 60.0, 3600.0, 86400.0)
    return sum(part * factor for part, factor in zip(reversed(parts), factors, strict=False))


def read_net(net: Path) -> ET.Element:
    """Return the root of the network file, gzipped or not; ScenarioError where it is broken or no network."""
    try:
        root = open_xml(net)
    except (ET.ParseError, EOFError, OSError) as error:
        raise ScenarioError(f"{net}: not a complete network ({error}); bring the scenario again") from error
    if root.tag != "net":
        raise ScenarioError(f"{net}: the root is <{root.tag}>, a SUMO network has <net>; mend <net-file> in the configuration")
    return root
