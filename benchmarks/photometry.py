# SPDX-License-Identifier: Apache-2.0
"""How fast fields are verified: cold from geometry, warm from stored influences, and after a few lamps have changed.

    python benchmarks/photometry.py [--fields 100000] [--json benchmarks/results/photometry.json]

Cold: every field is a road of its own (no two alike, nothing is computed once for two of them), all criteria of its class. Warm:
streets with lamps spaced irregularly, each lamp with an output of its own; what decides of each field is kept (`recheck`), and
its figures are compared here with those of every influence in long floats. One core: everything runs on one thread.

Times on the wall are what counts on a quiet machine; processor times are printed beside them.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lamplighter.services.lighting.photometry import changes, classes, columns, luminaires, recheck, streets, verdict
from lamplighter.services.lighting.photometry.streets import Street
from lamplighter.terms.columns import FloatArray, IntArray

SEED = 140
MAINTENANCE = 0.8
SHARE = {"M": 0.4, "C": 0.15, "P": 0.45}  # of the fields: a city has more side streets and paths than main roads
REPEATS = 15
CHANGED = 100
COMPARED = 20_000
OPTICS = ("street", "avenue", "path")


def clock(work: Callable[[], object], repeats: int = 1) -> tuple[float, float]:
    """Return the least of so many times of a call on the wall, and the processor time of that call, in seconds."""
    best = (float("inf"), float("inf"))
    for _ in range(repeats):
        wall, used = time.perf_counter(), time.process_time()
        work()
        best = min(best, (time.perf_counter() - wall, time.process_time() - used))
    return best


def kinds(count: int, dice: np.random.Generator, only_m: bool) -> IntArray:
    """Return lighting classes (count,)."""
    family = np.array(["M"] * count) if only_m else dice.choice(list(SHARE), count, p=list(SHARE.values()))
    pick = {name: np.array([k for k, n in enumerate(classes.CLASSES) if n[0] == name]) for name in SHARE}
    out = np.zeros(count, dtype=np.int64)
    for name, codes in pick.items():
        here = family == name
        out[here] = dice.choice(codes, int(here.sum()))
    return out


def roads(kind: IntArray, dice: np.random.Generator, single: bool) -> tuple[columns.Fields, columns.Poles]:
    """Return a road of its own for every class."""
    count = len(kind)
    walk = kind >= classes.code("P1")
    height = np.where(walk, dice.uniform(4.5, 6.0, count), dice.uniform(8.0, 11.0, count))
    number: dict[str, FloatArray] = {
        "spacing_m": height * dice.uniform(3.0, 4.5, count),
        "width_m": np.where(walk, dice.uniform(2.0, 6.0, count), dice.uniform(6.0, 8.0, count)),
        "lanes": np.where(walk, 1.0, 2.0),
        "height_m": height,
        "overhang_m": dice.uniform(0.0, 1.0, count),
        "tilt_deg": dice.choice([0.0, 5.0], count),
    }
    rows = np.zeros(count, np.int64) if single else dice.choice(3, count, p=[0.7, 0.1, 0.2]).astype(np.int64)
    light = np.where(walk, 2, dice.integers(0, 2, count)).astype(np.int64)
    luminance = (kind < classes.code("C0")).astype(np.int64)
    return columns.fields_of_columns(rows, number, np.zeros(count, np.int64), light, luminance)


def town(fields: int, dice: np.random.Generator, only_m: bool) -> tuple[columns.Fields, columns.Poles, IntArray]:
    """Return streets of 20 irregular fields each, one class per street."""
    count = fields // 20
    kind = kinds(count, dice, only_m)
    made: list[Street] = []
    for k in kind.tolist():
        walk = k >= classes.code("P1")
        height = 5.0 if walk else 8.0
        gap = 30.0 * dice.uniform(0.85, 1.15, 20) * (0.6 if walk else 1.0)
        x = np.concatenate(([0.0], np.cumsum(gap)[:-1]))
        ones = np.ones(20, dtype=np.int64)
        width, lanes, light = (4.0, 1, 2) if walk else (7.0, 2, 0)
        made.append(Street(x, np.zeros(20), ones, ones * light, float(gap.sum()), width, lanes, height, 0.0, 0))
    fields_, poles, of = streets.fields_of_streets(made, [bool(k < classes.code("C0")) for k in kind.tolist()])
    return fields_, poles, kind[of]


def cold(count: int, only_m: bool, single: bool) -> dict[str, float]:
    """Return the time of judging fields from geometry, nothing known before."""
    dice = np.random.default_rng(SEED)
    optics = (columns.lights_of([luminaires.luminaire(o, 6000.0) for o in OPTICS]), columns.surfaces_of(["R3"]))
    kind = kinds(count, dice, only_m)

    def work() -> None:
        fields, poles = roads(kind, np.random.default_rng(SEED), single)
        row = verdict.cold_figures(fields, poles, optics, verdict.blocks_for(kind))
        met = [verdict.margin(r, MAINTENANCE, classes.REQUIRED[k]) for r, k in zip(row[:10], kind[:10].tolist(), strict=True)]
        assert np.isfinite(met).all()

    wall, used = clock(work)
    return {"fields": count, "total_s": wall, "processor_s": used, "per_field_us": used / count * 1e6}


def warm(count: int, only_m: bool) -> dict[str, float]:
    """Return the times of judging kept fields again, all of them and those that some changed lamps light."""
    dice = np.random.default_rng(SEED)
    optics = (columns.lights_of([luminaires.luminaire(o, 6000.0) for o in OPTICS]), columns.surfaces_of(["R3"]))
    fields, poles, kind = town(count, dice, only_m)
    begun = time.perf_counter()
    stored = recheck.keep(fields, poles, optics, verdict.blocks_for(kind))
    filled = time.perf_counter() - begun
    lamps = int(poles.lamp.max()) + 1
    touch = changes.touch_of(stored, lamps)
    share, maintenance = dice.uniform(0.4, 1.0, lamps), np.full(len(kind), MAINTENANCE)
    every = recheck.margins(stored, share, kind, maintenance)
    all_s, all_used = clock(lambda: recheck.margins(stored, share, kind, maintenance), REPEATS)
    lamp = np.sort(dice.choice(lamps, CHANGED, replace=False))
    share[lamp] = 1.0
    which = changes.touched(touch, lamp)

    def again() -> None:
        few = changes.touched(touch, lamp)
        every[few] = recheck.margins(stored, share, kind, maintenance, few)

    few_s, few_used = clock(again, REPEATS)
    assert (every == recheck.margins(stored, share, kind, maintenance)).all()  # what was left out had not changed
    return {
        "fields": len(kind),
        "lamps": lamps,
        "store_s": filled,
        "stored_mb": stored.values.nbytes / 1e6,
        "largest_difference_ratio": _difference((fields, poles, kind), optics, (share, maintenance), every),
        "warm_s": all_s,
        "warm_processor_s": all_used,
        "changed_lamps": CHANGED,
        "fields_touched": len(which),
        "incremental_ms": few_s * 1e3,
        "incremental_processor_ms": few_used * 1e3,
    }


def _difference(
    town_of: tuple[columns.Fields, columns.Poles, IntArray],
    optics: tuple[columns.Lights, columns.Surfaces],
    lit: tuple[FloatArray, FloatArray],
    judged: FloatArray,
) -> float:
    """Return the largest difference of what was judged from every influence in long floats, a thousand fields at a time."""
    (fields, poles, kind), (share, maintenance) = town_of, lit
    worst = 0.0
    for begin in range(0, min(len(kind), COMPARED), 1000):
        cut = slice(begin, begin + 1000)
        part = columns.part_of(fields, begin, begin + 1000)
        whole = verdict.store(part, poles, optics, verdict.blocks_for(kind[cut]), np.float64)
        slow = verdict.margins(whole, share, kind[cut], maintenance[cut])
        worst = max(worst, float(np.abs(judged[cut] / slow - 1.0).max()))
    return worst


def main() -> None:
    """Print every figure and keep it if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    for only_m, single in ((False, False), (True, True)):  # compile before any clock runs
        cold(200, only_m, single)
    warm(200, only_m=False)
    found = {
        "cold_city": cold(asked.fields, only_m=False, single=False),
        "cold_every_field_m_class": cold(asked.fields, only_m=True, single=True),
        "warm_city": warm(asked.fields, only_m=False),
        "warm_every_field_m_class": warm(asked.fields, only_m=True),
    }
    found["memory"] = {"largest_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0}
    for part, row in found.items():
        print(f"{part}: " + ", ".join(f"{key} {value:.4g}" for key, value in row.items()))
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
