# SPDX-License-Identifier: Apache-2.0
"""A small town of square blocks for the tests: streets, its grid, and an evening in it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from lamplighter.runtime import loop
from lamplighter.services.grid import SERVICE
from lamplighter.services.grid.build import build
from lamplighter.services.grid.network.model import read_grid
from lamplighter.services.grid.network.safe import safe_limits
from lamplighter.services.grid.simulator import GridField
from lamplighter.services.grid.terms import OUTCOMES, Settings
from lamplighter.terms.asset import Assets
from lamplighter.terms.city import BuildContext, Built, CityData, Place, Streets
from lamplighter.terms.simulation import SimulationStart

PLACE = Place(13.5, 52.43, "Europe/Berlin")
EVENING_S = 1768316400.0  # 2026-01-13 16:00 in Berlin
BLOCK_DEG = (0.0022, 0.00135)  # about 150 m


def streets(side: int = 6) -> Streets:
    """Return side x side intersections joined by residential streets, one row per direction."""
    rows: list[tuple[str, str, str, float, float, float, float]] = []
    for i in range(side):
        for j in range(side):
            for di, dj in ((1, 0), (0, 1)):
                k, m = i + di, j + dj
                if k < side and m < side:
                    one, other = f"n{i}-{j}", f"n{k}-{m}"
                    place = (i * BLOCK_DEG[0], j * BLOCK_DEG[1], k * BLOCK_DEG[0], m * BLOCK_DEG[1])
                    rows.append((f"{one}>{other}", one, other, *place))
                    rows.append((f"{other}>{one}", other, one, place[2], place[3], place[0], place[1]))
    many = len(rows)
    lon = np.array([[row[3], row[5]] for row in rows]).reshape(-1) + PLACE.lon0_deg
    lat = np.array([[row[4], row[6]] for row in rows]).reshape(-1) + PLACE.lat0_deg
    return Streets(
        id=np.array([row[0] for row in rows]),
        name=np.array([f"Street {k // 2}" for k in range(many)]),
        kind=np.full(many, "motor"),
        highway=np.full(many, "highway.residential"),
        from_node=np.array([row[1] for row in rows]),
        to_node=np.array([row[2] for row in rows]),
        length_m=np.full(many, 150.0),
        width_m=np.full(many, 6.4),
        lanes=np.full(many, 1, dtype=np.int64),
        speed_m_s=np.full(many, 13.9),
        lit=np.ones(many, np.bool_),
        area=np.array(["west" if row[3] < 0.005 else "east" for row in rows]),
        shape_offsets=np.arange(many + 1, dtype=np.int64) * 2,
        shape_lon_deg=lon,
        shape_lat_deg=lat,
    )


def no_assets() -> Assets:
    """Return a table without rows."""
    text, number = np.zeros(0, np.str_), np.zeros(0)
    return Assets(text, text, text, text, text, number, number, text)


def context(
    seed: int = 1, settings: Settings | None = None, source: dict[str, str] | None = None, folder: Path | None = None
) -> BuildContext:
    """Return what `build` is handed for the small town."""
    return BuildContext(
        "small",
        seed,
        PLACE,
        streets(),
        settings or Settings(),
        no_assets(),
        folder or Path("."),
        source or {},
        lambda what, share: None,
    )


def city_of(built: Built, settings: Settings | None = None) -> CityData:
    """Return the city of a built grid, without other services."""
    assets = built.assets
    return CityData(
        name="small",
        title="Small",
        simulated=True,
        place=PLACE,
        streets=streets(),
        assets=assets,
        span=slice(0, len(assets)),
        tables=built.tables,
        settings=settings or Settings(),
        vocabulary=tuple(quantity.name for quantity in SERVICE.quantities),
        areas=("east", "west"),
        folder=Path("."),
    )


@cache
def small_city() -> CityData:
    """Return the small town with seed 1."""
    return city_of(build(context()))


@cache
def low_city(fed_pu: float = 0.98) -> CityData:
    """Return the small town fed with so much of the rated voltage, of which 0.93 must be left: there voltage is short."""
    settings = Settings(u_low_pu=0.93)
    city = city_of(build(context(settings=settings)), settings)
    sources = {**city.tables["sources"], "u_ref_pu": np.full(len(city.tables["sources"]["id"]), fed_pu)}
    tables = {**city.tables, "sources": sources}
    groups = {**tables["groups"], "p_safe_kw": safe_limits(read_grid(tables), settings)}
    return replace(city, tables={**tables, "groups": groups})


class Evening:
    """One evening of the small town in lock step: the field, the loop, and the true outcomes so far."""

    def __init__(self, city: CityData, arm: str, seed: int = 1) -> None:
        """Open field and loop."""
        self.city = city
        self.field = GridField(SimulationStart(city, seed, EVENING_S, 600.0))
        self.run = loop.open_run(SERVICE, city, arm == "adaptive")
        self.now_s = EVENING_S
        self.messages: Sequence[object] = ()
        self.truth = {outcome.name: np.inf if outcome.combine == "min" else 0.0 for outcome in OUTCOMES}
        self.measured = dict(self.truth)
        self.refused = 0
        self.tick: loop.Tick | None = None

    def minutes(self, many: int, watch: Callable[["Evening"], None] | None = None) -> "Evening":
        """Run so many minutes; `watch` is called after each."""
        for _ in range(many):
            self.now_s += 60.0
            advance = self.field.advance(self.now_s, self.messages, {})  # pyright: ignore[reportArgumentType] - messages of the loop
            self.tick = loop.tick(self.run, [self.run], advance.readings, self.now_s)
            assert self.tick.fault == ""
            assert len(self.tick.rejected) == 0
            self.messages = self.tick.messages
            self.refused += sum(len(table) for table in self.tick.verdict.refusals)
            assert self.tick.outcomes is not None
            for sums, rows in ((self.truth, advance.truth), (self.measured, self.tick.outcomes)):
                for outcome, value in zip(rows.outcome.tolist(), rows.value.tolist(), strict=True):
                    name = OUTCOMES[outcome].name
                    sums[name] = min(sums[name], value) if OUTCOMES[outcome].combine == "min" else sums[name] + value
            if watch is not None:
                watch(self)
        return self
