# SPDX-License-Identifier: Apache-2.0
"""`lamplighter lighting ...`: what can be asked of the photometry from the command line."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import click
from rich.console import Console
from rich.table import Table

from lamplighter.services.lighting.photometry import judgement, quality, rtables
from lamplighter.services.lighting.photometry.distribution import Distribution
from lamplighter.services.lighting.photometry.field import ARRANGEMENTS, Arrangement, RoadField
from lamplighter.services.lighting.photometry.ies import PhotometryError, read_ies
from lamplighter.services.lighting.photometry.luminaires import OPTICS, luminaire

QUARTERS = ("along the road ahead", "towards the road", "along the road behind", "behind the luminaire")


@click.group(help="Street lights: photometry of straight roads.")
def lighting() -> None:
    """Hold the subcommands."""


@dataclass(frozen=True)
class Asked:
    """What `check` was asked."""

    light: Distribution
    road: RoadField
    surface: str
    maintenance_ratio: float


def _light(photometry: str, turn: bool) -> Distribution:
    """Return the luminaire of a file, or one of our own named OPTIC:LUMENS."""
    optic, colon, flux = photometry.partition(":")
    if colon and optic in OPTICS:
        try:
            flux_lm = float(flux)
        except ValueError:
            flux_lm = 0.0
        if not 100.0 <= flux_lm <= 200_000.0:
            raise click.UsageError(f"--photometry {photometry}: {flux!r} lumens; 100 to 200000 is allowed, as in {optic}:5000")
        return luminaire(optic, flux_lm)
    try:
        return read_ies(Path(photometry), turn)
    except PhotometryError as error:
        raise click.UsageError(str(error)) from error


@lighting.command()
@click.option(
    "--photometry", required=True, help="IES LM-63 file, or one of our own luminaires: street:LUMENS, avenue:LUMENS, path:LUMENS."
)
@click.option("--spacing", "spacing_m", required=True, type=float, help="Metres between luminaires of one row.")
@click.option("--width", "width_m", required=True, type=float, help="Width of the carriageway in metres.")
@click.option("--lanes", required=True, type=int, help="Number of driving lanes over the whole width.")
@click.option("--height", "height_m", required=True, type=float, help="Mounting height in metres.")
@click.option(
    "--overhang", "overhang_m", default=0.0, show_default=True, help="Luminaire beyond its kerb, towards the road, in metres."
)
@click.option("--tilt", "tilt_deg", default=0.0, show_default=True, help="Tilt of the luminaire in degrees.")
@click.option("--arrangement", default="single", show_default=True, type=click.Choice(ARRANGEMENTS), help="Rows of luminaires.")
@click.option("--surface", default="R3", show_default=True, help="r-table: " + ", ".join(rtables.SURFACES) + ".")
@click.option("--maintenance", default=0.8, show_default=True, help="Maintenance factor, above 0 to 1.")
@click.option("--no-turn", is_flag=True, help="Take C0 of the file as along the road (as a rule it points towards it).")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the result to this file too.")
def check(photometry: str, no_turn: bool, json_file: Path | None, **given: object) -> None:
    """Compute luminance, uniformity, glare, edge ratio and illuminance of a straight road, and the classes it meets."""
    asked = _asked(_light(photometry, not no_turn), given)
    found = quality.evaluate(asked.road, asked.light, asked.surface, asked.maintenance_ratio)
    met = judgement.classes_met(found)
    power_w_per_m2 = asked.light.power_w * asked.road.rows() / (asked.road.spacing_m * asked.road.width_m)
    density = power_w_per_m2 / found.illuminance_lx if found.illuminance_lx > 0 else 0.0
    _print(asked, found, met, density)
    if json_file is not None:
        text = json.dumps(_plain(asked, found, met, density), indent=2)
        try:
            json_file.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise click.UsageError(f"--json {json_file}: cannot be written ({error.strerror}); choose another place") from error


def _asked(light: Distribution, given: dict[str, object]) -> Asked:
    numbers = {name: cast("float", given[name]) for name in ("spacing_m", "width_m", "height_m", "overhang_m", "tilt_deg")}
    surface, maintenance = str(given["surface"]).upper(), cast("float", given["maintenance"])
    try:
        rtables.surface(surface)
        road = RoadField(
            arrangement=cast("Arrangement", given["arrangement"]),
            spacing_m=numbers["spacing_m"],
            width_m=numbers["width_m"],
            lanes=cast("int", given["lanes"]),
            height_m=numbers["height_m"],
            overhang_m=numbers["overhang_m"],
            tilt_deg=numbers["tilt_deg"],
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if not 0.0 < maintenance <= 1.0:
        raise click.UsageError(f"--maintenance {maintenance:g}: the maintenance factor lies above 0 and at most at 1")
    return Asked(light, road, surface, maintenance)


def _figures(found: quality.Quality, density: float) -> list[tuple[str, str, float, str]]:
    """Return (key, label, value, format) of every figure."""
    return [
        ("luminance_cd_m2", "Lav, average luminance (cd/m2)", found.luminance_cd_m2, ".4f"),
        ("uniformity_ratio", "Uo, overall uniformity", found.uniformity_ratio, ".4f"),
        ("lengthwise_ratio", "Ul, lengthwise uniformity", found.lengthwise_ratio, ".4f"),
        ("glare_percent", "fTI, threshold increment (%)", found.glare_percent, ".3f"),
        ("edge_ratio", "REI, edge illuminance ratio", found.edge_ratio, ".3f"),
        ("illuminance_lx", "Eav, average illuminance (lx)", found.illuminance_lx, ".3f"),
        ("illuminance_min_lx", "Emin, least illuminance (lx)", found.illuminance_min_lx, ".3f"),
        ("power_density_mw_lx_m2", "DP, power density of the carriageway (mW/(lx m2))", density * 1000.0, ".2f"),
    ]


def _print(asked: Asked, found: quality.Quality, met: judgement.Met, density: float) -> None:
    console = Console()
    light, road = asked.light, asked.road
    table = Table(title=f"{light.name}: {light.flux_lm():.1f} lm, {light.power_w:g} W")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for _, label, value, form in _figures(found, density):
        table.add_row(label, format(value, form))
    for label, name in (("best M class", met.m_class), ("best C class", met.c_class), ("best P class", met.p_class)):
        table.add_row(label, name or "none")
    console.print(table)
    shares = light.road_share()
    towards = ", ".join(f"{share * 100:.0f} % {where}" for share, where in zip(shares, QUARTERS, strict=True))
    console.print(f"Flux by quarter: {towards}.")
    if shares[1] < shares[3] or abs(shares[0] - shares[2]) > abs(shares[1] - shares[3]) + 0.05:
        console.print(
            "It is uneven along the road or goes behind: the C planes of the file may be turned; try with or without --no-turn."
        )
    console.print(
        f"{road.arrangement}, spacing {road.spacing_m:g} m, width {road.width_m:g} m, {road.lanes} lanes, "
        f"height {road.height_m:g} m, overhang {road.overhang_m:g} m, tilt {road.tilt_deg:g} degrees. Computed for r-table "
        f"{asked.surface} and maintenance factor {asked.maintenance_ratio:g}; fTI is of the new installation."
    )


def _plain(asked: Asked, found: quality.Quality, met: judgement.Met, density: float) -> dict[str, object]:
    road = asked.road
    return {
        "luminaire": {"name": asked.light.name, "flux_lm": round(asked.light.flux_lm(), 2), "power_w": asked.light.power_w},
        "road": {name: getattr(road, name) for name in road.__dataclass_fields__},
        "surface": asked.surface,
        "maintenance_ratio": asked.maintenance_ratio,
        "figures": {key: value for key, _, value, _ in _figures(found, density)},
        "classes": {"M": met.m_class, "C": met.c_class, "P": met.p_class},
    }
