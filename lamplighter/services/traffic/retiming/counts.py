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
TO = "to"
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
    _check_names(rows.fieldnames or (), source)
    found: dict[tuple[str, int | None, float, float, str | None], int] = {}
    counts: list[Count] = []
    try:
        for row in rows:
            count = _count(row, f"{source} line {rows.line_num}")
            key = (count.street, count.lane, count.begin_s, count.end_s, count.to)
            if key in found:
                raise CountsError(
                    f"{source} line {rows.line_num}: {count.street!r} was counted from {count.begin_s:.0f} to "
                    f"{count.end_s:.0f} s in line {found[key]} already; keep one of them, or add them together"
                )
            found[key] = rows.line_num
            counts.append(count)
    except csv.Error as error:
        raise CountsError(f"{source} line {rows.line_num}: is no line of text ({error}); save the table as CSV") from error
    if not counts:
        raise CountsError(f"{source}: no counts; one line per lane and interval is needed")
    return counts


def _check_names(names: Sequence[str], source: str) -> None:
    missing = [name for name in COLUMNS if name not in names]
    if not missing:
        return
    first = names[0] if names else ""
    mark = next((mark for mark in ";\t|" if len(names) == 1 and mark in first), None)
    if mark is not None:
        what = {"\t": "tabs"}.get(mark, repr(mark))
        raise CountsError(f"{source} line 1: its columns stand apart by {what}; save it as CSV with commas and decimal points")
    there = f"line 1 names {', '.join(repr(str(name)) for name in names[:8])}" if names else "the file is empty"
    raise CountsError(
        f"{source} line 1: column {', '.join(missing)} is missing ({there}); the columns are {','.join(COLUMNS)}, and {TO!r} "
        "where turns were counted"
    )


def _count(row: Mapping[str, str | None], where: str) -> Count:
    """Return one count; CountsError names the column."""
    short = [name for name in COLUMNS if row[name] is None]
    if short:
        raise CountsError(f"{where}: the line ends before {short[0]}; {','.join(COLUMNS)} are needed in each")
    street, lane_text = (row["street"] or "").strip(), (row["lane"] or "").strip()
    if not street:
        raise CountsError(f"{where}: street is empty; name the street that ends at the stop line")
    if lane_text and not lane_text.isdecimal():
        raise CountsError(f"{where}: lane is {lane_text!r}; a whole number is needed, 0 the rightmost, or empty for all lanes")
    begin_s, end_s, total_veh = (_figure(row, name, where) for name in ("begin_s", "end_s", "vehicles"))
    count = Count(street, int(lane_text) if lane_text else None, begin_s, end_s, total_veh, (row.get("to") or "").strip() or None)
    length_s = end_s - begin_s
    if not length_s >= WINDOW_MIN_S - 0.5:
        raise CountsError(f"{where}: an interval of {length_s:.0f} s, at least {WINDOW_MIN_S:.0f} s; add intervals together")
    if total_veh < 0:
        raise CountsError(f"{where}: {total_veh:.0f} vehicles, 0 or more are possible; leave out what failed")
    if count.lane is not None and total_veh / length_s * 3600 > RATE_MAX_VEH_H:
        raise CountsError(
            f"{where}: {total_veh:.0f} vehicles in {length_s:.0f} s on one lane, no lane passes more than "
            f"{RATE_MAX_VEH_H:.0f} in an hour; look at the detector, or leave the lane empty where the street is meant"
        )
    return count


def _figure(row: Mapping[str, str | None], name: str, where: str) -> float:
    text = (row[name] or "").strip()
    try:
        value = float(text)
    except ValueError as error:
        hint = "seconds since midnight, such as 57600 for 16:00" if name.endswith("_s") else "a number with a decimal point"
        raise CountsError(f"{where}: {name} is {text!r}; write {hint}") from error
    if not np.isfinite(value):
        raise CountsError(f"{where}: {name} is {text!r}; a finite number is needed, leave out what failed")
    return value


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
