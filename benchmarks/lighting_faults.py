# SPDX-License-Identifier: Apache-2.0
"""Are broken lamps and cabinets found within one night, without orders for what is sound, and does the ledger agree with meters?

python benchmarks/lighting_faults.py [--nights 10] [--json benchmarks/results/lighting_faults.json]

A built city's lamps run a night by a dimming timetable. Each night, a seed of its own: lamps that give no light, that are without
power, that do not dim, that burn by day; others whose radio is silent though they burn; one cabinet without supply, one whose
meter says nothing. What the registers say at noon is all that the finder sees. The ledger is computed from what the record
keeps, once cell by cell, once with all cells of an area merged.
"""

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import numpy as np

from lamplighter.city.directory import find_city
from lamplighter.city.folder import load
from lamplighter.services import discover
from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.prepared import prepare
from lamplighter.services.lighting.simulator import open_simulator
from lamplighter.services.lighting.terms import BOUNDARY_S
from lamplighter.services.lighting.upkeep import burning, finding, reading, simulated
from lamplighter.services.lighting.upkeep.burning import Quarters
from lamplighter.services.lighting.upkeep.finding import Found
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import BoolArray, IntArray
from lamplighter.terms.measurement import FrameArray
from lamplighter.terms.simulation import SimulationStart

PLANTED = {"dark_lamps": 30, "dead_lamps": 20, "stuck_lamps": 15, "day_burning_lamps": 15, "mute_lamps": 20}
STEP_KWH = 0.001
DIM_FROM_H, DIM_TO_H, DIM_STEP = 22.0, 5.5, 2


@dataclass(frozen=True)
class Heard:
    """What the record would keep of cells, quarter-hour by quarter-hour."""

    begin_s: list[float] = field(default_factory=list[float])
    cell: list[int] = field(default_factory=list[int])
    light_kwh: list[float] = field(default_factory=list[float])
    energy_kwh: list[float] = field(default_factory=list[float])

    def listener(self, layout: Layout) -> simulated.Listener:
        """Return what keeps the frames of cells."""
        word = layout.vocabulary.index
        place = {int(asset): k for k, asset in enumerate(layout.cell_asset.tolist())}

        def listen(frames: FrameArray) -> None:
            light = frames[frames["quantity"] == word("cell_light_kwh")]
            energy = frames[frames["quantity"] == word("cell_energy_kwh")]
            self.begin_s.extend((light["window"] * float(BOUNDARY_S)).tolist())
            self.cell.extend([place[int(asset)] for asset in light["asset"].tolist()])
            self.light_kwh.extend((light["value"] * STEP_KWH).tolist())
            self.energy_kwh.extend((energy["value"] * STEP_KWH).tolist())

        return listen


def timed(city: CityData) -> CityData:
    """Return the city with every cell dimmed in the small hours."""
    ids = city.tables["cells"]["id"]
    rows = {
        "cell": np.repeat(ids, 2), "days": np.full(2 * len(ids), "all"),
        "from_h": np.tile([DIM_TO_H, DIM_FROM_H], len(ids)), "step": np.tile([0, DIM_STEP], len(ids)),
    }  # fmt: skip
    return replace(city, tables={**city.tables, "timetable": rows})


def planted(layout: Layout, dice: np.random.Generator) -> tuple[dict[str, IntArray], int, int]:
    """Return which lamps break how, the cabinet without supply (none of its lamps is broken besides) and the silent meter."""
    dark, silent = (int(c) for c in dice.choice(len(layout.cabinet_asset), size=2, replace=False))
    free = np.flatnonzero(layout.segments.cabinet[layout.lamp_segment] != dark)
    drawn = dice.permutation(free)
    ends = np.cumsum(list(PLANTED.values()))
    parts = np.split(drawn[: ends[-1]], ends[:-1])
    return {kind: np.sort(part) for kind, part in zip(PLANTED, parts, strict=True)}, dark, silent


def judged(found: Found, broken: dict[str, IntArray], tellable: BoolArray, layout: Layout) -> dict[str, int]:
    """Return what the orders are worth. tellable (l,): whether any register of the night differs from a sound lamp's."""
    cabinet = layout.segments.cabinet[layout.lamp_segment]
    named = np.isin(found.lamp, finding.TO_MEND)
    among = found.lamp == finding.ONE_OF
    to_mend = np.zeros(len(named), dtype=np.bool_)
    for kind, rows in broken.items():
        to_mend[rows] = kind != "mute_lamps"
    dead = np.zeros(len(named), dtype=np.bool_)
    dead[broken["dead_lamps"]] = True
    truly = np.bincount(cabinet, weights=among & dead, minlength=len(found.among))
    out = {
        "orders": int(named.sum() + (found.among > 0).sum() + (found.cabinet == finding.DARK_CABINET).sum()),
        "false orders": int((named & ~to_mend).sum() + ((found.among > 0) & (truly < found.among)).sum()),
        "broken": int(to_mend.sum()),
        "found": int((to_mend & (named | among)).sum()),
        "tellable": int((to_mend & tellable).sum()),
        "tellable found": int((to_mend & tellable & (named | among)).sum()),
        "found as some of several": int((to_mend & among).sum()),
    }
    for kind, rows in broken.items():
        if kind != "mute_lamps":
            out[f"missed, {kind}"] = int((~(named | among))[rows].sum())
    return out


def ledger_off(heard: Heard, layout: Layout) -> dict[str, list[float]]:
    """Return by how much each row of the ledger differs from the meters, in per cent: by cell, merged by area, and as a whole."""
    cell = np.array(heard.cell, dtype=np.int64)
    windows = np.array(heard.begin_s)
    area = layout.cell_area[cell]
    ways = {
        "cell by cell": (cell, [np.array([k]) for k in range(len(layout.cell_asset))]),
        "cells merged by area": (area, [np.flatnonzero(layout.cell_area == k) for k in range(int(area.max()) + 1)]),
        "the whole city": (np.zeros_like(cell), [np.arange(len(layout.cell_asset))]),
    }
    out: dict[str, list[float]] = {}
    for name, (group, members) in ways.items():
        # As the record does it: everything of one window and group is one row of sums.
        key, row = np.unique(np.stack([windows, group.astype(np.float64)], axis=1), axis=0, return_inverse=True)
        row = row.reshape(-1)
        light = np.bincount(row, weights=heard.light_kwh).astype(np.float64)
        energy = np.bincount(row, weights=heard.energy_kwh).astype(np.float64)
        groups = tuple((f"group {k}", m.astype(np.int64)) for k, m in enumerate(members))
        record = Quarters(groups, key[:, 0], np.full(len(key), float(BOUNDARY_S)), key[:, 1].astype(np.int64), light, energy)
        out[name] = [
            abs(r.computed_kwh - r.metered_kwh) / r.metered_kwh * 100.0
            for r in burning.ledger(record, layout)
            if r.metered_kwh > 0.5
        ]
    return out


def night(city: CityData, layout: Layout, day: datetime, seed: int) -> tuple[dict[str, int], dict[str, list[float]]]:
    """Return what the finder made of a night with faults, and how far the ledger of the same night without any is off."""
    noon_s = day.replace(hour=12).timestamp()
    begin_s = simulated.noon_after(noon_s - 90_000.0, layout)
    broken, dark, silent = planted(layout, np.random.default_rng([seed, 60598]))
    box = open_simulator(SimulationStart(city, seed, begin_s, 0.0))
    for kind, rows in broken.items():
        box.inject(kind, {"lamps": rows.tolist()})
    box.inject("dark_cabinet", {"number": dark})
    box.inject("silent_cabinet", {"number": silent})
    found = finding.find(simulated.day_of(box, noon_s, layout), layout)
    cabinet = layout.segments.cabinet[layout.lamp_segment]
    tellable = np.ones(len(cabinet), dtype=np.bool_)
    asked = reading.planned_h(noon_s, layout)[layout.lamp_segment]
    burnt = float(reading.burnt_h(noon_s, layout))
    tellable[broken["stuck_lamps"]] = (asked < finding.DIMMED_RATIO * burnt)[broken["stuck_lamps"]]
    tellable[broken["dead_lamps"]] = (cabinet != silent)[broken["dead_lamps"]]
    figures = judged(found, broken, tellable, layout)
    figures |= {
        "cabinets found": int(found.cabinet[dark] == finding.DARK_CABINET),
        "silent meters taken for dark": int(found.cabinet[silent] == finding.DARK_CABINET),
    }
    heard = Heard()
    sound = open_simulator(SimulationStart(city, seed, begin_s, 0.0))
    simulated.day_of(sound, noon_s, layout, heard.listener(layout))
    return figures, ledger_off(heard, layout)


@click.command()
@click.option("--city", "name", default="adlershof", show_default=True)
@click.option("--nights", default=10, show_default=True, type=click.IntRange(1))
@click.option("--json", "file", type=click.Path(path_type=Path))
def main(name: str, nights: int, file: Path | None) -> None:
    """Run the nights and print what they came to."""
    plain = load(find_city(name), discover())["lighting"]
    city = timed(replace(plain, settings=replace(plain.settings, lamp_fault_share=0.0)))
    layout = prepare(city)
    sums: dict[str, int] = {}
    off: dict[str, list[float]] = {}
    first = datetime(2026, 1, 14, tzinfo=ZoneInfo(city.place.timezone))
    with click.progressbar(range(nights), label="nights") as bar:
        for number in bar:
            figures, ledger = night(city, layout, first + timedelta(days=17 * number), number + 1)
            sums = {key: sums.get(key, 0) + value for key, value in figures.items()}
            off = {key: off.get(key, []) + rows for key, rows in ledger.items()}
    told = {
        "nights": nights, "lamps": len(layout.lamp_segment), **sums,
        "false orders, of orders": sums["false orders"] / sums["orders"],
        "found within one night": sums["found"] / sums["broken"],
        "of the tellable, found": sums["tellable found"] / sums["tellable"],
        "ledger off at most, percent": {key: round(max(rows), 3) for key, rows in off.items()},
        "rows of the ledger": {key: len(rows) for key, rows in off.items()},
        "of them more than 1 percent off": {key: sum(v > 1.0 for v in rows) for key, rows in off.items()},
    }  # fmt: skip
    click.echo(json.dumps(told, indent=1))
    if file is not None:
        file.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
