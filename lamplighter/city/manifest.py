# SPDX-License-Identifier: Apache-2.0
"""`city.toml`: what the city is called, where it lies, where its data came from, and each service's settings."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lamplighter.city.faults import CityError, Fault, refuse, shortened, unknown_name
from lamplighter.city.settings import read_settings
from lamplighter.terms.city import Place
from lamplighter.terms.service import Service

FILE = "city.toml"
FORMAT = 1  # grows when a folder of an older lamplighter could no longer be read
NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


@dataclass(frozen=True)
class _City:
    name: str
    title: str
    seed: int
    simulated: bool
    timezone: str
    lon0_deg: float
    lat0_deg: float
    format: int
    version: str


@dataclass(frozen=True)
class _Attribution:
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """What `city.toml` says. settings: per service name its settings value; source: see `city.source`."""

    name: str
    title: str
    seed: int
    simulated: bool
    place: Place
    version: str
    attribution: tuple[str, ...]
    source: Mapping[str, str]
    settings: Mapping[str, Any]


def read_toml(path: Path, shown: str) -> Mapping[str, Any]:
    """Return a TOML file as a mapping; CityError names file, line and remedy."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        fault = Fault(
            shown, None, "file", "missing", f"a TOML file at {path}", "Give the path of an existing city folder or recipe."
        )
        raise refuse(fault) from error
    except UnicodeDecodeError as error:
        raise refuse(Fault(shown, None, "text", "bytes that are not UTF-8", "UTF-8", "Save the file in UTF-8.")) from error
    except tomllib.TOMLDecodeError as error:
        raise refuse(Fault(shown, None, "TOML", str(error), "valid TOML (toml.io)", "Mend the line that is named.")) from error


def read_manifest(path: Path, services: Sequence[Service], whole: bool = True) -> tuple[Manifest | None, tuple[Fault, ...]]:
    """Return the manifest (None where it cannot be used) and all that is wrong with it.

    whole: these are all services there are, so the table of any other is a fault."""
    try:
        document = read_toml(path, FILE)
    except CityError as error:
        return None, error.faults
    faults: list[Fault] = []
    if whole:
        known = ["city", "attribution", "source", *(service.name for service in services)]
        faults += [
            Fault(FILE, None, f"[{name}]", "unknown", *unknown_name(name, known)) for name in document if name not in known
        ]
    manifest, found = _manifest(document, services)
    return manifest, (*faults, *found)


def _manifest(document: Mapping[str, Any], services: Sequence[Service]) -> tuple[Manifest | None, tuple[Fault, ...]]:
    faults: list[Fault] = []
    city, wrong = read_settings(_City, _table(document, "city", faults), FILE, "city")
    faults += wrong
    attribution, wrong = read_settings(_Attribution, _table(document, "attribution", faults), FILE, "attribution")
    faults += wrong
    source = _table(document, "source", faults)
    faults += [
        Fault(FILE, None, f"[source] {key}", shortened(value), "a text in quotes", "Put the value in quotes.")
        for key, value in source.items()
        if not isinstance(value, str)
    ]
    settings: dict[str, Any] = {}
    for service in services:
        settings[service.name], wrong = read_settings(
            service.settings, _table(document, service.name, faults), FILE, service.name
        )
        faults += wrong
    if city is None or attribution is None:
        return None, tuple(faults)
    faults += city_faults(city, FILE)
    place = Place(city.lon0_deg, city.lat0_deg, city.timezone)
    texts = {key: str(value) for key, value in source.items()}
    manifest = Manifest(city.name, city.title, city.seed, city.simulated, place, city.version, attribution.lines, texts, settings)
    return manifest, tuple(faults)


def read_about(path: Path) -> Manifest:
    """Return the manifest without any service's settings; CityError where [city] or [attribution] is wrong."""
    document = read_toml(path, FILE)
    about = {name: document[name] for name in ("city", "attribution", "source") if name in document}
    manifest, faults = _manifest(about, ())
    if manifest is None or faults:
        raise CityError(faults, "The city was not read.")
    return manifest


def _table(document: Mapping[str, Any], name: str, faults: list[Fault]) -> Mapping[str, Any]:
    table = document.get(name, {})
    if isinstance(table, dict):
        return cast("Mapping[str, Any]", table)
    faults.append(Fault(FILE, None, name, shortened(table), f"a table [{name}]", "Write it as a table of keys and values."))
    return {}


def city_faults(city: _City, file: str) -> tuple[Fault, ...]:
    """Return what is wrong with the values of [city], their types being right."""
    faults: list[Fault] = []
    if city.format != FORMAT:
        remedy = "Build or import the city again with this lamplighter."
        faults.append(Fault(file, None, "[city] format", str(city.format), str(FORMAT), remedy))
    for key, value, bound in (("lon0_deg", city.lon0_deg, 180), ("lat0_deg", city.lat0_deg, 90)):
        if not -bound <= value <= bound:
            faults.append(
                Fault(file, None, f"[city] {key}", str(value), f"{-bound} to {bound}", "Degrees, WGS84; are the two swapped?")
            )
    return (*faults, *name_faults(city.name, file), *timezone_faults(city.timezone, file))


def name_faults(name: str, file: str) -> tuple[Fault, ...]:
    """Return the fault of a name that cannot be a folder and an address on every machine."""
    if name and set(name) <= NAME_LETTERS and name[0] not in "-_" and len(name) <= 64:
        return ()
    allowed = "1 to 64 small letters a-z, digits, - and _, the first a letter or digit"
    return (Fault(file, None, "[city] name", shortened(name), allowed, "Choose such a name; the title may be any text."),)


def timezone_faults(timezone: str, file: str) -> tuple[Fault, ...]:
    """Return the fault of a time zone that is not in the IANA data base."""
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        allowed = "a name of the IANA time zone data base"
        return (Fault(file, None, "[city] timezone", shortened(timezone), allowed, "Write it like Europe/Berlin."),)
    return ()


def write_manifest(path: Path, manifest: Manifest, settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Write `city.toml`, every key with its value, in a fixed order."""
    city = {
        "name": manifest.name,
        "title": manifest.title,
        "seed": manifest.seed,
        "simulated": manifest.simulated,
        "timezone": manifest.place.timezone,
        "lon0_deg": manifest.place.lon0_deg,
        "lat0_deg": manifest.place.lat0_deg,
        "format": FORMAT,
        "version": manifest.version,
    }
    tables = {"city": city, "attribution": {"lines": list(manifest.attribution)}, "source": dict(manifest.source), **settings}
    path.write_text("\n".join(_toml_table(name, table) for name, table in tables.items()), encoding="utf-8")


def _toml_table(name: str, table: Mapping[str, Any]) -> str:
    return "".join([f"[{name}]\n", *(f"{key} = {_toml_value(value)}\n" for key, value in table.items())])


def _toml_value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(item) for item in cast("list[Any]", value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # A JSON string is a TOML basic string, but for the delete character, which TOML wants escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    return repr(value)
