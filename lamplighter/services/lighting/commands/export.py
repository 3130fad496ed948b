# SPDX-License-Identifier: Apache-2.0
"""`lamplighter lighting export`: a city's lamps for other software."""

import json
from pathlib import Path

import click

from lamplighter.services.lighting import fiware
from lamplighter.services.lighting.commands import group


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
    _, city = group.opened_city(city_name)
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
