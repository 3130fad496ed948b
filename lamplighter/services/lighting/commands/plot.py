# SPDX-License-Identifier: Apache-2.0
"""`lamplighter lighting plot`: luminance and illuminance over a road, and light on its facades, as an SVG picture."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import click
from rich.console import Console

from lamplighter.services.lighting.commands import group
from lamplighter.services.lighting.obtrusive.facades import BEYOND_EDGE_M, Facades
from lamplighter.services.lighting.photometry import luminaires, quality
from lamplighter.services.lighting.plots import surface, svg
from lamplighter.services.lighting.plots.surface import Scene
from lamplighter.services.lighting.prepared import distinct_fields
from lamplighter.terms.city import CityData

_FREE = ("photometry", "spacing_m", "width_m", "lanes", "height_m")


def _free(options: tuple[Callable[[Any], Any], ...]) -> Callable[[Any], Any]:
    """Return a decorator like `group.with_options` whose options need not be given: a city's street may stand for them."""

    def wrap(command: Any) -> Any:
        made = group.with_options(options)(command)
        for parameter in made.__click_params__:
            if parameter.name in _FREE:
                parameter.required = False
        return made

    return wrap


@click.command()
@_free((*group.LUMINAIRE_OPTIONS, *group.ROAD_OPTIONS, group.MAINTENANCE_OPTION))
@click.option("--city", "city_name", help="Instead of luminaire and road: a built city, with --street or --segment.")
@click.option("--street", help="A street of the city by its name: its longest segment.")
@click.option("--segment", help="A segment of the city by its id, as in lit-012.")
@click.option("--output", "share", default=1.0, show_default=True, help="Output of the luminaires, above 0 to 1.")
@click.option("--lane", type=int, help="Lane of the observer, from 1 at the right kerb.  [default: the one with the least Uo]")
@click.option("--facade", "beyond_m", default=BEYOND_EDGE_M, show_default=True, help="Metres from the road's edge to facades.")
@click.option("--out", "out_file", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The SVG file to write.")
def plot(out_file: Path, **given: object) -> None:
    """Draw the light over one spacing of a road: luminance for an observer, illuminance, and the brighter facade."""
    scene, title = _of_city(given) if given["city_name"] else _of_options(given)
    try:
        facades = Facades(cast("float", given["beyond_m"]))
    except ValueError as error:
        raise click.UsageError(f"--facade: {error}") from error
    lane = _lane(given, scene)
    panels = [surface.luminance_panel(scene, lane), surface.illuminance_panel(scene), surface.facade_panel(scene, facades)]
    road = scene.road
    where = (
        f"{road.arrangement}, spacing {road.spacing_m:g} m, width {road.width_m:g} m, {road.lanes} lanes, height "
        f"{road.height_m:g} m, overhang {road.overhang_m:g} m, tilt {road.tilt_deg:g} degrees; output {scene.share * 100:g} %."
    )
    stated = (
        f"Computed for r-table {scene.surface} and maintenance factor {scene.maintenance_ratio:g} (facade: 1). Triangles: "
        "luminaires. Dots: grid of EN 13201-3, black its least and white its largest value."
    )
    try:
        out_file.write_text(svg.document(title, panels, [where, stated]), encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"--out {out_file}: cannot be written ({error.strerror}); choose another place") from error
    Console().print(f"{panels[0].title}.\n{panels[1].title}.\n{panels[2].title}.\nWritten to {out_file}.", highlight=False)


def _of_options(given: dict[str, object]) -> tuple[Scene, str]:
    missing = [name.removesuffix("_m") for name in _FREE if given[name] is None]
    if missing:
        raise click.UsageError(f"without --city, {', '.join('--' + name for name in missing)} must be given")
    asked = group.asked(given)
    scene = Scene(asked.road, asked.facing.light, asked.surface, asked.maintenance_ratio, _share(given))
    light = asked.facing.light
    return scene, f"{light.name}, {light.flux_lm():.0f} lm, {light.power_w:g} W"


def _share(given: dict[str, object]) -> float:
    share = cast("float", given["share"])
    if not 0.0 < share <= 1.0:
        raise click.UsageError(f"--output {share:g}: above 0 and at most 1 is allowed")
    return share


def _of_city(given: dict[str, object]) -> tuple[Scene, str]:
    if given["photometry"] is not None:
        raise click.UsageError("--city and --photometry: give a city's street or a luminaire and a road, not both")
    _, city = group.opened_city(str(given["city_name"]))
    return of_segment(city, cast("str | None", given["street"]), cast("str | None", given["segment"]), _share(given))


def of_segment(city: CityData, street: str | None, segment: str | None, share: float) -> tuple[Scene, str]:
    """Return the road and lamps of a city's segment, or of the longest segment of a street; UsageError where there is none."""
    table = city.tables["segments"]
    if (street is None) == (segment is None):
        raise click.UsageError("--city: give one of --street and --segment")
    here = table["id"] == segment if segment is not None else table["name"] == street
    if not here.any():
        like = sorted({str(n) for n in table["name"] if street is not None and street.casefold() in str(n).casefold()})[:8]
        hint = f"; like it: {', '.join(like)}" if like else ""
        raise click.UsageError(
            f"{city.name} has no segment of {'id' if segment is not None else 'name'} {segment or street!r}{hint}"
        )
    row = int((table["length_m"] * here).argmax())
    roads, which = distinct_fields(table)
    road, optic, name = roads[int(which[row])]
    light = luminaires.luminaire(optic, float(table["rated_flux_lm"][row]))
    words = f"{table['name'][row] or table['id'][row]} ({table['lighting_class'][row]}), {light.name}, {light.power_w:g} W"
    return Scene(road, light, name, float(table["maintenance_ratio"][row]), share), f"{city.title}: {words}"


def _lane(given: dict[str, object], scene: Scene) -> int:
    lane, lanes = cast("int | None", given["lane"]), scene.road.lanes
    if lane is not None:
        if not 1 <= lane <= lanes:
            raise click.UsageError(f"--lane {lane}: the road has lanes 1 to {lanes}")
        return lane - 1
    seen = quality.coefficients(scene.road, scene.light, scene.surface).luminance_cd_m2
    return int((seen.min(axis=(1, 2)) / seen.mean(axis=(1, 2))).argmin())
