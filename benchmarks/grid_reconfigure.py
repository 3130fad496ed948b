# SPDX-License-Identifier: Apache-2.0
"""The radial configuration of least loss of the published networks, with its proof; and all trees of the smaller two.

python benchmarks/grid_reconfigure.py [--enumerate 33,69] [--json benchmarks/results/grid_reconfigure.json]

The enumeration runs the exact power flow of every spanning tree, one by one, and shares nothing with the search but that
power flow: 33 nodes have 50,751 trees (seconds), 69 nodes 407,924 of 15 million ways to open five lines (a minute or two).
"""

import argparse
import itertools
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from lamplighter.services.grid.switching.case import PUBLISHED, read_case
from lamplighter.services.grid.switching.least_loss import reconfigure
from lamplighter.services.grid.switching.radial import NO_POINT, NO_TREE, Net, loss_of
from lamplighter.terms.columns import BoolArray, IntArray


@njit(cache=True)
def sweep(net: Net, opened: IntArray, closed: BoolArray) -> tuple[float, int, int]:
    """Return the least loss over rows of opened branches (k, 5), how many rows are trees, how many without operating point."""
    best, trees, lost = np.inf, 0, 0
    for row in range(len(opened)):
        closed[:] = True
        for branch in opened[row]:
            closed[branch] = False
        loss, _ = loss_of(net, closed)
        if loss == NO_POINT:
            trees += 1
            lost += 1
        elif loss != NO_TREE:
            trees += 1
            best = min(best, loss)
    return best, trees, lost


def enumerated(number: str) -> dict[str, Any]:
    """Run every tree of a network."""
    case = read_case(number)
    many, ties = len(case.branch_id), len(case.branch_id) - len(case.node_id) + 1
    begin, best, trees, lost = time.perf_counter(), np.inf, 0, 0
    rows = itertools.combinations(range(many), ties)
    while part := list(itertools.islice(rows, 1_000_000)):
        found = sweep(case.net, np.array(part, np.int64), np.ones(many, np.bool_))
        best, trees, lost = min(best, found[0]), trees + found[1], lost + found[2]
    wall_s = round(time.perf_counter() - begin, 1)
    return {"nodes": number, "trees": trees, "without_operating_point": lost, "least_kw": round(float(best), 6), "wall_s": wall_s}


def main() -> None:
    """Print a table, and write JSON where asked to."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    asked.add_argument("--enumerate", default="33", help="networks of which all trees are run, separated by commas")
    asked.add_argument("--json", type=Path)
    given = asked.parse_args()
    reconfigure(read_case("33"))  # compiles
    found: list[dict[str, Any]] = []
    print("| nodes | as published, kW | least loss, kW | proved, kW | gap | parts of the search | s |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for number in PUBLISHED:
        case, begin = read_case(number), time.perf_counter()
        best = reconfigure(case)
        wall_s = time.perf_counter() - begin
        opened = case.named((~best.closed).nonzero()[0])
        found.append({
            "nodes": number, "before_kw": best.before_kw, "loss_kw": best.loss_kw, "bound_kw": best.bound_kw, "opened": opened,
            "checked_kw": best.checked_kw, "parts": best.parts_count, "wall_s": round(wall_s, 2),
        })  # fmt: skip
        gap = f"{100.0 * (best.gap_share or 0.0):.4f} %"
        row = f"{best.before_kw:.4f} | {best.loss_kw:.4f} | {best.bound_kw:.4f} | {gap} | {best.parts_count} | {wall_s:.2f}"
        print(f"| {number} | {row} |")
    trees = [enumerated(number) for number in given.enumerate.split(",") if number]
    for one in trees:
        print(one)
    if given.json:
        given.json.write_text(json.dumps({"networks": found, "enumerated": trees}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
