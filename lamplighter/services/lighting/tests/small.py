# SPDX-License-Identifier: Apache-2.0
"""A small city of our own: a main street with counters, side streets, a path; enough lamps for three cells."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from lamplighter.services.lighting import SERVICE
from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.terms import ACTIONS, COUNTER, DIM, FLOW, Settings
from lamplighter.terms.asset import Assets
from lamplighter.terms.city import BuildContext, CityData, Place, Streets
from lamplighter.terms.decision import InForce
from lamplighter.terms.snapshot import Column, Shared, Snapshot

PLACE = Place(13.53, 52.43, "Europe/Berlin")
EVENING_S = datetime(2026, 1, 13, 18, 0, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
NIGHT_S = datetime(2026, 1, 14, 1, 0, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
NOON_S = datetime(2026, 1, 13, 12, 0, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
# id, name, kind, highway, from, to, x0, y0, x1, y1, width, lanes, km/h
_ROWS = [
    *(
        (f"main{i}{way}", "Main Street", "motor", "highway.secondary", *ends, *line, 6.4, 2, 50.0)
        for i in range(12)
        for way, ends, line in (
            ("a", (f"n{i}", f"n{i + 1}"), (i * 200.0, 0.0, i * 200.0 + 200.0, 0.0)),
            ("b", (f"n{i + 1}", f"n{i}"), (i * 200.0 + 200.0, 0.0, i * 200.0, 0.0)),
        )
    ),
    *(
        (f"side{i}", "Side", "motor", "highway.unclassified", f"n{i}", f"s{i}", i * 200.0, 0.0, i * 200.0, 300.0, 6.4, 2, 50.0)
        for i in range(12)
    ),
    *(
        (f"home{i}", "Home", "motor", "highway.residential", f"s{i}", f"h{i}", i * 200.0, 300.0, i * 200.0, 480.0, 5.0, 1, 30.0)
        for i in range(12)
    ),
    *(
        (f"path{i}", "", "foot", "highway.path", f"h{i}", f"h{i + 1}", i * 200.0, 480.0, i * 200.0 + 200.0, 480.0, 2.5, 0, 5.0)
        for i in range(11)
    ),
]  # fmt: skip
COUNTED: tuple[str, ...] = ("main0a", "main0b", "main8a", "main8b", "side3")


def small_streets() -> Streets:
    scale = np.radians(1.0) * 6_371_008.8
    columns = list(zip(*_ROWS, strict=True))
    x = np.array([(r[6], r[8]) for r in _ROWS]).ravel()
    y = np.array([(r[7], r[9]) for r in _ROWS]).ravel()
    text = [np.array(columns[k], dtype=np.str_) for k in range(6)]
    return Streets(
        *text,
        length_m=np.hypot(np.diff(x)[::2], np.diff(y)[::2]),
        width_m=np.array(columns[10]),
        lanes=np.array(columns[11], dtype=np.int64),
        speed_m_s=np.array(columns[12]) / 3.6,
        lit=np.ones(len(_ROWS), dtype=np.bool_),
        area=np.where(x[::2] < 1200.0, "West", "East"),
        shape_offsets=np.arange(len(_ROWS) + 1) * 2,
        shape_lon_deg=PLACE.lon0_deg + x / (scale * np.cos(np.radians(PLACE.lat0_deg))),
        shape_lat_deg=PLACE.lat0_deg + y / scale,
    )


def made(settings: Settings, seed: int = 1) -> CityData:
    streets = small_streets()
    none = np.zeros(0, dtype=np.str_)
    nothing = Assets(none, none, none, none, none, np.zeros(0), np.zeros(0), none)
    context = BuildContext("small", seed, PLACE, streets, settings, nothing, Path("small"), {}, lambda what, share: None)
    built = SERVICE.build(context)
    own, count = built.assets, len(COUNTED)
    assets = Assets(
        id=np.concatenate([own.id, np.array([f"counter-{s}" for s in COUNTED])]),
        kind=np.concatenate([own.kind, np.full(count, COUNTER)]),
        service=np.concatenate([own.service, np.full(count, "other")]),
        area=np.concatenate([own.area, np.full(count, "West")]),
        street=np.concatenate([own.street, np.array(COUNTED)]),
        lon_deg=np.concatenate([own.lon_deg, np.full(count, PLACE.lon0_deg)]),
        lat_deg=np.concatenate([own.lat_deg, np.full(count, PLACE.lat0_deg)]),
        fed_by=np.concatenate([own.fed_by, np.full(count, "")]),
    )
    words = (*(q.name for q in SERVICE.quantities), FLOW)
    return CityData(
        "small", "Small", True, PLACE, streets, assets, slice(0, len(own)), built.tables, settings, words, ("East", "West"),
        Path("small"),
    )  # fmt: skip


@dataclass(frozen=True)
class Small:
    city: CityData
    layout: Layout

    def snapshot(self, now_s: float, flow: dict[str, float], in_force: InForce | None = None, reported: float = 1.0) -> Snapshot:
        """The city as the service sees it, with counted flows by street (streets not named are silent)."""
        size, count = self.layout.size, len(COUNTED)
        known = np.array([street in flow for street in COUNTED])
        value = np.array([flow.get(street, 0.0) for street in COUNTED])
        counters = Shared(size, Column(value, np.full(count, now_s - 30.0), known))
        everywhere = Column(np.full(size, reported), np.full(size, now_s), np.ones(size, dtype=np.bool_))
        idle = InForce(
            np.zeros(size, dtype=np.bool_), {c.name: np.zeros(size) for c in ACTIONS[0].columns}, np.zeros(size), np.zeros(size)
        )
        return Snapshot(
            now_s, self.city.assets, self.city.span, {"dimming_level": everywhere}, {FLOW: (counters,)},
            {DIM: in_force or idle}, np.ones(size, dtype=np.bool_), self.city.vocabulary, {FLOW: 2400.0},
        )  # fmt: skip
