# SPDX-License-Identifier: Apache-2.0
"""Traffic with and without: the same seeds under the boxes' own programmes and under the planner.

    python benchmarks/traffic_with_without.py --city adlershof --seeds 1,2,3 --from 16 --minutes 60 [--json FILE]

Both arms go through the same loop and the same gates; each run has a process of its own (SUMO allows one per process).
"""

import argparse
import json
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from typing import Any
from zoneinfo import ZoneInfo

from lamplighter.city import folder
from lamplighter.runtime import loop
from lamplighter.services.traffic import SERVICE
from lamplighter.services.traffic.outcome_names import OUTCOMES
from lamplighter.services.traffic.simulator import open_simulator
from lamplighter.terms.outcome import OutcomeRows
from lamplighter.terms.simulation import SimulationStart


class Totals:
    """Outcomes so far: means by weight, sums and greatest values, as each outcome says."""

    def __init__(self) -> None:
        self.value = {o.name: 0.0 for o in OUTCOMES}
        self.weight = {o.name: 0.0 for o in OUTCOMES}

    def add(self, rows: OutcomeRows) -> None:
        codes: list[int] = rows.outcome.tolist()
        for code, value, weight in zip(codes, rows.value.tolist(), rows.weight.tolist(), strict=True):
            outcome = OUTCOMES[code]
            old = self.value[outcome.name]
            self.value[outcome.name] = max(old, value) if outcome.combine == "max" else old + value * weight
            self.weight[outcome.name] += weight

    def result(self) -> dict[str, float]:
        means = {o.name for o in OUTCOMES if o.combine == "mean"}
        return {n: round(v / max(self.weight[n], 1.0) if n in means else v, 2) for n, v in self.value.items() if self.weight[n]}


def run(task: tuple[str, str, int, float, int]) -> dict[str, Any]:
    name, arm, seed, begin_s, minutes = task
    city = folder.load(folder.find_city(name), [SERVICE])[SERVICE.name]
    service = loop.open_run(SERVICE, city, arm == "adaptive")
    field = open_simulator(SimulationStart(city, seed, begin_s, 900))
    truth, measured, messages = Totals(), Totals(), ()
    refused: Counter[str] = Counter()
    for second in range(1, minutes * 60 + 1):
        advance = field.advance(begin_s + second, messages, {})
        tick = loop.tick(service, [service], advance.readings, begin_s + second)
        messages = tick.messages
        truth.add(advance.truth)
        if tick.outcomes is not None:
            measured.add(tick.outcomes)
        for table in tick.verdict.refusals:
            refused.update(table.rules[int(rule)].name for rule in table.rule)
    field.close()
    return {"arm": arm, "seed": seed, "truth": truth.result(), "measured": measured.result(), "refused": dict(refused)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--city", default="adlershof")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--date", default="2026-01-13")
    parser.add_argument("--from", dest="hour", type=int, default=16)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json")
    given = parser.parse_args()
    zone = ZoneInfo(folder.read_place(folder.find_city(given.city)).timezone)
    begin_s = datetime.fromisoformat(given.date).replace(hour=given.hour, tzinfo=zone).timestamp()
    seeds = [int(seed) for seed in given.seeds.split(",")]
    tasks = [(given.city, arm, seed, begin_s, given.minutes) for seed in seeds for arm in ("baseline", "adaptive")]
    with ProcessPoolExecutor(given.processes, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        results = list(pool.map(run, tasks))
    if given.json:
        with open(given.json, "w", encoding="utf-8") as out:
            json.dump(results, out, indent=1)
    for outcome in OUTCOMES:
        for seed in seeds:
            pair = {r["arm"]: r["truth"].get(outcome.name) for r in results if r["seed"] == seed}
            print(f"{outcome.name:26} seed {seed}  without {pair['baseline']}  with {pair['adaptive']}")
    print("refused:", {(r["arm"], r["seed"]): r["refused"] for r in results})


if __name__ == "__main__":
    main()
