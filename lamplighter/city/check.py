# SPDX-License-Identifier: Apache-2.0
"""Tells all that is wrong with a city folder at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lamplighter.city import source
from lamplighter.city.csvfile import Faults, strangers
from lamplighter.city.faults import CityError, Fault, shortened
from lamplighter.city.folder import CityFiles, read
from lamplighter.city.network import net_edges
from lamplighter.city.references import unknown_services
from lamplighter.terms.columns import AnyArray
from lamplighter.terms.service import Service

REACH_DEG = 0.05  # how far beyond its streets a city's assets may lie: about five kilometres


class Slip(NamedTuple):
    """A column whose every value lies like this is probably in another unit."""

    ending: str
    low: float | None
    high: float | None
    looks_like: str


SLIPS = (
    Slip("length_m", 2.0, None, "kilometres"),
    Slip("speed_m_s", None, 20.0, "kilometres per hour"),
    Slip("_v", 200.0, None, "kilovolts"),
    Slip("_kw", None, 50_000.0, "watts"),
    Slip("_kva", None, 100_000.0, "volt-amperes"),
    Slip("_s", None, 100_000.0, "milliseconds"),
)


def check(folder: Path, services: Sequence[Service]) -> tuple[Fault, ...]:
    """Return all that is wrong with a city folder, the serious first, then warnings; nothing where it is sound."""
    files, found = read(folder, services)
    faults = list(found)
    if not folder.is_dir():
        return tuple(faults)
    faults += _network_faults(folder, files)
    if files is not None:
        faults += unknown_services(files.assets, services)
        faults += _outside(files)
        faults += _source_files(folder, files.manifest.source)
        faults += _slips("streets.csv", {"length_m": files.streets.length_m, "speed_m_s": files.streets.speed_m_s})
        for service in services:
            for name, table in files.tables[service.name].items():
                faults += _slips(f"{service.name}/{name}.csv", table)
    return tuple(sorted(faults, key=lambda fault: fault.warning))


def _network_faults(folder: Path, files: CityFiles | None) -> list[Fault]:
    try:
        edges = net_edges(folder / "sumo" / "net.xml", "sumo/net.xml")
    except CityError as error:
        return list(error.faults)
    if files is None:
        return []
    faults = Faults("streets.csv")
    strange = np.flatnonzero(strangers(files.streets.id, edges)).tolist()
    remedy = "Take the row out, or build the city again from this net."
    faults.rows(strange, "id", lambda row: shortened(str(files.streets.id[row])), "an edge of sumo/net.xml", remedy)
    return faults.found


def _outside(files: CityFiles) -> list[Fault]:
    """Fault assets that lie nowhere near the city's streets, saying so where longitude and latitude look swapped."""
    faults = Faults("assets.csv")
    lon, lat = files.streets.shape_lon_deg, files.streets.shape_lat_deg
    if len(lon) == 0:
        return []
    west, east, south, north = lon.min() - REACH_DEG, lon.max() + REACH_DEG, lat.min() - REACH_DEG, lat.max() + REACH_DEG
    x, y = files.assets.lon_deg, files.assets.lat_deg
    outside = (x < west) | (x > east) | (y < south) | (y > north)
    swapped = outside & (y >= west) & (y <= east) & (x >= south) & (x <= north)
    allowed = f"{west:.3f} to {east:.3f} east, {south:.3f} to {north:.3f} north (the streets and five kilometres around)"

    def where(row: int) -> str:
        return f"{x[row]:g}, {y[row]:g}"

    faults.rows(
        np.flatnonzero(swapped).tolist(),
        "lon_deg, lat_deg",
        where,
        allowed,
        "Longitude and latitude are swapped: exchange the two.",
    )
    faults.rows(np.flatnonzero(outside & ~swapped).tolist(), "lon_deg, lat_deg", where, allowed, "Mend the coordinates.")
    return faults.found


def _source_files(folder: Path, given: Mapping[str, str]) -> list[Fault]:
    faults = Faults("city.toml")
    names = [("sumo/" + name, key) for key in (source.ROUTES, source.ADDITIONAL) for name in source.file_names(given, key)]
    grid = given.get(source.GRID, "simbench:")
    names += [] if grid.startswith("simbench:") else [(grid, source.GRID)]
    for name, key in names:
        if not (folder / name).is_file():
            faults.add(
                None,
                f"[source] {key}",
                f"{shortened(name)}, which is missing",
                "a file in the city folder",
                "Restore the file, or import the city again.",
            )
    return faults.found


def _slips(file: str, table: Mapping[str, AnyArray]) -> list[Fault]:
    found: list[Fault] = []
    for name, values in table.items():
        if values.dtype.kind not in "fi":
            continue
        positive = values[values > 0]
        slip = next((slip for slip in SLIPS if name.endswith(slip.ending)), None)
        if slip is None or len(positive) == 0:
            continue
        middle = float(np.median(positive))
        if (slip.low is not None and middle < slip.low) or (slip.high is not None and middle > slip.high):
            unit = name.removesuffix("_per_s").rpartition("_")[2] if slip.ending != "speed_m_s" else "m_s"
            remedy = f"If so, convert the column; its name says that it is in {unit}."
            found.append(
                Fault(
                    file,
                    None,
                    name,
                    f"{middle:g} in the median, which looks like {slip.looks_like}",
                    f"values in {unit}",
                    remedy,
                    warning=True,
                )
            )
    return found
