# SPDX-License-Identifier: Apache-2.0
"""A pump for every area's first street."""

from pathlib import Path

import numpy as np

from lamplighter.terms.asset import Assets
from lamplighter.terms.city import BuildContext, Built, CityData, Place, Streets
from lamplighter.terms.service import Synthetic
from tests.water.terms import PUMP, QUANTITIES, Settings


def build(context: BuildContext) -> Built:
    """Return one pump per thousand streets, at least two."""
    streets = context.streets
    picks = np.linspace(0, len(streets) - 1, max(2, len(streets) // 1000)).astype(int)
    first = streets.shape_offsets[picks]
    ids = np.array([f"pump-{n}" for n in range(len(picks))])
    none = np.full(len(picks), "")
    assets = Assets(
        ids, np.full(len(picks), PUMP), np.full(len(picks), "water"), none, streets.id[picks],
        streets.shape_lon_deg[first], streets.shape_lat_deg[first], none,
    )  # fmt: skip
    pumps = {"id": ids, "pressure_min_bar": np.full(len(picks), context.settings.pressure_min_bar)}
    return Built(assets, {"pumps": pumps}, (f"{len(picks)} pumps were placed.",))


def made_up_city(pumps: int, start: int = 0) -> CityData:
    """Return a city of pumps alone, for tests and the bench."""
    none, place = np.full(pumps, ""), np.zeros(pumps)
    ids = np.array([f"pump-{n}" for n in range(pumps)])
    assets = Assets(ids, np.full(pumps, PUMP), np.full(pumps, "water"), np.full(pumps, "all"), none, place, place, none)
    text, number, whole = np.zeros(0, np.str_), np.zeros(0), np.zeros(0, np.int64)
    streets = Streets(
        text, text, text, text, text, text, number, number, whole, number, np.zeros(0, np.bool_), text,
        np.zeros(1, np.int64), number, number,
    )  # fmt: skip
    vocabulary = tuple(sorted(q.name for q in QUANTITIES))
    table = {"id": ids, "pressure_min_bar": np.full(pumps, 3.0)}
    return CityData(
        "pumpton", "Pumpton", True, Place(13.5, 52.4, "Europe/Berlin"), streets, assets, slice(start, start + pumps),
        {"pumps": table}, Settings(), vocabulary, ("all",), Path("."),
    )  # fmt: skip


def synthetic(scale: float, seed: int) -> Synthetic:
    """Return pumps for the bench, and frames with pressures that move."""
    from lamplighter.terms.measurement import FRAME

    city = made_up_city(max(2, round(1000 * scale)))
    count = len(city.assets)

    def frames(now_s: float) -> bytes:
        rows = np.zeros(count, FRAME)
        rows["asset"], rows["quantity"], rows["count"] = np.arange(count), city.vocabulary.index("pressure_bar"), 1
        rows["window"] = int(now_s // 60) - 1
        rows["value"] = 250 + (np.arange(count) * 7 + int(now_s) + seed) % 100
        return rows.tobytes()

    return Synthetic(city, frames)
