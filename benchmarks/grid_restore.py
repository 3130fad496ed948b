# SPDX-License-Identifier: Apache-2.0
"""The most demand that can be supplied again after every single fault of a published network, as a table.

python benchmarks/grid_restore.py [--nodes 33,69] [--lowest 0.90] [--json benchmarks/results/grid_restore.json]

Each row is proved by two sides that meet: no solution of a relaxation supplies more, and one configuration supplies as much
with every voltage at 0.90 pu or more by exact power flow, who had supply keeping it. No ratings are published for these
networks, so voltage alone binds. Some faults take a minute.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from lamplighter.services.grid.switching.case import read_case
from lamplighter.services.grid.switching.checking import Limits
from lamplighter.services.grid.switching.restoration import restore


def table(number: str, limits: Limits) -> list[dict[str, Any]]:
    """Return one row for each line that is closed before the fault."""
    case, found = read_case(number), list[dict[str, Any]]()
    for branch in case.closed.nonzero()[0].tolist():
        begin = time.perf_counter()
        best = restore(case, branch, limits=limits)
        row: dict[str, Any] = {
            "fault": str(case.branch_id[branch]),
            "cut_off_kw": round(float(best.dark_kw.sum()), 3),
            "restored_kw": round(float(best.restored_kw.sum()), 3),
            "bound_kw": round(best.bound_kw, 3),
            "proved": best.proved,
            "switchings": best.switchings_count,
            "fewest": best.fewest,
            "closed": case.named((best.target & ~best.start).nonzero()[0]),
            "opened": case.named((best.start & ~best.target).nonzero()[0]),
            "u_lowest_pu": round(best.u_lowest_pu, 4),
            "wall_s": round(time.perf_counter() - begin, 2),
        }
        found.append(row)
        print("| " + " | ".join(str(value) for value in row.values()) + " |", flush=True)
    return found


def main() -> None:
    """Print the tables, and write JSON where asked to."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    asked.add_argument("--nodes", default="33,69", help="networks, separated by commas")
    asked.add_argument("--lowest", type=float, default=0.90, help="lowest voltage allowed, pu")
    asked.add_argument("--json", type=Path)
    given = asked.parse_args()
    found: dict[str, Any] = {}
    for number in given.nodes.split(","):
        print(f"\n{number} nodes, voltages of {given.lowest:g} pu or more\n")
        print("| fault | cut off kW | restored kW | bound kW | proved | switchings | fewest | close | open | u min | s |")
        print("|---|---:|---:|---:|---|---:|---|---|---|---:|---:|")
        found[number] = table(number, Limits(u_low_pu=given.lowest))
        whole = [row for row in found[number] if row["restored_kw"] == row["cut_off_kw"]]
        proved = sum(row["proved"] for row in found[number])
        print(f"\n{len(found[number])} faults, {proved} proved, {len(whole)} restored in full")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
