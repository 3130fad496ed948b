# SPDX-License-Identifier: Apache-2.0
"""`lamplighter grid restore`: after a fault, who can be supplied again, over which lines, and the switching sheet for it."""

import csv
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console

from lamplighter.services import discover
from lamplighter.services.grid.commands.reconfigure import ADVICE
from lamplighter.services.grid.commands.told import opened_city, placed, write_json
from lamplighter.services.grid.network.model import GridError
from lamplighter.services.grid.network.readers import is_city
from lamplighter.services.grid.outage.priorities import ranks
from lamplighter.services.grid.switching.case import PUBLISHED, Case, read_case
from lamplighter.services.grid.switching.checking import Limits
from lamplighter.services.grid.switching.restoration import CLASSES, Restoration, restore
from lamplighter.services.grid.switching.sequence import Step, fault_steps, print_steps, told_steps
from lamplighter.terms.columns import IntArray


@click.command("restore")
@click.argument("case")
@click.option("--fault", required=True, help="The line that has failed: its number or name, or both its ends, as in 3-4.")
@click.option(
    "--priorities", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help=f"CSV file with the columns node and class ({', '.join(CLASSES)}); the first node of all is a home.",
)  # fmt: skip
@click.option("--lowest", default=Limits.u_low_pu, show_default=True, help="Lowest voltage allowed, per unit.")
@click.option(
    "--json", "into", type=click.Path(path_type=Path), callback=placed, help="Write the result as JSON into this file too."
)
def command(case: str, fault: str, priorities: Path | None, lowest: float, into: Path | None) -> None:
    """Find how most of CASE can be supplied again after a line has failed, and in which order to switch.

    CASE is one of the published networks 33, 69, 119 or 136, a file, a SimBench code or a city. Hospitals come first, then
    signals, then street lights on walking routes, then homes; a city's own signals and cabinets are known, and --priorities
    adds what it does not know. Who has supply keeps it. The answer is the best there is,
    with the fewest switchings, and each step is checked by power flow.
    """
    limits = Limits(u_low_pu=lowest)
    try:
        read = read_case(case)
        branch = read.branch(fault)
        found = restore(read, branch, _ranks(case, read, priorities), limits)
        steps = fault_steps(read, branch, found.start, found.target, limits)
    except GridError as error:
        raise click.ClickException(str(error)) from error
    _print(read, found, steps)
    write_json(into, told(read, found, steps))


def _own_ranks(asked: str, case: Case) -> IntArray:
    """Return the class (n,) by what hangs on each node of a city; homes only where no city was asked for."""
    if asked in PUBLISHED or not is_city(asked):
        return np.full(len(case.node_id), len(CLASSES) - 1, np.int64)
    prepared = opened_city(asked)
    supplied = {kind.name: kind.supplied for service in discover() for kind in service.kinds}
    return ranks(prepared.grid, prepared.city.assets, supplied, case.node_id)


def _ranks(asked: str, case: Case, path: Path | None) -> IntArray:
    """Return the class (n,) of every node: of a city's own assets, and of the file. GridError names every row that is wrong."""
    rank = _own_ranks(asked, case)
    if path is None:
        return rank
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    at = {str(name): position for position, name in enumerate(case.node_id.tolist())}
    faults: list[str] = []
    for line, row in enumerate(rows, 2):
        node, group = str(row.get("node", "")), str(row.get("class", ""))
        if node not in at:
            faults.append(f"{path}:{line}: node is {node!r}, not a node of {case.name} at its switched voltage")
        elif group not in CLASSES:
            faults.append(f"{path}:{line}: class is {group!r}, allowed are {', '.join(CLASSES)}")
        else:
            rank[at[node]] = min(rank[at[node]], CLASSES.index(group))
    if faults:
        raise GridError("\n".join([*faults[:10], "Mend the file; nothing was worked out."]))
    return rank


def told(case: Case, found: Restoration, steps: tuple[Step, ...]) -> dict[str, Any]:
    """Return the result as plain numbers and texts."""
    classes = {
        name: {"cut_off_kw": round(float(found.dark_kw[k]), 3), "restored_kw": round(float(found.restored_kw[k]), 3)}
        for k, name in enumerate(CLASSES)
    }
    return {
        "case": case.name,
        "fault": str(case.branch_id[found.fault]),
        "cut_off_kw": round(float(found.dark_kw.sum()), 3),
        "restored_kw": round(float(found.restored_kw.sum()), 3),
        "bound_kw": round(found.bound_kw, 3),
        "proved": found.proved,
        "classes": classes,
        "switchings": found.switchings_count,
        "fewest_switchings": found.fewest,
        "opened": case.named((found.start & ~found.target).nonzero()[0]),
        "closed": case.named((found.target & ~found.start).nonzero()[0]),
        "voltage_lowest_pu": round(found.u_lowest_pu, 6),
        "loss_kw": round(found.loss_kw, 6),
        "steps": told_steps(case, steps),
        "advice": ADVICE,
        "notes": [*case.notes, *found.notes],
    }


def _print(case: Case, found: Restoration, steps: tuple[Step, ...]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    row = told(case, found, steps)
    console.print(f"{case.name}: line {row['fault']} has failed and cuts off {row['cut_off_kw']:.1f} kW")
    proof = "no way restores more" if found.proved else f"not proved; {row['bound_kw']:.1f} kW at most"
    console.print(f"  supplied again  {row['restored_kw']:10.1f} kW   ({proof})")
    for name, one in row["classes"].items():
        if one["cut_off_kw"]:
            console.print(f"    {name:14s}{one['restored_kw']:10.1f} of {one['cut_off_kw']:.1f} kW")
    fewest = "no way needs fewer" if found.fewest else "fewer may do"
    console.print(f"  switchings      {row['switchings']:10d}      ({fewest}, besides isolating the fault)")
    console.print(f"  lowest voltage  {row['voltage_lowest_pu']:10.4f} pu")
    for note in row["notes"]:
        console.print(f"  note: {note}")
    print_steps(console, case, steps)
    console.print(ADVICE)
