# SPDX-License-Identifier: Apache-2.0
"""`lamplighter grid export`: any grid as a file for another program."""

from pathlib import Path

import click

from lamplighter.services.grid.commands.told import opened_grid
from lamplighter.services.grid.network.writers import KINDS, pandapower_json, pgm_json


@click.command()
@click.argument("grid")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--as", "kind", type=click.Choice(KINDS), default="pandapower", show_default=True, help="Whose JSON.")
def export(grid: str, file: Path, kind: str) -> None:
    """Write GRID (a city, a file or a SimBench code) as FILE for pandapower or power-grid-model: the same power flow."""
    network = opened_grid(grid).network
    text = pandapower_json(network) if kind == "pandapower" else pgm_json(network)
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"{file}: cannot be written ({error.strerror}); choose another place") from error
    click.echo(f"Written: {file}, {len(network.nodes.id)} nodes as {kind} JSON.")
