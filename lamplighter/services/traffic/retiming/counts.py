# SPDX-License-Identifier: Apache-2.0
"""Counts as cities have them: vehicles per lane, or per street, in intervals of five minutes or more.

A CSV file with the columns `street,lane,begin_s,end_s,vehicles`; times in seconds since midnight. An empty lane means
all lanes of the street before the stop line together. A column `to` may name the street that the vehicles enter: a turning
count. It says what a count per lane does not: who of a lane turns.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lamplighter.services.traffic.retiming.roads import RoadModel
from lamplighter.terms.columns import BoolArray, FloatArray

COLUMNS = ("street", "lane", "begin_s", "end_s", "vehicles")
WINDOW_MIN_S = 300.0
RATE_MAX_VEH_H = 2500.0  # no lane passes more


class CountsError(ValueError):
    """Counts that cannot be used; the text says which line and what it should be."""


@dataclass(frozen=True)
class Count:
    """Vehicles over one stop line in one interval; lane None: all lanes of the street; to: those alone that enter it."""

    street: str
    lane: int | None
    begin_s: float
    end_s: float
    total_veh: float
    to: str | None = None


def read_counts(text: str, source: str) -> list[Count]:
    """Read counts from the text of a CSV file. Raises CountsError naming the line of `source`."""
    rows = csv.DictReader(io.StringIO(text))
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise CountsError(f"{source} line 1: column {', '.join(missing)} is missing; the columns are {','.join(COLUMNS)}")
    found: list[Count] = []
    for row in rows:
        where = f"{source} line {rows.line_num}"
        try:
            lane = int(row["lane"]) if row["lane"].strip() else None
            count = Count(row["street"].strip(), lane, float(row["begin_s"]), float(row["end_s"]), float(row["vehicles"]),
                          (row.get("to") or "").strip() or None)  # fmt: skip
        except (ValueError, AttributeError) as error:
            raise CountsError(f"{where}: {error}; lane is a whole number or empty, the rest are numbers") from error
        length_s = count.end_s - count.begin_s
        if not length_s >= WINDOW_MIN_S - 0.5:
            raise CountsError(f"{where}: an interval of {length_s:.0f} s, at least {WINDOW_MIN_S:.0f} s; add intervals together")
        if not count.total_veh >= 0:
            raise CountsError(f"{where}: {count.total_veh:.0f} vehicles, 0 or more are possible; leave out what failed")
        if lane is not None and count.total_veh / length_s * 3600 > RATE_MAX_VEH_H:
            raise CountsError(
                f"{where}: {count.total_veh:.0f} vehicles in {length_s:.0f} s on one lane, no lane passes more than "
                f"{RATE_MAX_VEH_H:.0f} in an hour; look at the detector, or leave the lane empty where the street is meant"
            )
        found.append(count)
    if not found:
        raise CountsError(f"{source}: no counts; one line per lane and interval is needed")
    return found


def counts_csv(counts: Sequence[Count]) -> str:
    """Return counts as the text of a CSV file."""
    lines = [",".join((*COLUMNS, "to"))]
    for c in counts:
        lane = "" if c.lane is None else str(c.lane)
        lines.append(f"{c.street},{lane},{c.begin_s:.0f},{c.end_s:.0f},{c.total_veh:.0f},{c.to or ''}")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Series:
    """Flows over time: begin_s, end_s (t,); flow_veh_s (t, l) per lane; counted (l,): whether the lane was counted.

    turning_veh_s (t, v): flows of movements; turning_counted (v,): whether turning counts tell them.
    """

    begin_s: FloatArray
    end_s: FloatArray
    flow_veh_s: FloatArray
    counted: BoolArray
    turning_veh_s: FloatArray
    turning_counted: BoolArray
    strange: tuple[str, ...]


def series(model: RoadModel, counts: Sequence[Count]) -> Series:
    """Return the flows of every lane in every interval. A street's count is shared evenly where its lanes are not counted.

    Lanes in some intervals only keep their mean flow in the others. Streets that no signal stops are named in `strange`.
    """
    lane_at = {key: n for n, key in enumerate(model.lane_key)}
    of_street: dict[str, list[int]] = {}
    for (street, _), n in lane_at.items():
        of_street.setdefault(street, []).append(n)
    starts = sorted({(c.begin_s, c.end_s) for c in counts})
    row = {start: n for n, start in enumerate(starts)}
    flow = np.full((len(starts), len(model.lane_key)), np.nan)
    turning, told = _turning(model, [c for c in counts if c.to is not None], row)
    lane_of = np.repeat(np.arange(len(model.lane_key)), np.diff(model.lane_first))
    every: BoolArray = np.asarray(np.logical_and.reduceat(told, model.lane_first[:-1]), np.bool_)
    sums = np.add.reduceat(turning, model.lane_first[:-1], axis=1)
    flow[:, every] = sums[:, every]
    strange: dict[str, None] = {}
    for c in sorted(counts, key=lambda c: c.lane is None):
        t, length_s = row[c.begin_s, c.end_s], c.end_s - c.begin_s
        if c.street not in of_street or (c.lane is not None and (c.street, c.lane) not in lane_at):
            strange[c.street if c.lane is None else f"{c.street} lane {c.lane}"] = None
        elif c.to is not None:
            continue
        elif c.lane is not None:
            flow[t, lane_at[c.street, c.lane]] = c.total_veh / length_s
        else:
            lanes = of_street[c.street]
            known = flow[t, lanes]
            share = np.where(np.isnan(known), 0.0, known) if (~np.isnan(known)).any() else np.ones(len(lanes))
            share = share if share.sum() > 0 else np.ones(len(lanes))
            flow[t, lanes] = share / share.sum() * c.total_veh / length_s
    counted: BoolArray = np.asarray(~np.isnan(flow).all(axis=0), np.bool_)
    mean = np.where(counted, np.nansum(flow, axis=0) / np.maximum(1, (~np.isnan(flow)).sum(axis=0)), 0.0)
    flow = np.where(np.isnan(flow), mean, flow)
    ends = np.asarray(starts, np.float64).reshape(-1, 2)
    return Series(ends[:, 0], ends[:, 1], flow, counted, turning, every[lane_of], tuple(strange))


def _turning(model: RoadModel, counts: Sequence[Count], row: Mapping[tuple[float, float], int]) -> tuple[FloatArray, BoolArray]:
    """Return flows (t, v) of movements and which of them (v,) turning counts tell; ways into one street share its count."""
    turning, told = np.zeros((len(row), len(model.move_link))), np.zeros(len(model.move_link), np.bool_)
    lane_of = np.repeat(np.arange(len(model.lane_key)), np.diff(model.lane_first))
    moves: dict[tuple[str, int | None, str], list[int]] = {}
    for v, exit_street in enumerate(model.move_exit):
        street, lane = model.lane_key[int(lane_of[v])]
        moves.setdefault((street, lane, exit_street), []).append(v)
        moves.setdefault((street, None, exit_street), []).append(v)
    for c in counts:
        mine = moves.get((c.street, c.lane, c.to or ""), [])
        for v in mine:
            turning[row[c.begin_s, c.end_s], v] += c.total_veh / (c.end_s - c.begin_s) / len(mine)
            told[v] = True
    return turning, told
