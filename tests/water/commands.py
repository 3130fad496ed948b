# SPDX-License-Identifier: Apache-2.0
"""Commands of the water service."""

import click


@click.group("water")
def group() -> None:
    """Look after the pumps."""


@group.command("show")
def show() -> None:
    """Say that the pumps are there."""
    click.echo("pumps")
