# SPDX-License-Identifier: Apache-2.0
"""Diagnoses signals from a city's own record: sums over five minutes or more, where enough people were counted.

The record holds no events and no cycles. What it holds is added up here by street before an intersection; what was put
together with neighbours because too few came is said to be missing, never shared out again.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from lamplighter.history.reading import Found, Reader
from lamplighter.services.traffic.complaint.place import Approach, approaches
from lamplighter.services.traffic.complaint.programme import installed
from lamplighter.services.traffic.prepared import Prepared
from lamplighter.terms.account import APPROACH
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import AnyArray, BoolArray

Clock = Callable[[float], str]

SERVICE = "traffic"
SPAN_S = 86400.0
BLOCK_S = 900
ARRIVALS_LEAST, JUDGED_LEAST = 50.0, 10.0
POOR_RATIO, FAILED_SHARE, FAILED_LEAST = 0.85, 0.1, 3.0
SILENT_SHARE, LOST_SHARE = 0.01, 0.02


@dataclass(frozen=True)
class Street:
    """One approach over the time asked for. kept_s: for how much of it anything is on record; `None` where the record holds no
    such account (it was written before there was one, or too few people were counted for it)."""

    words: str
    kind: str
    kept_s: float
    users_count: float
    wait_s: float
    over_bound_s: float
    bound_s: float
    green_s: float | None
    shaped_s: float
    wait_longest_s: float | None
    longest_at_s: float
    arrivals_count: float | None
    arrivals_green_count: float | None
    judged_count: float | None
    failed_count: float | None
    worst_s: tuple[float, float] | None  # when the window with most failures began and ended
    worst_count: tuple[float, float] | None  # greens failed and judged in it


@dataclass(frozen=True)
class Signals:
    """One intersection over the time asked for, and its streets."""

    asset: str
    title: str
    watched_s: float
    own_s: float
    ours_s: float
    leased_s: float
    fault_s: float
    silent_s: float
    detectors: int
    detectors_silent_s: float
    merged: bool  # some of what was counted is on record only together with neighbours
    streets: tuple[Street, ...]


@dataclass(frozen=True)
class Diagnosed:
    """What the record says. begin_s to end_s: what was asked for; first_s, last_s: what is on record at all, `None` where
    nothing is; sealed_only: the city runs, so that hours that have ended are seen only."""

    begin_s: float
    end_s: float
    first_s: float | None
    last_s: float | None
    sealed_only: bool
    signals: tuple[Signals, ...]


def diagnose(record: Reader, city: CityData, prepared: Prepared, begin_s: float | None, end_s: float | None) -> Diagnosed:
    """Return what the record says from begin_s to end_s; where they are not given, of the last day on record."""
    span = record.span("accounts")
    last_s = float(span[1]) if span is not None else 0.0
    until_s = last_s if end_s is None else end_s
    from_s = until_s - SPAN_S if begin_s is None else begin_s
    rows = record.rows("accounts", from_s, until_s)
    table = _Table(rows, until_s)
    boxes = tuple(_signals(table, city, prepared, box) for box in range(len(prepared.layout.boxes.tls)))
    first_s = None if span is None else float(span[0])
    return Diagnosed(from_s, until_s, first_s, None if span is None else last_s, rows.sealed_only, boxes)


class _Table:
    """The rows, each window's as it was written last: an evening may have been lived twice."""

    def __init__(self, rows: Found, until_s: float) -> None:
        c = rows.columns
        mine = (c["service"] == SERVICE) & (c["window_start_s"] < until_s)
        run = np.asarray(c["run"])
        if mine.any():
            mine &= _last_run(run, c["window_start_s"], mine)
        self._by_group: dict[tuple[str, str], list[int]] = {}
        for row in np.flatnonzero(mine).tolist():
            self._by_group.setdefault((str(c["group_kind"][row]), str(c["group_name"][row])), []).append(row)
        self._columns = c

    def has(self, kind: str, name: str) -> bool:
        """Return whether anything is on record of a group."""
        return (kind, name) in self._by_group

    def windows(self, kind: str, name: str) -> Mapping[tuple[int, int], Mapping[str, float]]:
        """Return by (begin, length) of a window what was counted of a group."""
        c = self._columns
        found: dict[tuple[int, int], dict[str, float]] = {}
        lengths: dict[tuple[int, str], int] = {}
        for row in self._by_group.get((kind, name), ()):
            key, account = (int(c["window_start_s"][row]), int(c["window_s"][row])), str(c["account"][row])
            block = (key[0] // BLOCK_S, account)
            if lengths.setdefault(block, key[1]) != key[1]:  # lived once more, and kept more or less finely then
                for values in (v for k, v in found.items() if k[0] // BLOCK_S == block[0] and k[1] != key[1]):
                    values.pop(account, None)
                lengths[block] = key[1]
            found.setdefault(key, {})[account] = float(c["value"][row])
        return found


def _last_run(run: AnyArray, start_s: AnyArray, mine: BoolArray) -> BoolArray:
    """Return the rows of the run that was written last in each quarter of an hour."""
    block, kept = np.asarray(start_s) // BLOCK_S, np.zeros(len(run), np.bool_)
    rows = np.flatnonzero(mine)
    latest = {int(block[row]): str(run[row]) for row in rows.tolist()}
    kept[rows] = [str(run[row]) == latest[int(block[row])] for row in rows.tolist()]
    return kept


def _signals(table: _Table, city: CityData, prepared: Prepared, box: int) -> Signals:
    asset = str(prepared.counting.cells.box_name[box])
    state = _summed(table.windows("box", asset))
    streets = [_street(table, prepared, asset, one) for one in approaches(box, city, prepared)]
    area = str(prepared.counting.cells.box_area[box])
    here = any(street.kept_s > 0 for street in streets)
    of = sum(int(np.count_nonzero(owner == box)) for _, _, owner in prepared.counting.health)
    return Signals(
        asset=asset,
        title=str(prepared.layout.boxes.name[box]),
        watched_s=state.get("watched_s", 0.0),
        own_s=state.get("own_s", 0.0),
        ours_s=state.get("ours_s", 0.0),
        leased_s=state.get("leased_s", 0.0),
        fault_s=state.get("fault_s", 0.0),
        silent_s=state.get("silent_s", 0.0),
        detectors=of,
        detectors_silent_s=state.get("detectors_silent_s", 0.0),
        merged=table.has("zone", asset) or (table.has("rest", area) and not here),
        streets=tuple(street for street in streets if street.kept_s > 0),
    )


def _summed(windows: Mapping[tuple[int, int], Mapping[str, float]]) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for values in windows.values():
        for account, value in values.items():
            found[account] = found.get(account, 0.0) + value
    return found


def _over(windows: Mapping[tuple[int, int], Mapping[str, float]], account: str) -> float:
    return float(sum(length for (_, length), values in windows.items() if account in values))


def _street(table: _Table, prepared: Prepared, asset: str, one: Approach) -> Street:
    windows = table.windows(one.kind, f"{asset}/{one.name}")
    sums = _summed(windows)
    longest = max(((values.get("wait_longest_s", -1.0), begin_s) for (begin_s, _), values in windows.items()), default=(-1.0, 0))
    bad = [
        (values["failed_count"], float(begin_s), float(begin_s + length_s), values["judged_count"])
        for (begin_s, length_s), values in windows.items()
        if values.get("failed_count", 0.0) > 0
    ]
    worst = max(bad, default=None)
    return Street(
        words=one.words,
        kind=one.kind,
        kept_s=_over(windows, "users_count"),
        users_count=sums.get("users_count", 0.0),
        wait_s=sums.get("wait_s", 0.0),
        over_bound_s=sums.get("over_bound_s", 0.0),
        bound_s=installed(one.cell, prepared).bound_s,
        green_s=sums.get("green_s"),
        shaped_s=_over(windows, "green_s"),
        wait_longest_s=longest[0] if longest[0] >= 0 else None,
        longest_at_s=float(longest[1]),
        arrivals_count=sums.get("arrivals_count"),
        arrivals_green_count=sums.get("arrivals_green_count"),
        judged_count=sums.get("judged_count"),
        failed_count=sums.get("failed_count"),
        worst_s=None if worst is None else (worst[1], worst[2]),
        worst_count=None if worst is None else (worst[0], worst[3]),
    )


def standing_out(one: Signals, clock: Clock) -> tuple[str, ...]:
    """Return what stands out at one intersection, most pressing first. clock: a moment in words."""
    if not one.watched_s:
        return ()
    said = [*_box(one)]
    for street in one.streets:
        said += _failed(street, clock)
    for street in one.streets:
        said += [*_waited(street, clock), *_progress(street)]
    return tuple(said)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _box(one: Signals) -> Iterator[str]:
    if one.silent_s > LOST_SHARE * one.watched_s:
        yield f"Nothing was heard of the signals for {_minutes(one.silent_s)} of {_minutes(one.watched_s)}."
    if one.fault_s > 0:
        yield f"The box reported a fault of its own for {_minutes(one.fault_s)}."
    spoke_s = one.detectors * max(one.watched_s - one.silent_s, 0.0)
    if spoke_s and one.detectors_silent_s > SILENT_SHARE * spoke_s:
        share, many = one.detectors_silent_s / spoke_s, one.detectors_silent_s / max(one.watched_s - one.silent_s, 1.0)
        yield (
            f"Detectors were silent for {share:.1%} of the time, as if {many:.1f} of {one.detectors} had been so all along; "
            "without them the signals are not steered."
        )
    if one.ours_s > 0.5 * one.watched_s and one.leased_s < 0.5 * one.ours_s:
        yield f"Though under lamplighter, the signals ran their own programme for {_minutes(one.own_s)}."


def _failed(street: Street, clock: Clock) -> Iterator[str]:
    judged, failed = street.judged_count or 0.0, street.failed_count or 0.0
    if judged >= JUDGED_LEAST and failed >= max(FAILED_LEAST, FAILED_SHARE * judged):
        text = f"{street.words}: {failed / judged:.0%} of its greens did not serve all who waited ({failed:.0f} of {judged:.0f})"
        if street.worst_s is not None and street.worst_count is not None:
            (begin_s, end_s), (count, of) = street.worst_s, street.worst_count
            text += f", worst from {clock(begin_s)} to {clock(end_s)} ({count:.0f} of {of:.0f})"
        yield text + "."


def _waited(street: Street, clock: Clock) -> Iterator[str]:
    if street.over_bound_s > 0:
        longest = street.wait_longest_s
        at = f"; the longest wait was {longest:.0f} s, in the window from {clock(street.longest_at_s)}" if longest else ""
        yield (
            f"{street.words}: somebody waited longer than the {street.bound_s:.0f} s that are allowed, for "
            f"{street.over_bound_s:.0f} s in all{at}."
        )


def _progress(street: Street) -> Iterator[str]:
    arrivals, on_green = street.arrivals_count or 0.0, street.arrivals_green_count or 0.0
    if street.kind != APPROACH or arrivals < ARRIVALS_LEAST or not street.green_s or not street.shaped_s:
        return
    share, green = on_green / arrivals, street.green_s / street.shaped_s
    if share < POOR_RATIO * green:
        yield (
            f"{street.words}: platoons meet red. {share:.0%} arrive on green, which shows {green:.0%} of the time (platoon ratio "
            f"{share / green:.2f}; 1 is chance). Its offset deserves a look."
        )
