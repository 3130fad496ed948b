# SPDX-License-Identifier: Apache-2.0
"""A made-up grid for `bench loop`: 50,000 stations at scale 1, each with one street, one charging group and one meter."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lamplighter.services.grid.network.catalogue import LOW_VOLTAGE_CABLES, MEDIUM_VOLTAGE_CABLES, TRANSFORMERS
from lamplighter.services.grid.terms import QUANTITIES, Settings
from lamplighter.terms.asset import Assets
from lamplighter.terms.city import CityData, Place, Streets
from lamplighter.terms.columns import AnyArray, FloatArray, IntArray, TextArray
from lamplighter.terms.measurement import FRAME
from lamplighter.terms.service import Synthetic
from lamplighter.terms.table import Table

STATIONS = 50_000
FEEDER_STATIONS = 10  # stations in a row behind one source
CONNECTIONS = 300.0
POINTS = 60
ENERGIES = ("energy_due_2h_kwh", "energy_due_4h_kwh", "energy_due_8h_kwh", "energy_due_12h_kwh", "energy_wanted_kwh")
SAID = (
    "station_p_kw", "station_q_kvar", "station_u_v", "station_oil_c", "charging_p_kw", "charging_limit_kw", "charging_safe_kw",
    "charging_wanting", *ENERGIES,
)  # fmt: skip
ROOF_EVERY = 5  # of so many stations one has inverters of the city's own
SAFE_KW = 41.4
LON0_DEG, LAT0_DEG = 13.0, 52.0


def _names(prefix: str, many: int) -> TextArray:
    return np.char.add(prefix, np.char.zfill(np.arange(many).astype(np.str_), 6))


def _roofs(many: int) -> TextArray:
    return _names("I", many)[::ROOF_EVERY]


def synthetic(scale: float, seed: int) -> Synthetic:
    """Return the slice and the frames of a minute; each group wants power at 10 to 50 of its 60 points."""
    many = max(FEEDER_STATIONS, int(STATIONS * scale))
    assets = _assets(many)
    vocabulary = tuple(quantity.name for quantity in QUANTITIES)
    city = CityData(
        name="bench",
        title="Bench",
        simulated=True,
        place=Place(LON0_DEG, LAT0_DEG, "Europe/Berlin"),
        streets=_no_streets(),
        assets=assets,
        span=slice(0, len(assets)),
        tables=_tables(many),
        settings=Settings(),
        vocabulary=vocabulary,
        areas=("bench",),
        folder=Path(tempfile.gettempdir()),
    )
    return Synthetic(city, _frames(many, seed, assets, vocabulary))


def _assets(many: int) -> Assets:
    parts = (("station", "S"), ("node", "B"), ("node", "N"), ("line", "L"), ("line", "M"), ("charging_group", "C"))
    roofs = _roofs(many)
    ids = np.concatenate([*(_names(prefix, many) for _, prefix in parts), roofs])
    lon, lat = _where(many)
    total = len(ids)
    return Assets(
        id=ids,
        kind=np.concatenate([np.repeat(np.array([kind for kind, _ in parts]), many), np.full(len(roofs), "inverter")]),
        service=np.full(total, "grid"),
        area=np.full(total, "bench"),
        street=np.full(total, ""),
        lon_deg=np.concatenate([np.tile(lon, len(parts)), lon[::ROOF_EVERY]]),
        lat_deg=np.concatenate([np.tile(lat, len(parts)), lat[::ROOF_EVERY]]),
        fed_by=np.full(total, ""),
    )


def _where(many: int) -> tuple[FloatArray, FloatArray]:
    side = int(np.ceil(np.sqrt(many)))
    number = np.arange(many).astype(np.float64)
    return np.asarray(LON0_DEG + 0.003 * (number % side), np.float64), np.asarray(LAT0_DEG + 0.002 * (number // side), np.float64)


def _no_streets() -> Streets:
    text, number, whole = np.zeros(0, np.str_), np.zeros(0), np.zeros(0, np.int64)
    return Streets(
        text,
        text,
        text,
        text,
        text,
        text,
        number,
        number,
        whole,
        number,
        np.zeros(0, np.bool_),
        text,
        np.zeros(1, np.int64),
        number,
        number,
    )


def _tables(many: int) -> dict[str, Table]:
    cable, medium, kind = LOW_VOLTAGE_CABLES[1], MEDIUM_VOLTAGE_CABLES[10.0][1], TRANSFORMERS[10.0][1]
    feeders = -(-many // FEEDER_STATIONS)
    lon, lat = _where(many)
    upper, busbar, end, source = _names("U", many), _names("B", many), _names("N", many), _names("Q", feeders)
    station, group = _names("S", many), _names("C", many)
    number = np.arange(many, dtype=np.int64)
    first = number % FEEDER_STATIONS == 0
    before = np.where(first, source[number // FEEDER_STATIONS], upper[np.maximum(number - 1, 0)])
    homes = np.concatenate([np.zeros(2 * many), np.full(many, CONNECTIONS), np.zeros(feeders)])
    nodes: Table = {
        "id": np.concatenate([upper, busbar, end, source]),
        "station": np.concatenate([np.full(many, ""), station, station, np.full(feeders, "")]),
        "u_rated_v": np.concatenate([np.full(many, 1e4), np.full(2 * many, 400.0), np.full(feeders, 1e4)]),
        "lon_deg": np.concatenate([lon, lon, lon, lon[::FEEDER_STATIONS]]),
        "lat_deg": np.concatenate([lat, lat, lat, lat[::FEEDER_STATIONS]]),
        "connections": homes.astype(np.int64),
        "household_kwh": homes * 2600.0,
        "commerce_kwh": homes * 500.0,
        "pv_kw": np.zeros(len(homes)),
    }
    low = np.arange(2 * many) < many

    def of(name: str) -> FloatArray:
        return np.where(low, float(getattr(cable, name)), float(getattr(medium, name)))

    lines: Table = {
        "id": np.concatenate([_names("L", many), _names("M", many)]),
        "from_node": np.concatenate([busbar, before]),
        "to_node": np.concatenate([end, upper]),
        "type": np.where(low, cable.name, medium.name),
        "length_m": np.where(low, 120.0, 300.0),
        **{name: of(name) for name in ("r_ohm_km", "x_ohm_km", "c_nf_km", "i_n_a")},
    }
    ones = np.ones(many)
    transformers: Table = {
        "id": station, "from_node": upper, "to_node": busbar, "u2_v": 400.0 * ones, "tap_position": -ones.astype(np.int64),
        **{name: getattr(kind, name) * ones for name in ("sn_kva", "u1_v", "uk_pu", "pk_kw", "i0_pu", "p0_kw", "tap_step_v")},
    }  # fmt: skip
    text = np.zeros(0, np.str_)
    return {
        "nodes": nodes,
        "lines": lines,
        "transformers": transformers,
        "sources": {"id": source, "node": source, "u_ref_pu": np.full(feeders, 1.02), "sk_mva": np.full(feeders, 350.0)},
        "switches": {"id": text, "line": text, "node": text, "closed": np.zeros(0, np.bool_)},
        "groups": {"id": group, "access": np.full(many, "private"), "p_point_kw": 11.0 * ones, "p_safe_kw": SAFE_KW * ones},
        "group_points": {"group": group, "node": end, "points": np.full(many, POINTS)},
        "line_phases": {"node": text, **{f"connections_l{k}": np.zeros(0, np.int64) for k in (1, 2, 3)}},
        "meters": {"id": text, "node": text},
        "inverters": {
            "id": _roofs(many),
            "node": end[::ROOF_EVERY],
            **{name: np.full(len(_roofs(many)), kva) for name, kva in (("sn_kva", 100.0), ("q_max_kvar", 43.0))},
        },
    }


def _frames(many: int, seed: int, assets: Assets, vocabulary: tuple[str, ...]) -> Callable[[float], bytes]:
    """Return the maker of a minute's frames: four values of each station, nine of each group, two of inverters."""
    dice = np.random.default_rng((seed, 0xBE7C))
    station: IntArray = np.flatnonzero(assets.kind == "station")
    group: IntArray = np.flatnonzero(assets.kind == "charging_group")
    wanting = dice.integers(10, 51, many)
    homes = dice.uniform(90.0, 160.0, many)
    roof: IntArray = np.flatnonzero(assets.kind == "inverter")
    rows: AnyArray = np.zeros(len(SAID) * many + 2 * len(roof), FRAME)
    for number, name in enumerate(("inverter_q_kvar", "inverter_set_kvar")):  # at rest
        part = rows[len(SAID) * many + number * len(roof) :][: len(roof)]
        part["asset"], part["quantity"], part["count"] = roof, vocabulary.index(name), 60
    for number, name in enumerate(SAID):
        part = rows[number * many : (number + 1) * many]
        part["asset"], part["quantity"], part["count"] = (
            station if name.startswith("station") else group,
            vocabulary.index(name),
            60,
        )

    def frames(now_s: float) -> bytes:
        shift = 1.0 + 0.02 * np.sin(now_s / 600.0 + np.arange(many))
        drawn = np.minimum(wanting * 4.14, 100.0)
        energies = (wanting * kwh for kwh in (0.4, 1.0, 4.0, 10.0, 12.0))
        full, oil, safe = np.full(many, 402.0), np.full(many, 45.0), np.full(many, SAFE_KW)
        values = (homes * shift + drawn, 0.2 * homes * shift, full, oil, drawn, drawn, safe, wanting, *energies)
        steps = {quantity.name: quantity.step for quantity in QUANTITIES}
        rows["window"] = int(now_s) // 60 - 1
        for number, (name, value) in enumerate(zip(SAID, values, strict=True)):
            rows["value"][number * many : (number + 1) * many] = np.round(value / steps[name])
        return rows.tobytes()

    return frames
