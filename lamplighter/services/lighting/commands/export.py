# SPDX-License-Identifier: Apache-2.0
"""`lamplighter lighting export`: a city's lamps for other software."""

import json
from pathlib import Path

import click

from lamplighter.city.directory import find_city
from lamplighter.city.folder import load
from lamplighter.services import discover
from lamplighter.services.lighting import fiware


@click.command()
@click.argument("city_name", metavar="CITY")
@click.option(
    "--fiware", "fiware_file", required=True, type=click.Path(dir_okay=False, path_type=Path),
    help="Write FIWARE entities here: groups, control cabinets, street lights.",
)  # fmt: skip
def export(city_name: str, fiware_file: Path) -> None:
    """Write the lamps of CITY as entities of the FIWARE data model for street lighting (NGSI-LD, key and value).

    The register alone: places, heights, power, groups and cabinets. What lamps did when is not exported.
    """
    folder = find_city(city_name)
    cities = load(folder, discover())
    if "lighting" not in cities:
        raise click.ClickException(f"{folder}: the city has no street lights. Build it anew: lamplighter city build {city_name}")
    city = cities["lighting"]
    written = 0
    try:
        with fiware_file.open("w", encoding="utf-8") as out:
            out.write("[\n")
            for entity_of_model in fiware.entities(city):
                out.write((",\n" if written else "") + json.dumps(entity_of_model, ensure_ascii=False))
                written += 1
            out.write("\n]\n")
    except OSError as error:
        raise click.UsageError(f"--fiware {fiware_file}: cannot be written ({error.strerror}); choose another place") from error
    click.echo(f"{written} entities, {fiware.count(city)} of them street lights, are in {fiware_file}.")
