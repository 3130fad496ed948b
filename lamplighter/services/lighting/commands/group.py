# SPDX-License-Identifier: Apache-2.0
"""The group that holds the subcommands, and what several of them ask: a luminaire and a straight road."""

import csv
import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from lamplighter.city.directory import find_city
from lamplighter.city.folder import load
from lamplighter.services import discover
from lamplighter.services.lighting.photometry import rtables
from lamplighter.services.lighting.photometry.azimuth import Facing, halves_lm, open_photometry
from lamplighter.services.lighting.photometry.field import ARRANGEMENTS, Arrangement, RoadField
from lamplighter.services.lighting.photometry.luminaires import OPTICS, luminaire
from lamplighter.services.lighting.photometry.textfile import PhotometryError
from lamplighter.terms.city import CityData

_Command = TypeVar("_Command", bound=Callable[..., Any])

LUMINAIRE_OPTIONS = (
    click.option(
        "--photometry",
        required=True,
        help="IES LM-63 or EULUMDAT file, or one of our own luminaires: street:LUMENS, avenue:LUMENS, path:LUMENS.",
    ),
    click.option(
        "--turn/--no-turn",
        default=None,
        help="Add 90 degrees to every C angle of the file, or take it as it stands; by default the flux decides.",
    ),
)
ROAD_OPTIONS = (
    click.option("--spacing", "spacing_m", required=True, type=float, help="Metres between luminaires of one row."),
    click.option("--width", "width_m", required=True, type=float, help="Width of the carriageway in metres."),
    click.option("--lanes", required=True, type=int, help="Number of driving lanes over the whole width."),
    click.option("--height", "height_m", required=True, type=float, help="Mounting height in metres."),
    click.option(
        "--overhang", "overhang_m", default=0.0, show_default=True, help="Luminaire beyond its kerb, towards the road, in metres."
    ),
    click.option("--tilt", "tilt_deg", default=0.0, show_default=True, help="Tilt of the luminaire in degrees."),
    click.option(
        "--arrangement", default="single", show_default=True, type=click.Choice(ARRANGEMENTS), help="Rows of luminaires."
    ),
    click.option("--surface", default="R3", show_default=True, help="r-table: " + ", ".join(rtables.SURFACES) + "."),
)
MAINTENANCE_OPTION = click.option("--maintenance", default=0.8, show_default=True, help="Maintenance factor, above 0 to 1.")
JSON_OPTION = click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the result to this file too."
)


@click.group(help="Street lights: compute and design roads, certify and time their dimming, find faults, speak TALQ.")
def lighting() -> None:
    """Hold the subcommands."""


@dataclass(frozen=True)
class Asked:
    """What a subcommand was asked about a straight road."""

    facing: Facing
    road: RoadField
    surface: str
    maintenance_ratio: float


def with_options(options: tuple[Callable[[Any], Any], ...]) -> Callable[[_Command], _Command]:
    """Return a decorator that puts options on a command, in this order."""

    def wrap(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return wrap


def facing_of(photometry: str, turn: bool | None) -> Facing:
    """Return the luminaire of a file, or one of our own named OPTIC:LUMENS; UsageError for anything else."""
    optic, colon, flux = photometry.partition(":")
    if colon and optic in OPTICS:
        try:
            flux_lm = float(flux)
        except ValueError:
            flux_lm = 0.0
        if not 100.0 <= flux_lm <= 200_000.0:
            raise click.UsageError(f"--photometry {photometry}: {flux!r} lumens; 100 to 200000 is allowed, as in {optic}:5000")
        made = luminaire(optic, flux_lm)
        return Facing(made, 0.0, halves_lm(made), "one of our own", "")
    try:
        return open_photometry(Path(photometry), turn)
    except PhotometryError as error:
        raise click.UsageError(str(error)) from error


def asked(given: dict[str, object]) -> Asked:
    """Return what the options of a luminaire, a road and a maintenance factor say; UsageError names what cannot be."""
    facing = facing_of(str(given["photometry"]), cast("bool | None", given["turn"]))
    numbers = {name: cast("float", given[name]) for name in ("spacing_m", "width_m", "height_m", "overhang_m", "tilt_deg")}
    surface = str(given["surface"]).upper()
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
    return Asked(facing, road, surface, maintenance_of(given))


def opened_city(name: str) -> tuple[Path, CityData]:
    """Return the folder of a built city and what the lighting service knows of it; ClickException where it has no lamps."""
    folder = find_city(name)
    cities = load(folder, discover())
    if "lighting" not in cities:
        raise click.ClickException(f"{folder}: the city has no street lights. Build it anew: lamplighter city build {name}")
    return folder, cities["lighting"]


def maintenance_of(given: dict[str, object]) -> float:
    """Return the maintenance factor; UsageError outside 0 to 1."""
    maintenance = cast("float", given["maintenance"])
    if not 0.0 < maintenance <= 1.0:
        raise click.UsageError(f"--maintenance {maintenance:g}: the maintenance factor lies above 0 and at most at 1")
    return maintenance


@contextmanager
def csv_of(option: str, file: Path) -> Generator["csv.DictReader[str]"]:
    """Yield the rows of a CSV file as they are read, by column; UsageError where it is no such text."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            yield csv.DictReader(stream)
    except (UnicodeDecodeError, csv.Error) as error:
        raise click.UsageError(f"{option} {file}: no CSV text in UTF-8 ({error}); save it as CSV in UTF-8") from error
    except OSError as error:
        raise click.UsageError(f"{option} {file}: cannot be read ({error.strerror}); give the path of a CSV file") from error


def write_json(file: Path, result: object) -> None:
    """Write a result as JSON; UsageError where it cannot be written."""
    try:
        file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"--json {file}: cannot be written ({error.strerror}); choose another place") from error
