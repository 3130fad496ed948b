# SPDX-License-Identifier: Apache-2.0
"""Cars hosted by every way of steering, against the proven bound: `python -m benchmarks.grid_hosting [--quick]`.

Writes benchmarks/results/grid_hosting.json: per grid and seed the cars hosted, the bound, their ratio; and, with
--truth, the same in three-phase fields that differ from the model.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import mean

from lamplighter.services.grid.hosting.cars import draw
from lamplighter.services.grid.hosting.check import refereed
from lamplighter.services.grid.hosting.reading import read_case, read_days, read_night
from lamplighter.services.grid.hosting.result import LOADING_MAX, U_MIN_PU
from lamplighter.services.grid.hosting.run import run
from lamplighter.services.grid.hosting.search import WAYS, bound, hosted, hosted_true

RESULTS = Path(__file__).parent / "results" / "grid_hosting.json"
GRIDS = ("urban6", "semiurb4", "semiurb5", "rural2", "rural3")


def year(grid: str, share: float, seed: int) -> dict[str, object]:
    """Steer every night of a SimBench year with `share` of the cars that the worst night hosts; new cars every night."""
    worst, network, row_node = read_case(grid)
    many = round(hosted(worst, "adaptive", seed).cars * share)
    highest, lowest, least, unserved, broken, nights = 0.0, 2.0, 1.0, 0.0, 0, 0
    for day, night in enumerate(read_days(grid)):
        cars = draw(1000 * seed + day, many, night.connection_row)
        result, drawn = run(night, cars, WAYS["adaptive"](night, cars))
        loading, voltage = refereed(night, network, row_node, drawn)
        highest, lowest = max(highest, loading), min(lowest, voltage)
        least, unserved = min(least, result.worst_served_share), max(unserved, result.unserved_share)
        broken += loading > LOADING_MAX or voltage < U_MIN_PU
        nights += 1
    return {
        "cars": many,
        "nights": nights,
        "nights_with_violation": broken,
        "loading_max": round(highest, 4),
        "voltage_lowest_pu": round(lowest, 4),
        "worst_served_share": round(least, 4),
        "unserved_share_worst_night": round(unserved, 4),
    }


def main() -> None:
    """Run and print a line per grid and seed; the file is written after each, so that a long run can be stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two seeds of the two small grids")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--from-seed", type=int, default=1, help="first of them; with --into, a campaign can be run in parts")
    parser.add_argument("--grids", default=",".join(GRIDS))
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--no-bound", dest="bounds", action="store_false", help="leave out the bound, which takes longest")
    parser.add_argument("--truth", action="store_true", help="adaptive and cap in disordered three-phase fields too")
    parser.add_argument("--into", type=Path, default=RESULTS)
    parser.add_argument("--year", action="store_true", help="every night of a year instead, refereed by power-grid-model")
    parser.add_argument("--share", type=float, default=0.95, help="with --year: part of the cars hosted on the worst night")
    asked = parser.parse_args()
    if asked.year:
        for grid in asked.grids.split(","):
            print(grid, year(grid, asked.share, 1), flush=True)
        return
    grids = ("urban6", "semiurb4") if asked.quick else tuple(asked.grids.split(","))
    seeds = range(asked.from_seed, asked.from_seed + (2 if asked.quick else asked.seeds))
    found: dict[str, list[dict[str, object]]] = {}
    for grid in grids:
        night = read_night(grid)
        found[grid] = []
        for seed in seeds:
            began_s = time.perf_counter()
            row: dict[str, object] = {"seed": seed}
            for way in asked.ways.split(","):
                result = hosted(night, way, seed)
                row[way] = result.cars
                if way == "adaptive":
                    row |= {
                        "loading_max": round(result.result.loading_max_ratio, 4),
                        "voltage_lowest_pu": round(result.result.voltage_lowest_pu, 4),
                        "unserved_share": round(result.result.unserved_share, 4),
                        "worst_served_share": round(result.result.worst_served_share, 4),
                        "jain_ratio": round(result.result.jain_ratio, 5),
                    }
                    if asked.bounds:
                        most = bound(night, seed, max(round(result.cars * 1.05), 1))
                        row |= {"bound": most.cars, "bound_proven_for_all_above": most.proven_to_all}
                        row["share_of_bound"] = round(result.cars / max(most.cars, 1), 4)
            if asked.truth:
                for way in ("adaptive", "cap"):
                    true, broken = hosted_true(grid, way, seed, seed)
                    row[f"true_{way}"], row[f"true_{way}_nights_with_violation"] = true.cars, broken
                    row[f"true_{way}_doubts"] = len(true.doubts)
            row["seconds"] = round(time.perf_counter() - began_s, 1)
            found[grid].append(row)
            print(grid, row, flush=True)
            asked.into.parent.mkdir(exist_ok=True)
            asked.into.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        shares = [float(str(row["share_of_bound"])) for row in found[grid] if "share_of_bound" in row]
        if shares:
            print(f"{grid}: mean share of the proven bound {mean(shares):.4f}, least {min(shares):.4f}", flush=True)


if __name__ == "__main__":
    main()
