# SPDX-License-Identifier: Apache-2.0
"""A city's lamps as entities of the FIWARE data model for street lighting (Smart Data Models, dataModel.Streetlighting).

What is exported is the register: places, heights, power, who hangs on whom. What lamps did when is not, and the model's counts of
detected motion have no source here.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from lamplighter.services.lighting.terms import LUMINAIRE
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import IntArray, TextArray

CONTEXT = "https://raw.githubusercontent.com/smart-data-models/dataModel.Streetlighting/master/context.jsonld"
_CATEGORY = {"highway.path": "pedestrianPath", "highway.footway": "sidewalk", "highway.pedestrian": "pedestrianPath"}


def entities(city: CityData) -> Iterator[dict[str, Any]]:
    """Yield groups (cells), control cabinets and street lights, in NGSI-LD's simplified form (key and value)."""
    yield from _groups(city)
    yield from _cabinets(city)
    yield from _lights(city)


def _urn(kind: str, city: CityData, name: str) -> str:
    return f"urn:ngsi-ld:{kind}:{city.name}:{name}"


def _points(city: CityData, ids: TextArray) -> list[dict[str, Any]]:
    at = city.assets.positions(ids)
    rows = zip(city.assets.lon_deg[at].tolist(), city.assets.lat_deg[at].tolist(), strict=True)
    return [{"type": "Point", "coordinates": [round(lon, 7), round(lat, 7)]} for lon, lat in rows]


def _made(kind: str, city: CityData, name: str, place: dict[str, Any]) -> dict[str, Any]:
    return {"id": _urn(kind, city, name), "type": kind, "@context": [CONTEXT], "location": place, "source": "lamplighter"}


def _areas(city: CityData, ids: TextArray) -> TextArray:
    return city.assets.area[city.assets.positions(ids)]


def _row_of(ids: TextArray, wanted: TextArray) -> IntArray:
    order = np.argsort(ids)
    return order[np.searchsorted(ids[order], wanted)]


def _groups(city: CityData) -> Iterator[dict[str, Any]]:
    cells, segments, lamps = (city.tables[name] for name in ("cells", "segments", "luminaires"))
    cell_of = segments["cell"][_row_of(segments["id"], lamps["segment"])]
    order = np.argsort(cell_of, kind="stable")
    cuts = np.searchsorted(cell_of[order], cells["id"])
    ends = np.searchsorted(cell_of[order], cells["id"], side="right")
    areas = _areas(city, cells["id"])
    for k, place in enumerate(_points(city, cells["id"])):
        name = str(cells["id"][k])
        own = lamps["id"][order[cuts[k] : ends[k]]]
        made = {**_made("StreetlightGroup", city, name, place), "areaServed": str(areas[k]), "name": name}
        if len(own):
            made["refStreetlight"] = [_urn("Streetlight", city, str(lamp)) for lamp in own]
        yield made


def _cabinets(city: CityData) -> Iterator[dict[str, Any]]:
    cabinets = city.tables["cabinets"]
    areas = _areas(city, cabinets["id"])
    for k, place in enumerate(_points(city, cabinets["id"])):
        name = str(cabinets["id"][k])
        yield {
            **_made("StreetlightControlCabinet", city, name, place),
            "name": name,
            "areaServed": str(areas[k]),
            "refStreetlightGroup": [_urn("StreetlightGroup", city, str(cabinets["cell"][k]))],
            "workingMode": "automatic",
            "maximumPowerAvailable": float(cabinets["rated_power_kw"][k]),
        }


def _lights(city: CityData) -> Iterator[dict[str, Any]]:
    lamps, segments = city.tables["luminaires"], city.tables["segments"]
    row = _row_of(segments["id"], lamps["segment"])
    areas = _areas(city, lamps["id"])
    for k, place in enumerate(_points(city, lamps["id"])):
        name, s = str(lamps["id"][k]), int(row[k])
        cabinet, highway = str(segments["cabinet"][s]), str(segments["highway"][s])
        yield {
            **_made("Streetlight", city, name, place),
            "name": name,
            "areaServed": str(areas[k]),
            "status": "ok",  # the model needs one; the register knows of no fault
            "circuit": cabinet,
            "controllingMethod": "group",
            "lanternHeight": float(segments["height_m"][s]),
            "locationCategory": _CATEGORY.get(highway, "road"),
            "powerRating": float(segments["rated_power_w"][s]),
            "refStreetlightControlCabinet": _urn("StreetlightControlCabinet", city, cabinet),
            "refStreetlightGroup": _urn("StreetlightGroup", city, str(segments["cell"][s])),
        }


def count(city: CityData) -> int:
    """Return how many lamps a city has."""
    return int((city.assets.kind[city.span] == LUMINAIRE).sum())
