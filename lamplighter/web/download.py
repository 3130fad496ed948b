# SPDX-License-Identifier: Apache-2.0
"""What is shown, as files: CSV, GeoJSON and JSON, each headed by where it comes from and whether it is simulated."""

import csv
import io
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from lamplighter.runtime.view import Scene
from lamplighter.terms.simulation import Simulated
from lamplighter.web.plane import Shown
from lamplighter.web.scenery import note
from lamplighter.web.twin_json import area_rows, layer_rows, twin_of


def local_time(scene: Scene, now_s: float) -> str:
    """Return a moment of city time as ISO 8601 in the city's own time zone."""
    return datetime.fromtimestamp(now_s, ZoneInfo(scene.place.timezone)).isoformat(timespec="seconds")


def as_csv(scene: Scene, shown: Shown) -> bytes:
    """Return comment lines that say what this is, then one row a value."""
    twin = twin_of(scene, shown)
    out = io.StringIO()
    for line in (
        f"{scene.title} at {local_time(scene, twin.now_s)}",
        note(scene),
        *(f"Source: {one}" for one in scene.attribution),
    ):
        out.write(f"# {line}\n")
    rows = csv.writer(out, lineterminator="\n")
    if scene.simulated:
        rows.writerow(("layer", "service", "asset", "kind", "street", "area", "lon_deg", "lat_deg", "quantity", "value", "unit"))
        assets, streets = scene.assets, street_names(scene)
        for layer, positions in zip(layer_rows(scene, shown), _positions(shown), strict=True):
            for asset, value, at in zip(layer.asset, layer.value, positions, strict=True):
                place = (assets.kind[at], streets[at], assets.area[at], *_place(scene, at))
                rows.writerow((layer.layer, layer.service, asset, *place, layer.quantity, value, layer.unit))
    else:
        rows.writerow(("layer", "service", "area", "assets", "quantity", "mean", "unit"))
        for row in area_rows(scene, shown):
            for area, assets_there, mean in zip(row.area, row.assets, row.mean, strict=True):
                rows.writerow((row.layer, row.service, area, assets_there, row.quantity, mean, row.unit))
    return out.getvalue().encode()


def as_json(scene: Scene, shown: Shown) -> bytes:
    """Return the JSON twin of the page."""
    return msgspec.json.format(msgspec.json.encode(twin_of(scene, shown)), indent=1)


def as_geojson(scene: Scene, shown: Shown) -> bytes:
    """Return a FeatureCollection (RFC 7946): one point a value in a simulated city, one feature an area in a real one."""
    features: list[dict[str, Any]] = []
    if scene.simulated:
        streets = street_names(scene)
        for layer, positions in zip(layer_rows(scene, shown), _positions(shown), strict=True):
            for asset, value, at in zip(layer.asset, layer.value, positions, strict=True):
                says = {"layer": layer.layer, "service": layer.service, "asset": asset, "quantity": layer.quantity}
                says |= {"value": value, "unit": layer.unit, "street": streets[at]}
                features.append(_feature(says, {"type": "Point", "coordinates": _place(scene, at)}))
    else:
        for row in area_rows(scene, shown):
            for area, assets_there, mean in zip(row.area, row.assets, row.mean, strict=True):
                says = {"layer": row.layer, "service": row.service, "area": area, "assets": assets_there}
                features.append(_feature(says | {"quantity": row.quantity, "mean": mean, "unit": row.unit}, None))
    twin = twin_of(scene, shown)
    return msgspec.json.encode(
        {
            "type": "FeatureCollection",
            "title": scene.title,
            "note": note(scene),
            "simulated": scene.simulated,
            "attribution": scene.attribution,
            "time": local_time(scene, twin.now_s),
            "features": features,
        }
    )


def street_names(scene: Scene) -> list[str]:
    """Return for every asset the name on the sign of its street: its own text where that is no street's id."""
    names = dict(zip(scene.streets.id.tolist(), scene.streets.name.tolist(), strict=True))
    return [names.get(street, street) for street in scene.assets.street.tolist()]


def _positions(shown: Shown) -> list[list[int]]:
    return [layer.asset.tolist() for layer in shown.value.layers] if isinstance(shown, Simulated) else []


def _place(scene: Scene, at: int) -> tuple[float, float]:
    return round(float(scene.assets.lon_deg[at]), 6), round(float(scene.assets.lat_deg[at]), 6)


def _feature(says: dict[str, Any], geometry: dict[str, Any] | None) -> dict[str, Any]:
    return {"type": "Feature", "properties": says, "geometry": geometry}
