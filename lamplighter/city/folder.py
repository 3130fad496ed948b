# SPDX-License-Identifier: Apache-2.0
"""A city folder: where its files lie, how it is read whole, and how it is written."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lamplighter import __version__
from lamplighter.city.csvfile import Faults, has_header, read_table, write_table
from lamplighter.city.directory import cities_directory, data_directory, find_city, record_folder
from lamplighter.city.faults import CityError, Fault
from lamplighter.city.layout import AREAS, ASSETS, STREETS
from lamplighter.city.manifest import FILE, Manifest, read_about, read_manifest, write_manifest
from lamplighter.city.references import reference_faults
from lamplighter.city.settings import write_settings
from lamplighter.city.shapes import line_texts, parse_lines, parse_rings
from lamplighter.terms.asset import Assets
from lamplighter.terms.city import CityData, Place, Streets
from lamplighter.terms.columns import TextArray, frozen
from lamplighter.terms.service import Service
from lamplighter.terms.table import Table

__all__ = [
    "Areas",
    "CityFiles",
    "attribution_lines",
    "data_directory",
    "digest",
    "find_city",
    "is_built",
    "load",
    "read",
    "read_place",
    "record_folder",
    "write",
]

NOT_STARTED = "The city was not loaded; its files are as they were."
SHARED = (STREETS, AREAS, ASSETS)


@dataclass(frozen=True)
class Areas:
    """The areas of a city: name (n,) and outline (n,) as WKT polygons."""

    name: TextArray
    wkt: TextArray


@dataclass(frozen=True)
class CityFiles:
    """Everything in a city folder that is a table. tables: service name to table name to columns."""

    manifest: Manifest
    streets: Streets
    areas: Areas
    assets: Assets
    tables: Mapping[str, Mapping[str, Table]]


def load(folder: Path, services: Sequence[Service]) -> dict[str, CityData]:
    """Return the city as each service sees it, by service name; CityError tells all that is wrong with its tables.

    Streets, assets and vocabulary are shared: the same frozen arrays for every service.
    """
    files, faults = read(folder, services, whole=False)
    serious = tuple(fault for fault in faults if not fault.warning)
    if files is None or serious:
        raise CityError(serious, NOT_STARTED)
    vocabulary = tuple(sorted({quantity.name for service in services for quantity in service.quantities}))
    manifest = files.manifest
    return {
        service.name: CityData(
            name=manifest.name,
            title=manifest.title,
            simulated=manifest.simulated,
            place=manifest.place,
            streets=files.streets,
            assets=files.assets,
            span=files.assets.span(service.name),
            tables=files.tables[service.name],
            settings=manifest.settings[service.name],
            vocabulary=vocabulary,
            areas=tuple(files.areas.name.tolist()),
            folder=folder,
        )
        for service in services
    }


def read(folder: Path, services: Sequence[Service], whole: bool = True) -> tuple[CityFiles | None, tuple[Fault, ...]]:
    """Return what the folder's tables say (None where that cannot be told) and all that is wrong with them.

    whole: these are all services there are; a city may also be loaded for some of its services alone."""
    if not folder.is_dir():
        fault = Fault(str(folder), None, "folder", "missing", "a city folder", "Build it with `lamplighter city build NAME`.")
        return None, (fault,)
    manifest, found = read_manifest(folder / FILE, services, whole)
    faults = list(found)
    shared: dict[str, Table] = {}
    for spec in SHARED:
        shared[spec.name], _, wrong = read_table(folder / f"{spec.name}.csv", f"{spec.name}.csv", spec)
        faults += wrong
    tables: dict[str, dict[str, Table]] = {}
    for service in services:
        tables[service.name] = {}
        for spec in service.tables:
            shown = f"{service.name}/{spec.name}.csv"
            tables[service.name][spec.name], _, wrong = read_table(folder / shown, shown, spec)
            faults += wrong
    if any(not column.optional and column.name not in shared[spec.name] for spec in SHARED for column in spec.columns):
        return None, tuple(faults)
    streets, wrong = _streets(shared["streets"])
    faults += wrong
    _, _, _, bad_rings = parse_rings(shared["areas"]["wkt"].tolist())
    faults += _shape_faults("areas.csv", bad_rings, shared["areas"], "POLYGON ((lon lat, lon lat, ...))")
    faults += reference_faults(shared, tables, services)
    if manifest is None:
        return None, tuple(faults)
    areas = Areas(shared["areas"]["name"], shared["areas"]["wkt"])
    frozen_tables = {name: {key: _frozen(table) for key, table in by_name.items()} for name, by_name in tables.items()}
    return CityFiles(manifest, streets, areas, Assets(**_frozen(shared["assets"])), frozen_tables), tuple(faults)


def _frozen(table: Table) -> Table:
    return {name: frozen(column) for name, column in table.items()}


def _streets(table: Table) -> tuple[Streets, list[Fault]]:
    offsets, lon_deg, lat_deg, wrong = parse_lines(table["wkt"].tolist())
    columns = {name: frozen(values) for name, values in table.items() if name != "wkt"}
    streets = Streets(**columns, shape_offsets=frozen(offsets), shape_lon_deg=frozen(lon_deg), shape_lat_deg=frozen(lat_deg))
    return streets, _shape_faults("streets.csv", wrong, table, "LINESTRING (lon lat, lon lat, ...)")


def _shape_faults(file: str, rows: list[int], table: Table, allowed: str) -> list[Fault]:
    faults = Faults(file)
    remedy = "Write it as WKT with points in degrees, longitude first."
    faults.rows(rows, "wkt", lambda row: repr(str(table["wkt"][row])[:40]), allowed, remedy)
    return faults.found


def write(folder: Path, files: CityFiles, services: Sequence[Service]) -> None:
    """Write the tables of a city into an existing folder; the same city gives the same bytes."""
    settings = {service.name: write_settings(files.manifest.settings[service.name]) for service in services}
    write_manifest(folder / FILE, files.manifest, settings)
    streets = {column.name: getattr(files.streets, column.name) for column in STREETS.columns if column.name != "wkt"}
    shapes = line_texts(files.streets.shape_offsets, files.streets.shape_lon_deg, files.streets.shape_lat_deg)
    write_table(folder / "streets.csv", {**streets, "wkt": np.array(shapes, dtype=np.str_)}, [c.name for c in STREETS.columns])
    write_table(folder / "areas.csv", {"name": files.areas.name, "wkt": files.areas.wkt}, [c.name for c in AREAS.columns])
    assets = {column.name: getattr(files.assets, column.name) for column in ASSETS.columns}
    write_table(folder / "assets.csv", assets, [c.name for c in ASSETS.columns])
    for service in services:
        for spec in service.tables:
            table = files.tables[service.name][spec.name]
            write_table(folder / service.name / f"{spec.name}.csv", table, [c.name for c in spec.columns])


def is_built(name: str, services: Sequence[Service]) -> bool:
    """Return whether a city stands in the data directory, built by this version for these services.

    Looks at `city.toml` and at the headers of the tables, not at their rows: `check` does that.
    """
    folder = cities_directory() / name
    if not (folder / FILE).is_file():
        return False
    manifest, faults = read_manifest(folder / FILE, services)
    if manifest is None or faults or manifest.version != __version__:
        return False
    specs = [(f"{spec.name}.csv", spec) for spec in SHARED]
    specs += [(f"{service.name}/{spec.name}.csv", spec) for service in services for spec in service.tables]
    return all(has_header(folder / file, spec) for file, spec in specs)


def attribution_lines(folder: Path) -> tuple[str, ...]:
    """Return whom to credit for the city's data, one line each, to be shown wherever the city is shown."""
    return read_about(folder / FILE).attribution


def read_place(folder: Path) -> Place:
    """Return where the city lies, without reading its tables."""
    return read_about(folder / FILE).place


def digest(folder: Path) -> str:
    """Return the SHA-256 over names and contents of all files of a folder: the same city, the same digest."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        total.update(path.relative_to(folder).as_posix().encode() + b"\0")
        with path.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()
