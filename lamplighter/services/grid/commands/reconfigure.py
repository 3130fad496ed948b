# SPDX-License-Identifier: Apache-2.0
"""`lamplighter grid reconfigure`: which lines to open for the least loss, and the proof of how far that is from the best."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from lamplighter.services.grid.commands.told import placed, write_json
from lamplighter.services.grid.network.model import GridError
from lamplighter.services.grid.switching.case import Case, read_case
from lamplighter.services.grid.switching.least_loss import PARTS_MAX, Reconfiguration, reconfigure
from lamplighter.services.grid.switching.sequence import Step, print_steps, told_steps, way_to

ADVICE = "Advice to the network operator's control room. lamplighter sends no switching command."


@click.command("reconfigure")
@click.argument("case")
@click.option(
    "--json", "into", type=click.Path(path_type=Path), callback=placed, help="Write the result as JSON into this file too."
)
@click.option(
    "--parts",
    default=PARTS_MAX,
    show_default=True,
    type=click.IntRange(1),
    help="Parts of the search before it stops with a gap.",
)
def command(case: str, into: Path | None, parts: int) -> None:
    """Find the radial configuration of CASE that loses least, with a proved bound and the switching steps that lead there.

    CASE is one of the published networks 33, 69, 119 or 136, a file (MATPOWER, pandapower, power-grid-model), a
    SimBench code or a city. Every step and the result are checked by power flow.
    """
    try:
        read = read_case(case)
        found = reconfigure(read, parts)
        steps = way_to(read, read.closed, found.closed) if found.before_kw is not None else ()
    except GridError as error:
        raise click.ClickException(str(error)) from error
    _print(read, found, steps)
    write_json(into, told(read, found, steps))


def told(case: Case, found: Reconfiguration, steps: tuple[Step, ...]) -> dict[str, Any]:
    """Return the result as plain numbers and texts."""
    gap = found.gap_share
    return {
        "case": case.name,
        "loss_kw": round(found.loss_kw, 6),
        "bound_kw": None if found.bound_kw is None else round(found.bound_kw, 6),
        "gap_percent": None if gap is None else round(100.0 * gap, 6),
        "opened": case.named((~found.closed).nonzero()[0]),
        "closed": case.named((found.closed & ~case.closed).nonzero()[0]),
        "before_kw": None if found.before_kw is None else round(found.before_kw, 6),
        "voltage_lowest_pu": round(found.u_lowest_pu, 6),
        "checked_loss_kw": round(found.checked_kw, 6),
        "checked_voltage_lowest_pu": round(found.checked_u_pu, 6),
        "parts_examined": found.parts_count,
        "steps": told_steps(case, steps),
        "advice": ADVICE,
        "notes": list(found.notes),
    }


def _print(case: Case, found: Reconfiguration, steps: tuple[Step, ...]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{case.name}: {len(case.node_id)} nodes, {len(case.branch_id)} lines, {int((~found.closed).sum())} open")
    if found.before_kw is not None:
        console.print(f"  as it is    {found.before_kw:12.4f} kW   lowest voltage {found.before_u_pu:.4f} pu")
    console.print(f"  least loss  {found.loss_kw:12.4f} kW   lowest voltage {found.u_lowest_pu:.4f} pu")
    console.print(f"  power flow  {found.checked_kw:12.4f} kW   lowest voltage {found.checked_u_pu:.4f} pu   (power-grid-model)")
    if found.bound_kw is not None and found.gap_share is not None:
        console.print(f"  proved      {found.bound_kw:12.4f} kW   gap {100.0 * found.gap_share:.4f} %, {found.parts_count} parts")
    console.print("  open        " + " ".join(str(name) for name in case.named((~found.closed).nonzero()[0])))
    for note in found.notes:
        console.print(f"  note: {note}")
    print_steps(console, case, steps)
    console.print(ADVICE)
