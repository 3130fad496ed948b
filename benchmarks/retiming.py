# SPDX-License-Identifier: Apache-2.0
"""What plans from counts are worth: expected by the model, and measured in SUMO on the demand that was counted.

    python benchmarks/retiming.py --places ../shared/data/sumo/cologne8,adlershof --seeds 1,2,3 [--json FILE]

Each place is counted once under its own programmes (seed 42), retimed from those counts alone, and run with every seed under
the own programmes and under the plan, one run of SUMO at a time. Results are kept after every place.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from lamplighter.services.traffic.retiming.result import Wishes
from lamplighter.services.traffic.tryout.command import judged, open_place, plan, try_out, write_plan
from lamplighter.services.traffic.tryout.measuring import count

HOURS_S = (16 * 3600.0, 17 * 3600.0)
EVALUATIONS_MAX = 2000


def told(what: str, share: float) -> None:
    """Say nothing: the table is what this prints."""


def one(place: str, seeds: list[int]) -> dict[str, Any]:
    scenario = open_place(place, HOURS_S)
    counts = count(scenario, 42)
    begun = time.process_time()
    made = plan(scenario, counts, Wishes(1, 120.0, EVALUATIONS_MAX, told))
    spent = time.process_time() - begun
    with tempfile.TemporaryDirectory() as name:
        trial = try_out(scenario, write_plan(made, Path(name)), seeds, told)
    gain = trial.gain
    return {
        "place": scenario.name,
        "signals": len(made.junctions),
        "cycle_s": [group.cycle_s for period in made.periods for group in period.groups if not group.kept],
        "expected_share": round(float(np.mean([period.gain_share for period in made.periods])), 3),
        "own_delay_s": [round(run.delay_s, 2) for run in trial.own],
        "planned_delay_s": [round(run.delay_s, 2) for run in trial.planned],
        "own_foot_loss_s": [round(run.foot_loss_s, 2) for run in trial.own],
        "planned_foot_loss_s": [round(run.foot_loss_s, 2) for run in trial.planned],
        "measured_share": round(gain.share, 3),
        "low_share": round(gain.low, 3),
        "high_share": round(gain.high, 3),
        "never_inserted": [[a.never_inserted, b.never_inserted] for a, b in zip(trial.own, trial.planned, strict=True)],
        "advice": judged(made, trial).advice,
        "verdict": judged(made, trial).words,
        "plan_cpu_s": round(spent, 1),
    }


def line(row: dict[str, Any]) -> str:
    own, planned = (float(np.mean(np.asarray(row[name], np.float64))) for name in ("own_delay_s", "planned_delay_s"))
    interval = f"{row['measured_share']:+.0%} ({row['low_share']:+.0%} to {row['high_share']:+.0%})"
    return (
        f"| {row['place']} | {row['signals']} | {row['expected_share']:+.0%} | {own:.1f} | {planned:.1f} | {interval} "
        f"| {row['advice']} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", required=True)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    seeds = [int(part) for part in given.seeds.split(",")]
    kept: list[dict[str, Any]] = json.loads(given.json.read_text()) if given.json and given.json.exists() else []
    print("| place | signals | expected | own, s | plan, s | measured (95 %) | advice |\n|---|---|---|---|---|---|---|")
    for place in given.places.split(","):
        row = one(place, seeds)
        print(line(row), flush=True)
        kept = [old for old in kept if old["place"] != row["place"]] + [row]
        if given.json:
            given.json.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
