# SPDX-License-Identifier: Apache-2.0
"""What the page knows, for programs too: the scene, its JSON twin, why an asset does what it does, files to take away."""

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import ClientException, NotFoundException, PermissionDeniedException
from litestar.params import FromPath, FromQuery

from lamplighter.runtime.view import Explanation
from lamplighter.terms.asking import Letter
from lamplighter.terms.simulation import Simulated
from lamplighter.web import download, guard
from lamplighter.web.broadcast import Broadcast
from lamplighter.web.scenery import scene_json
from lamplighter.web.twin_json import ViewTwin, Why, twin_of, why_of

City = NamedDependency[Broadcast]
AT_MAX, PART_MAX = 40, 200


@get("/api/scene", media_type="application/json", sync_to_thread=False)
def scene(city: City) -> Response[bytes]:
    """Return what does not change: streets, assets, services with their layers and outcomes."""
    return Response(scene_json(city.scene), media_type="application/json", headers={"Cache-Control": "no-cache"})


@get("/api/view", sync_to_thread=False)
def view(city: City) -> ViewTwin:
    """Return everything that the page shows now."""
    return twin_of(city.scene, city.shown)


@get("/api/explain/{asset:str}", sync_to_thread=False)
def explain(city: City, asset: FromPath[str]) -> Why:
    """Return why an asset of a simulated city does what it does."""
    if not city.scene.simulated:
        raise PermissionDeniedException(f"{city.scene.title} is not simulated: single assets of a real city are not published")
    try:
        found: Explanation = city.engine.explain(asset)
    except KeyError as unknown:
        raise NotFoundException(f"{city.scene.title} has no asset {asset!r}; /api/scene lists all that there are") from unknown
    return why_of(Simulated(found))


@get("/api/account/{asset:str}", sync_to_thread=True)
def account(
    city: City, request: Request[Any, Any, Any], asset: FromPath[str], at: FromQuery[str], part: FromQuery[str] = ""
) -> Letter:
    """Return what was at a box at a moment of local time, from the record, as a paragraph that can be sent.

    Of a real city only its operators get it, who send it to whoever asked: the public door of a record is a release.
    """
    fault = guard.peer_fault(request.client.host if request.client else None)
    if not city.scene.simulated and fault is not None:
        raise PermissionDeniedException(
            f"{city.scene.title} is not simulated: its operators look the answer up and send it, since what is open to everybody "
            "is released in coarse sums"
        )
    try:
        return city.engine.account(asset, at[:AT_MAX], part[:PART_MAX])
    except KeyError as unknown:
        raise NotFoundException(f"{city.scene.title} keeps no account of {asset!r}") from unknown
    except ValueError as wrong:
        raise ClientException(str(wrong)) from wrong


@get("/api/download.csv", media_type="text/csv", sync_to_thread=False)
def download_csv(city: City) -> Response[bytes]:
    """Return what is shown as CSV."""
    return _file(city, "csv", "text/csv; charset=utf-8", download.as_csv(city.scene, city.shown))


@get("/api/download.json", sync_to_thread=False)
def download_json(city: City) -> Response[bytes]:
    """Return what is shown as JSON."""
    return _file(city, "json", "application/json", download.as_json(city.scene, city.shown))


@get("/api/download.geojson", media_type="application/geo+json", sync_to_thread=False)
def download_geojson(city: City) -> Response[bytes]:
    """Return what is shown as GeoJSON."""
    return _file(city, "geojson", "application/geo+json", download.as_geojson(city.scene, city.shown))


def _file(city: Broadcast, ending: str, media_type: str, content: bytes) -> Response[bytes]:
    moment = download.local_time(city.scene, city.engine.view().now_s)[:16].replace(":", "")
    kind = "-simulated" if city.scene.simulated else ""
    name = f"{city.scene.name}{kind}-{moment}.{ending}"
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})


HANDLERS = (scene, view, explain, account, download_csv, download_json, download_geojson)
