# SPDX-License-Identifier: Apache-2.0
"""How long planning takes for many transformers with streets as they are: `python -m benchmarks.grid_decision`.

The small town's stations (some twenty nodes and three charging groups each) stand beside one another until there are 50,000
(`--transformers N`), at 17:30 of a winter evening; every one is planned, a day ahead, on two threads. The rest of a decision
(estimate, room, fitting) is timed by `lamplighter bench loop`, whose city of 50,000 plans a part of itself every minute.
"""

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np

from lamplighter.services.grid.adaptive.room import BLOCK_ENDS_H, WIDE_KW, headrooms, moment_of, today_of
from lamplighter.services.grid.adaptive.wishes import needs_of, wishes
from lamplighter.services.grid.envelopes.city import Stations, Today, limits
from lamplighter.services.grid.envelopes.plan import Needs
from lamplighter.services.grid.network.estimate import estimate
from lamplighter.services.grid.tests.small import Evening, small_city
from lamplighter.terms.columns import AnyArray, FloatArray, IntArray

MINUTES = 90
THREADS = 2
TARGET_S = 10.0


def shifted(values: IntArray, by: int, times: int) -> IntArray:
    """Return positions repeated, each time moved on by so many."""
    return (values[None, :] + by * np.arange(times)[:, None]).reshape(-1)


def offsets(values: IntArray, times: int) -> IntArray:
    """Return offsets of so many copies."""
    return np.append(0, np.cumsum(np.tile(np.diff(values), times))).astype(np.int64)


def many(city: Stations, groups: int, rows: int, times: int) -> Stations:
    """Return so many copies of a city's stations beside one another."""

    def tiled(value: AnyArray) -> AnyArray:
        return np.tile(value, times)

    return Stations(
        offsets(city.offsets, times), shifted(city.rows, rows, times), tiled(city.above), offsets(city.group_offsets, times),
        shifted(city.groups, groups, times), tiled(city.attach), offsets(city.member_offsets, times), tiled(city.member_group),
        tiled(city.member_place), tiled(city.member_kw), tiled(city.z_pu), tiled(city.gain_ratio), tiled(city.rating_kva),
        tiled(city.is_line), tiled(city.idle_kva), tiled(city.home_kw), tiled(city.shop_kw),
    )  # fmt: skip


def main() -> int:
    """Plan all stations and print how long it took; 1 where it is above the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transformers", type=int, default=50_000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    evening = Evening(small_city(), "adaptive").minutes(MINUTES)
    assert evening.tick is not None
    prepared, snapshot = evening.run.prepared, evening.tick.snapshot
    found = estimate(snapshot, prepared)
    no_care = np.zeros(len(prepared.grid.station_id))
    wish, moment = wishes(snapshot, prepared, found), moment_of(snapshot, prepared, found, no_care)
    headrooms(prepared, found, moment.room)
    stations, groups, rows = len(prepared.grid.station_id), len(prepared.installed_kw), len(prepared.grid.tree.node)
    none = np.zeros((groups, len(BLOCK_ENDS_H)))
    needs = needs_of(snapshot, prepared, wish, (BLOCK_ENDS_H, moment.local_h, none), np.arange(groups))
    today = today_of(prepared, found, wish, moment.room, (np.full(stations, WIDE_KW), np.zeros(stations)))
    times = -(-asked.transformers // stations)
    city = many(prepared.stations, groups, rows, times)
    whole = Today(*(np.tile(value, times) for value in today))
    of_all: Needs = cast(Any, Needs)(
        *(np.tile(value, (times, 1)) for value in needs[:2]), *(np.tile(value, times) for value in needs[2:5]), *needs[5:]
    )
    behind = np.zeros(groups * times)
    places: IntArray = np.arange(int(asked.transformers), dtype=np.int64)
    which: list[IntArray] = [places[part::THREADS] for part in range(THREADS)]

    def planned(own: IntArray) -> tuple[FloatArray, ...]:
        return limits(city, whole, moment.horizon, of_all, behind, own)

    limits(city, whole, moment.horizon, of_all, behind, np.arange(stations))  # compiled before the clock runs
    with ThreadPoolExecutor(THREADS) as pool:
        begun, worked = time.perf_counter(), time.process_time()
        parts = list(pool.map(planned, which))
        taken_s, worked_s = time.perf_counter() - begun, time.process_time() - worked
    given_kw = float(sum(part[0].sum() for part in parts))
    told = {
        "transformers": asked.transformers, "groups": int(city.group_offsets[asked.transformers]),
        "nodes": int(city.offsets[asked.transformers]), "threads": THREADS, "seconds": taken_s,
        "processor_s": worked_s, "given_kw": given_kw,
    }  # fmt: skip
    print(json.dumps(told, indent=1))
    if asked.json is not None:
        asked.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return 0 if taken_s <= TARGET_S else 1


if __name__ == "__main__":
    raise SystemExit(main())
