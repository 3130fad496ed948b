# SPDX-License-Identifier: Apache-2.0
"""`lamplighter doctor`: what is missing on this machine and how to mend it."""

import sys

import click

from lamplighter.runtime.doctor import checks, render


@click.command("doctor")
def doctor() -> None:
    """Say what is missing on this machine and how to mend it. Exits with 1 where the demo would not run."""
    found = checks()
    click.echo(render(found))
    if not all(check.ok for check in found if check.needed_for == "demo"):
        sys.exit(1)
