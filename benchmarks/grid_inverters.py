# SPDX-License-Identifier: Apache-2.0
"""What the city's own inverters are worth where voltage is short: `python -m benchmarks.grid_inverters [--json FILE]`.

The small town of the tests, 16:00 to 20:00, fed with less and less voltage: the same evening with inverters, with inverters that
hear nothing, and without. Energy charged and lowest voltage are the field's own.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from lamplighter.services.grid.tests.small import Evening, low_city
from lamplighter.terms.city import CityData

MINUTES = 240
ARMS = ("without", "with", "deaf")
FED_PU = (0.99, 0.98, 0.97)


def town(fed_pu: float, arm: str) -> CityData:
    """Return the town fed with a voltage, its inverters able to do nothing in the arm `without`."""
    city = low_city(fed_pu)
    table = city.tables["inverters"]
    most = table["q_max_kvar"] * (arm != "without")
    return replace(city, tables={**city.tables, "inverters": {**table, "q_max_kvar": most}})


def evening(fed_pu: float, arm: str, seed: int) -> dict[str, float]:
    """Return the true outcomes of one evening, and how much of what was proposed was refused."""
    run = Evening(town(fed_pu, arm), "adaptive", seed)
    if arm == "deaf":
        for name in run.city.tables["inverters"]["id"].tolist():
            run.field.inject("deaf_inverter", {"asset": name})
    run.minutes(MINUTES)
    refused = run.refused / (MINUTES * len(run.run.prepared.installed_kw))
    return {**{name: float(value) for name, value in run.truth.items()}, "refused_share": refused}


def main() -> None:
    """Run all evenings and print their means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    seeds = [int(seed) for seed in asked.seeds.split(",")]
    print("fed with, pu     arm  charged, kWh  waiting, kWh h  lowest, pu  overload, h  refused")
    kept: list[dict[str, float | str]] = []
    for fed_pu in FED_PU:
        for arm in ARMS:
            found = [evening(fed_pu, arm, seed) for seed in seeds]
            kept += [{"fed_pu": fed_pu, "arm": arm, "seed": seed, **one} for seed, one in zip(seeds, found, strict=True)]
            names = ("charging_kwh", "energy_waiting_kwh_h", "overload_h", "refused_share")
            charged, waiting, over, refused = (float(np.mean([one[name] for one in found])) for name in names)
            lowest = min(one["voltage_lowest_pu"] for one in found)
            told = f"{fed_pu:>12} {arm:>7} {charged:>13,.0f} {waiting:>15,.0f} {lowest:>11.4f} {over:>12.2f} {refused:>8.1%}"
            print(told, flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
