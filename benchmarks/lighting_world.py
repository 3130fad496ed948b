# SPDX-License-Identifier: Apache-2.0
"""Traffic for lighting benchmarks: two years of real hourly counts put through a city's own road network.

The shapes of time are those of Münster's signal detectors, hour by hour, with all that happened in 2015 and 2016 (feasts, fog,
football, roadworks). Each entry of the network follows a detector of its own; inside, cars divide at intersections by shares
that are not the ones the estimator believes in, and some park. A quarter-hour's count is a Poisson draw.
Source: Stadt Münster, Datenlizenz Deutschland - Namensnennung 2.0.
"""

import os
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
from scipy.sparse import csc_matrix, identity
from scipy.sparse.linalg import splu

from lamplighter.services.lighting.flows.network import usual_flow_veh_h
from lamplighter.terms.city import Streets
from lamplighter.terms.columns import FloatArray, IntArray

SHARED = Path(os.environ.get("LAMPLIGHTER_SHARED", Path(__file__).resolve().parents[2] / "shared"))
COUNTS = SHARED / "data" / "muenster_signal_counts" / "counts_hourly.parquet"
DETECTORS = 40
PARK_RATIO = 0.04  # of the cars of a street that end their trip in it
BELIEF_RATIO = 0.5  # how far true shares at intersections lie from usual ones (log-normal)
BUSIEST_SHARE = 0.75  # of the largest flow, on an ordinary day's busiest hour, of the main streets
HOURS = 24


@dataclass(frozen=True)
class World:
    """usual_veh_h (streets, profiles): flow on each street per unit of each profile; hourly_share (hours, profiles) from begin
    on, local time without changes of the clock."""

    usual_veh_h: FloatArray
    hourly_share: FloatArray
    begin: datetime
    zone: ZoneInfo

    def flow_veh_h(self, at_s: float) -> FloatArray:
        """Return the expected flow on every street in the quarter-hour that ends at a moment."""
        local = datetime.fromtimestamp(at_s - 450.0, self.zone).replace(tzinfo=None)
        hours = (local - self.begin) / timedelta(hours=1) - 0.5
        place = int(np.floor(hours))
        share = hours - place
        rows = self.hourly_share[np.clip([place, place + 1], 0, len(self.hourly_share) - 1)]
        return self.usual_veh_h @ (rows[0] * (1.0 - share) + rows[1] * share)


def profiles() -> tuple[FloatArray, datetime]:
    """Return (hours, DETECTORS) of the detectors with the fewest gaps, each over its usual busiest hour, and the first hour."""
    connection = duckdb.connect(config={"threads": 1})
    table = connection.execute("SELECT * FROM read_parquet(?) ORDER BY time_local", [str(COUNTS)]).fetchnumpy()
    times = table.pop("time_local").astype("datetime64[h]")
    begin = times[0]
    place = (times - begin).astype(np.int64)
    hours = int(place[-1]) + 1
    columns: list[FloatArray] = []
    gaps: list[float] = []
    for name in sorted(table):
        column = np.full(hours, np.nan)
        column[place] = np.ma.filled(np.ma.asarray(table[name]).astype(np.float64), np.nan)
        day = np.nan_to_num(column[: hours // HOURS * HOURS]).reshape(-1, HOURS)
        # A day without a single car is a broken detector, not a quiet one.
        broken = np.repeat(day.sum(axis=1) < 200.0, HOURS)
        column[: len(broken)][broken] = np.nan
        gaps.append(float(np.isnan(column).mean()))
        columns.append(column)
    best: list[int] = np.argsort(gaps, kind="stable")[:DETECTORS].tolist()
    filled = [_filled(columns[k]) for k in best]
    return np.stack([c / np.quantile(c.reshape(-1, HOURS).max(axis=1), 0.5) for c in filled], axis=1), begin.astype(datetime)


def _filled(column: FloatArray) -> FloatArray:
    """Fill gaps with the mean of the same hour of the week."""
    week = HOURS * 7
    usual = np.nanmean(np.concatenate([column, np.full(-len(column) % week, np.nan)]).reshape(-1, week), axis=0)
    whole = np.where(np.isnan(column), np.nan_to_num(usual)[np.arange(len(column)) % week], column)
    return np.concatenate([whole, np.zeros(-len(whole) % HOURS)])


def _shares(streets: Streets, rows: IntArray, usual: FloatArray, dice: np.random.Generator) -> csc_matrix:
    """Return the true turning shares: column i says where the cars of street i go on."""
    leaving: dict[str, list[int]] = defaultdict(list)
    for k, node in enumerate(streets.from_node[rows].tolist()):
        leaving[node].append(k)
    wish = usual * np.exp(BELIEF_RATIO * dice.standard_normal(len(rows)))
    to: list[int] = []
    source: list[int] = []
    share: list[float] = []
    for i in range(len(rows)):
        begin, end = str(streets.from_node[rows[i]]), str(streets.to_node[rows[i]])
        out = [j for j in leaving[end] if str(streets.to_node[rows[j]]) != begin]
        weight = wish[out] * np.exp(BELIEF_RATIO * dice.standard_normal(len(out)))
        to += out
        source += [i] * len(out)
        share += ((1.0 - PARK_RATIO) * weight / max(float(weight.sum()), 1e-9)).tolist()
    return csc_matrix((share, (to, source)), shape=(len(rows), len(rows)))


def made(streets: Streets, per_lane_veh_h: float, zone: str, seed: int) -> World:
    """Return the traffic of a city: flow on every street at any moment of the two years."""
    dice = np.random.default_rng([seed, 4711])
    rows = np.flatnonzero(streets.kind == "motor")
    usual = usual_flow_veh_h(streets, per_lane_veh_h)[rows]
    hourly, begin = profiles()
    ends = set(streets.to_node[rows].tolist())
    begins = streets.from_node[rows].tolist()
    pairs = set(zip(begins, streets.to_node[rows].tolist(), strict=True))
    arriving: dict[str, int] = defaultdict(int)
    for node in streets.to_node[rows].tolist():
        arriving[node] += 1
    # A street begins at the edge of the city where nothing arrives, or only its own opposite direction does.
    edge = np.array(
        [b not in ends or (arriving[b] == 1 and (str(streets.to_node[r]), b) in pairs) for b, r in zip(begins, rows, strict=True)]
    )
    source = np.zeros((len(rows), hourly.shape[1]))
    profile = dice.integers(0, hourly.shape[1], len(rows))
    strength = np.where(edge, usual * np.exp(0.3 * dice.standard_normal(len(rows))), 0.02 * usual)
    source[np.arange(len(rows)), profile] = strength
    solved = splu(csc_matrix(identity(len(rows), format="csc") - _shares(streets, rows, usual, dice))).solve(source)
    main = np.array(["secondary" in h or "primary" in h for h in streets.highway[rows].tolist()])
    flow_max = per_lane_veh_h * np.maximum(streets.lanes[rows], 1)
    matrix = np.zeros((len(streets), hourly.shape[1]))
    matrix[rows] = solved * (BUSIEST_SHARE / float(np.quantile((solved.sum(axis=1) / flow_max)[main], 0.6)))
    return World(matrix, hourly, begin, ZoneInfo(zone))
