# SPDX-License-Identifier: Apache-2.0
"""The public RESCO scenarios, table by table, with the best published delay beside.

    python benchmarks/resco.py [--places FOLDER] [--only published_resco,modern,full] [--seeds 1,2,3,4,5] [--jobs 2]

FOLDER holds one folder per scenario; they may not be shipped here (non-commercial or GPL). Every table is one call of
`lamplighter evaluate --sumo`; its numbers go to benchmarks/results/resco-NAME.json and its Markdown to standard output.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
SCENARIOS = ("cologne1", "cologne3", "cologne8", "ingolstadt1", "ingolstadt7", "ingolstadt21", "grid4x4", "arterial4x4")
# Best published delay in SUMO 1.9, from the arrays that RESCO publishes (best window of ten episodes) or its figure.
PUBLISHED_S = {
    "cologne1": "27.2",
    "cologne3": "18 to 31.5",
    "cologne8": "21.6",
    "ingolstadt1": "19.8 to 22.2",
    "ingolstadt7": "31.9",
    "ingolstadt21": "67.9",
    "grid4x4": "34.0",
    "arterial4x4": "717",
}
ALL_ARMS = "own,actuated,delay_based,maxpressure,maxwave,adaptive"
# table: options of `evaluate`, whether bologna_acosta is run too, whether published figures may stand beside
TABLES: dict[str, tuple[tuple[str, ...], bool, bool]] = {
    "published_resco": (("--sumo-version", "1.9.0", "--cadence", "resco", "--arms", "own,maxwave,adaptive"), False, True),
    "published_1s": (("--sumo-version", "1.9.0", "--cadence", "1s", "--arms", "own,adaptive"), False, True),
    "published_loops": (
        ("--sumo-version", "1.9.0", "--cadence", "1s", "--sensing", "loops", "--arms", "own,adaptive"),
        False,
        True,
    ),
    "modern": (("--cadence", "1s", "--arms", ALL_ARMS), True, False),
    "modern_loops": (("--cadence", "1s", "--sensing", "loops", "--arms", "own,adaptive"), True, False),
    "full": (("--cadence", "1s", "--intergreens", "full", "--arms", "own,maxpressure,adaptive"), False, False),
}


def measured(name: str, places: Path, seeds: str, jobs: int) -> dict[str, Any]:
    """Run one table and return its numbers."""
    options, more, _ = TABLES[name]
    wanted = [places / scenario for scenario in (*SCENARIOS, *(("bologna_acosta",) if more else ()))]
    out = RESULTS / f"resco-{name}.json"
    given = [word for path in wanted if path.is_dir() for word in ("--sumo", str(path))]
    if not given:
        raise SystemExit(f"{places}: none of {', '.join(SCENARIOS)} is there; give the folder that holds them with --places")
    command = [
        sys.executable,
        "-m",
        "lamplighter",
        "evaluate",
        *given,
        *options,
        "--seeds",
        seeds,
        "--jobs",
        str(jobs),
        "--json",
        str(out),
    ]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return json.loads(out.read_text())


def markdown(name: str, numbers: dict[str, Any]) -> str:
    """Return one table: mean delay and worst seed per arm."""
    header = numbers["header"]
    arms: list[str] = header["arms"]
    beside = ["best published"] if TABLES[name][2] else []
    title = (
        f"SUMO {header['sumo_version']}, cadence {header['cadence']}, {header['sensing']}, {header['intergreens']} intergreens"
    )
    lines = [f"### {title}, seeds {', '.join(map(str, header['seeds']))}: delay in s, mean (worst seed)", ""]
    lines.append("| " + " | ".join(["scenario", *beside, *arms, "wait p95, longest: " + " / ".join(arms)]) + " |")
    lines.append("|" + "---|" * (len(arms) + len(beside) + 2))
    for scenario, of_arm in numbers["scenarios"].items():
        cells = [scenario, *([PUBLISHED_S.get(scenario, "")] if beside else [])]
        cells += [_cell([run["delay_s"] for run in of_arm[arm].values()]) for arm in arms]
        cells.append(" / ".join(_waits(list(of_arm[arm].values())) for arm in arms))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _cell(delay_s: list[float]) -> str:
    return f"{sum(delay_s) / len(delay_s):.1f} ({max(delay_s):.1f})" if delay_s else "failed"


def _waits(runs: list[dict[str, float]]) -> str:
    return f"{sum(r['wait_p95_s'] for r in runs) / len(runs):.0f}, {max(r['wait_max_s'] for r in runs):.0f}" if runs else "failed"


def main() -> None:
    """Run the tables asked for and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=Path, default=Path(__file__).parents[2] / "shared" / "data" / "sumo")
    parser.add_argument("--only", default=",".join(TABLES))
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    unknown = [name for name in asked.only.split(",") if name not in TABLES]
    if unknown:
        raise SystemExit(f"--only {', '.join(unknown)}: choose from {', '.join(TABLES)}")
    for name in asked.only.split(","):
        print(markdown(name, measured(name, asked.places, asked.seeds, asked.jobs)), flush=True)


if __name__ == "__main__":
    main()
