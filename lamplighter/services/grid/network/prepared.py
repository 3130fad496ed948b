# SPDX-License-Identifier: Apache-2.0
"""What does not change while a city runs: its grid as columns, where each asset stands in them, and the names."""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.grid.envelopes.city import Stations
from lamplighter.services.grid.envelopes.laid import lay_out
from lamplighter.services.grid.intervals import Interval, change_kw, fit_interval, parts_of, split_interval
from lamplighter.services.grid.line_phases import LinePhases, line_phases_of
from lamplighter.services.grid.moments import Local, Usual, local_time, usual_of
from lamplighter.services.grid.network.engine import Estimator, open_estimator
from lamplighter.services.grid.network.model import ABSENT, Grid, find, read_grid
from lamplighter.services.grid.network.sharing import attach_rows, points_below
from lamplighter.services.grid.terms import Settings
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import AnyArray, BoolArray, FloatArray, IntArray, TextArray
from lamplighter.terms.snapshot import Column, Snapshot


@dataclass(frozen=True)
class Prepared:
    """Shared data of deciding, checking and explaining. Rows are rows of the tree, *_at positions in the own run.

    station_row (s,): row of each station's busbar; row_station (n,): station above (or at) each row, ABSENT at
    medium voltage; energy_share (n,): a row's share of its station's expected energy, by class; split, fit: how far
    the two ways of estimating may be off; change_kw (n,): what a branch's power changes by itself within a lease;
    entry_*: how much of a group can flow through a low-voltage branch; attach: row below which a group draws;
    area (k,): area of each own asset, ABSENT where none; fed_row (a,): row from which each asset of the whole
    city has its power, ABSENT where it has none; inverter_row (i,): row at which
    each inverter stands, ABSENT where cut off; node_at (nodes,): own position of each node, ABSENT at medium voltage.
    """

    city: CityData
    grid: Grid
    settings: Settings
    estimator: Estimator | None
    station_at: IntArray
    line_at: IntArray
    group_at: IntArray
    meter_at: IntArray
    inverter_at: IntArray
    inverter_row: IntArray
    station_row: IntArray
    row_station: IntArray
    energy_share: FloatArray
    split: Interval
    fit: Interval
    change_kw: FloatArray
    line_phases: LinePhases
    stations: Stations
    usual: Usual
    local: Local
    attach: IntArray
    entry_row: IntArray
    entry_group: IntArray
    entry_kw: FloatArray
    installed_kw: FloatArray
    area: IntArray
    street: TextArray
    fed_row: IntArray
    node_at: IntArray

    @property
    def size(self) -> int:
        """Return the number of the service's own assets."""
        return self.city.span.stop - self.city.span.start


def _at(city: CityData, ids: TextArray) -> IntArray:
    return city.assets.positions(ids) - city.span.start


def _row_station(grid: Grid) -> tuple[IntArray, IntArray]:
    """Return the busbar's row of each station, and the station of each row."""
    tree = grid.tree
    busbar = tree.row[grid.station_busbar]
    own = np.full(len(tree.node), ABSENT, np.int64)
    own[busbar[busbar != ABSENT]] = np.flatnonzero(busbar != ABSENT)
    for row in range(len(tree.node)):  # parents stand before children
        if own[row] == ABSENT and tree.parent[row] != ABSENT:
            own[row] = own[tree.parent[row]]
    return busbar, own


def _shares(grid: Grid, row_station: IntArray) -> FloatArray:
    """Return each row's share of its station's expected energy, by connections and class."""
    tree, nodes = grid.tree, grid.nodes
    energy = np.zeros(len(tree.node))
    linked = tree.row != ABSENT
    energy[tree.row[linked]] = (nodes.household_kwh + nodes.commerce_kwh)[linked]
    below = row_station != ABSENT
    many = np.bincount(row_station[below], minlength=len(grid.station_id)).astype(np.float64)
    total = np.bincount(row_station[below], weights=energy[below], minlength=len(grid.station_id))
    blank = total[row_station] <= 0.0
    return np.where(
        below, np.where(blank, 1.0 / np.maximum(many[row_station], 1.0), energy / np.maximum(total[row_station], 1e-9)), 0.0
    )


def _fed_rows(grid: Grid, city: CityData, rows: tuple[tuple[IntArray, IntArray], ...]) -> IntArray:
    """Return for every asset of the city (a,) the row from which it has its power. rows: own positions and their rows."""
    fed = np.full(len(city.assets), ABSENT, np.int64)
    for text in (city.assets.id, city.assets.fed_by):
        node = find(grid.nodes.id, text)
        fed = np.where(node != ABSENT, grid.tree.row[np.maximum(node, 0)], fed)
    for at, row in rows:
        fed[at[at >= 0] + city.span.start] = row[at >= 0]
    return fed


def prepare(city: CityData) -> Prepared:
    """Return what every later call is handed. GridError tells what is wrong with the tables."""
    settings: Settings = city.settings
    grid = read_grid(city.tables)
    station_row, row_station = _row_station(grid)
    rows, entry_group, entry_kw = points_below(grid)
    areas = {name: number for number, name in enumerate(city.areas)}
    span = city.span
    names = dict(zip(city.streets.id.tolist(), city.streets.name.tolist(), strict=True))
    streets = [names.get(street) or street for street in city.assets.street[span].tolist()]
    small = len(grid.nodes.id) <= settings.estimate_nodes_max
    share, parts = _shares(grid, row_station), parts_of(grid.tree.parent, row_station, len(grid.station_id))
    split, usual = split_interval(grid, parts, share, settings), usual_of(grid)
    station_at, meter_at, group_at = _at(city, grid.station_id), _at(city, grid.meter_id), _at(city, grid.groups.id)
    line_at, attach = _at(city, grid.branches.id[: grid.branches.lines]), attach_rows(grid)
    below = np.full(len(grid.branches.id), ABSENT, np.int64)
    below[grid.tree.branch[grid.tree.branch != ABSENT]] = np.flatnonzero(grid.tree.branch != ABSENT)
    inverter_at, inverter_row = _at(city, grid.inverters.id), grid.tree.row[grid.inverters.node]
    own = ((station_at, station_row), (inverter_at, inverter_row), (meter_at, grid.tree.row[grid.meter_node]), (group_at, attach))
    return Prepared(
        city=city,
        grid=grid,
        settings=settings,
        estimator=open_estimator(grid) if small else None,
        station_at=station_at,
        line_at=line_at,
        group_at=group_at,
        meter_at=meter_at,
        inverter_at=inverter_at,
        inverter_row=inverter_row,
        station_row=station_row,
        row_station=row_station,
        energy_share=share,
        split=split,
        fit=fit_interval(grid, parts, settings) if small else split,
        change_kw=change_kw(grid, settings),
        line_phases=line_phases_of(grid),
        stations=lay_out(grid, parts, attach, usual),
        usual=usual,
        local=local_time(city.place.timezone),
        attach=attach,
        entry_row=rows,
        entry_group=entry_group,
        entry_kw=entry_kw,
        installed_kw=grid.groups.points_count * grid.groups.p_point_kw,
        area=np.array([areas.get(name, ABSENT) for name in city.assets.area[span].tolist()], dtype=np.int64),
        street=np.array(streets, dtype=np.str_),
        node_at=np.where(find(city.assets.id, grid.nodes.id) != ABSENT, _at(city, grid.nodes.id), ABSENT),
        fed_row=_fed_rows(grid, city, (*own, (line_at, below[: grid.branches.lines]))),
    )


def lines_of(prepared: Prepared) -> dict[str, AnyArray]:
    """Return for the map both ends of each line: asset (city position), lon1_deg, lat1_deg, lon2_deg, lat2_deg."""
    nodes, branches = prepared.grid.nodes, prepared.grid.branches
    near, far = branches.from_node[: branches.lines], branches.to_node[: branches.lines]
    return {
        "asset": prepared.line_at + prepared.city.span.start,
        "lon1_deg": nodes.lon_deg[near],
        "lat1_deg": nodes.lat_deg[near],
        "lon2_deg": nodes.lon_deg[far],
        "lat2_deg": nodes.lat_deg[far],
    }


def at_rows(prepared: Prepared, kvar: FloatArray) -> FloatArray:
    """Return what inverters supply (i,) at the rows (n,) at which they stand."""
    on = prepared.inverter_row != ABSENT
    return np.asarray(
        np.bincount(prepared.inverter_row[on], weights=kvar[on], minlength=len(prepared.grid.tree.node)), np.float64
    )


def latest(snapshot: Snapshot, name: str, at: IntArray, within_s: float) -> tuple[FloatArray, BoolArray]:
    """Return the latest value (k,) of a quantity at own positions, and whether it is fresh."""
    column: Column | None = snapshot.latest.get(name)
    if column is None:
        return np.zeros(len(at)), np.zeros(len(at), np.bool_)
    fresh = column.present[at] & (snapshot.now_s - column.known_at_s[at] <= within_s)
    return np.where(fresh, column.value[at], 0.0), fresh
