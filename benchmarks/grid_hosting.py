# SPDX-License-Identifier: Apache-2.0
"""Cars hosted by every way of steering, against the proven bound: `python -m benchmarks.grid_hosting [--quick]`.

Writes benchmarks/results/grid_hosting.json: per grid and seed the cars hosted, the bound, their ratio; and, with
--truth, the same in three-phase fields that differ from the model.
"""

import argparse
import json
from pathlib import Path
from statistics import mean

from lamplighter.services.grid.hosting.reading import read_night
from lamplighter.services.grid.hosting.search import WAYS, bound, hosted, hosted_true

RESULTS = Path(__file__).parent / "results" / "grid_hosting.json"
GRIDS = ("urban6", "semiurb4", "semiurb5", "rural2", "rural3")


def main() -> None:
    """Run and print a line per grid and seed; the file is written after each, so that a long run can be stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two seeds of the two small grids")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--grids", default=",".join(GRIDS))
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--truth", action="store_true", help="adaptive and cap in disordered three-phase fields too")
    parser.add_argument("--into", type=Path, default=RESULTS)
    asked = parser.parse_args()
    grids = ("urban6", "semiurb4") if asked.quick else tuple(asked.grids.split(","))
    seeds = range(1, (2 if asked.quick else asked.seeds) + 1)
    found: dict[str, list[dict[str, object]]] = {}
    for grid in grids:
        night = read_night(grid)
        found[grid] = []
        for seed in seeds:
            row: dict[str, object] = {"seed": seed}
            for way in asked.ways.split(","):
                result = hosted(night, way, seed)
                row[way] = result.cars
                if way == "adaptive":
                    row |= {
                        "loading_max": round(result.result.loading_max, 4),
                        "voltage_lowest_pu": round(result.result.voltage_lowest_pu, 4),
                        "unserved_share": round(result.result.unserved_share, 4),
                        "worst_served_share": round(result.result.worst_served_share, 4),
                        "jain_ratio": round(result.result.jain_ratio, 5),
                    }
                    most = bound(night, seed, max(round(result.cars * 1.05), 1))
                    row |= {"bound": most.cars, "bound_proven_for_all_above": most.proven_to_all}
                    row["share_of_bound"] = round(result.cars / max(most.cars, 1), 4)
            if asked.truth:
                for way in ("adaptive", "cap"):
                    true, broken = hosted_true(grid, way, seed, seed)
                    row[f"true_{way}"], row[f"true_{way}_nights_with_violation"] = true.cars, broken
                    row[f"true_{way}_doubts"] = len(true.doubts)
            found[grid].append(row)
            print(grid, row, flush=True)
            asked.into.parent.mkdir(exist_ok=True)
            asked.into.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        shares = [float(str(row["share_of_bound"])) for row in found[grid] if "share_of_bound" in row]
        if shares:
            print(f"{grid}: mean share of the proven bound {mean(shares):.4f}, least {min(shares):.4f}", flush=True)


if __name__ == "__main__":
    main()
