# SPDX-License-Identifier: Apache-2.0
"""What does not change while a city runs, as one compact JSON: places in millionths of a degree, texts as codes."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from lamplighter.runtime.view import Scene, ServiceAbout
from lamplighter.terms.asset import Assets
from lamplighter.terms.city import Streets
from lamplighter.terms.columns import AnyArray, FloatArray, TextArray
from lamplighter.web.naming import words_and_unit

MICRO = 1e6  # a millionth of a degree is about 0.1 m
NOTE_SIMULATED = "SIMULATED: a computer model of the district, not a measurement of it."
NOTE_REAL = "Means of areas over 15 minutes or longer; single assets are not published."


def scene_json(scene: Scene) -> bytes:
    """Return the scene for the page; a real city's assets are left out, only its streets and areas stay."""
    return msgspec.json.encode(
        {
            "name": scene.name,
            "title": scene.title,
            "simulated": scene.simulated,
            "note": note(scene),
            "attribution": scene.attribution,
            "timezone": scene.place.timezone,
            "seed": scene.seed,
            "begin_s": scene.begin_s,
            "areas": scene.areas,
            "streets": _streets(scene.streets),
            "assets": _assets(scene.assets) if scene.simulated else None,
            "services": [about(service, scene.simulated) for service in scene.services],
        }
    )


def note(scene: Scene) -> str:
    """Return the line that heads everything that is shown of this city."""
    return NOTE_SIMULATED if scene.simulated else NOTE_REAL


def about(service: ServiceAbout, with_lines: bool) -> dict[str, Any]:
    """Return a service as the page needs it, with units in words."""
    layers: list[dict[str, Any]] = []
    for layer in service.layers:
        words, unit = words_and_unit(layer.quantity)
        row: dict[str, Any] = msgspec.to_builtins(layer)
        layers.append({**row, "words": words, "unit": unit})
    outcomes: list[dict[str, Any]] = []
    for outcome in service.outcomes:
        words, unit = words_and_unit(outcome.name)
        row = msgspec.to_builtins(outcome)
        outcomes.append({**row, "words": words, "unit": unit})
    return {
        "name": service.name,
        "title": service.title,
        "doc": service.doc,
        "layers": layers,
        "outcomes": outcomes,
        "lines": _lines(service.lines) if with_lines else {},
        "inquiry": None if service.inquiry is None else {"title": service.inquiry.title, "doc": service.inquiry.doc},
    }


def coded(texts: TextArray) -> dict[str, list[Any]]:
    """Return a text column as the texts there are and a code for each row."""
    names, codes = np.unique(texts, return_inverse=True)
    return {"names": names.tolist(), "codes": codes.tolist()}


def micro(values: FloatArray) -> list[int]:
    """Return degrees as whole millionths."""
    return np.round(values * MICRO).astype(np.int64).tolist()


def _streets(streets: Streets) -> dict[str, Any]:
    return {
        "id": streets.id.tolist(),
        "name": coded(streets.name),
        "kind": coded(streets.kind),
        "highway": coded(streets.highway),
        "area": coded(streets.area),
        "width_dm": np.round(streets.width_m * 10).astype(np.int64).tolist(),
        "offsets": streets.shape_offsets.tolist(),
        "lon": micro(streets.shape_lon_deg),
        "lat": micro(streets.shape_lat_deg),
    }


def _assets(assets: Assets) -> dict[str, Any]:
    return {
        "id": assets.id.tolist(),
        "kind": coded(assets.kind),
        "service": coded(assets.service),
        "area": coded(assets.area),
        "street": coded(assets.street),
        "lon": micro(assets.lon_deg),
        "lat": micro(assets.lat_deg),
    }


def _lines(lines: Mapping[str, AnyArray]) -> dict[str, list[int]]:
    if "asset" not in lines:
        return {}
    ends = ("lon1_deg", "lat1_deg", "lon2_deg", "lat2_deg")
    return {"asset": lines["asset"].tolist()} | {end: micro(lines[end]) for end in ends}
