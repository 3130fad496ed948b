# SPDX-License-Identifier: Apache-2.0
"""Which parts of the grid, and which assets of the city, are believed to be without power.

A station's meter has a battery and reads no voltage; what has none falls silent. Silence alone may be a broken meter or a lost
connection: it counts only where nothing below a branch speaks any more, where at least two kinds of boxes fell silent that
report by ways of their own, and where others of the same kind are still heard. What reads no voltage counts by itself. Between
the place where the evidence meets and the last branch that is surely alive nobody can tell: that is told as not known.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit

from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.prepared import Prepared
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.service import Belief
from lamplighter.terms.snapshot import Column, Shared, Snapshot

ENERGISED = "energised"
BELIEFS = (Belief(ENERGISED, "1", 0.0, 1.0, "1 where the asset is believed to have power, 0 where it is believed to be dark"),)

SILENT_S = 130.0  # two reports missed
HEARD_SHARE = 0.05  # less of a kind is heard than this: the way of its reports is broken, not the grid
DEAD_PU = 0.5  # below half of its rated voltage nothing runs
KINDS_MIN = 2  # kinds of boxes that must have fallen silent together
NEVER, ALIVE, SILENT, DEAD = 0, 1, 2, 3
LIVE, UNKNOWN, DARK = 1, 2, 0


@dataclass(frozen=True)
class Witnesses:
    """Who could tell (w,): row of the tree where it hangs; kind, by the way its reports come; what it says."""

    row: IntArray
    kind: IntArray
    says: IntArray


def _said(age_s: FloatArray, ever: BoolArray, dead: BoolArray) -> IntArray:
    """Return what boxes of one kind say: a kind that is hardly heard at all says nothing by its silence."""
    speaks = ever & (age_s <= SILENT_S)
    heard = float(speaks.sum()) > HEARD_SHARE * float(max(ever.sum(), 1))
    silent = SILENT if heard else NEVER
    return np.where(speaks, np.where(dead, DEAD, ALIVE), np.where(ever, silent, NEVER)).astype(np.int64)


def _own(snapshot: Snapshot, name: str, at: IntArray) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return value, age and whether ever heard (k,) of a quantity at own positions."""
    column = snapshot.latest.get(name)
    if column is None:
        return np.zeros(len(at)), np.zeros(len(at)), np.zeros(len(at), np.bool_)
    return column.value[at], snapshot.now_s - column.known_at_s[at], column.present[at]


def _others(part: Shared, snapshot: Snapshot, fed_row: IntArray) -> tuple[IntArray, IntArray]:
    """Return rows (k,) and what is said (k,) by the assets of another service that hang on the grid."""
    run = slice(part.start, part.start + len(part.column.value))
    hangs = fed_row[run] != ABSENT
    ever = part.column.present & hangs
    says = _said(snapshot.now_s - part.column.known_at_s, ever, np.zeros(len(ever), np.bool_))
    return fed_row[run][hangs], says[hangs]


def witnesses(snapshot: Snapshot, prepared: Prepared) -> Witnesses:
    """Return all who could tell of power: station meters, ends of streets, charging boxes, and others' boxes by `p_kw`."""
    grid = prepared.grid
    rated = grid.nodes.u_rated_v
    row: list[IntArray] = []
    says: list[IntArray] = []
    for name, at, rows, full_v in (
        ("station_u_v", prepared.station_at, prepared.station_row, rated[grid.station_busbar]),
        ("end_u_v", prepared.meter_at, grid.tree.row[grid.meter_node], rated[grid.meter_node]),
        ("charging_limit_kw", prepared.group_at, prepared.attach, np.zeros(len(prepared.group_at))),
    ):
        value, age_s, ever = _own(snapshot, name, at)
        row.append(rows)
        says.append(_said(age_s, ever, value < DEAD_PU * full_v))
    for part in snapshot.shared.get("p_kw", ()):
        rows, said = _others(part, snapshot, prepared.fed_row)
        row.append(rows)
        says.append(said)
    kind = np.repeat(np.arange(len(row)), [len(rows) for rows in row]).astype(np.int64)
    flat, told = np.concatenate(row), np.concatenate(says)
    use = (flat != ABSENT) & (told != NEVER)
    return Witnesses(flat[use], kind[use], told[use])


@njit(cache=True)
def _verdict(parent: IntArray, row: IntArray, kind: IntArray, says: IntArray) -> IntArray:
    """Return per row (n,) LIVE, DARK or UNKNOWN. Parents stand before children; kind below 62."""
    many = len(parent)
    alive, dead, own = np.zeros(many, np.int64), np.zeros(many, np.int64), np.zeros(many, np.int64)
    silent, told, branches = np.zeros(many, np.int64), np.zeros(many, np.int64), np.zeros(many, np.int64)
    for w in range(len(row)):
        alive[row[w]] += says[w] == ALIVE
        dead[row[w]] += says[w] == DEAD
        own[row[w]] += says[w] != ALIVE
        if says[w] == SILENT:
            silent[row[w]] |= 1 << kind[w]
    told[:] = own
    for r in range(many - 1, -1, -1):
        if parent[r] >= 0:
            alive[parent[r]] += alive[r]
            dead[parent[r]] += dead[r]
            silent[parent[r]] |= silent[r]
            told[parent[r]] += told[r]
            branches[parent[r]] += told[r] > 0
    state = np.full(many, LIVE, np.int64)
    for r in range(many):
        above = state[parent[r]] if parent[r] >= 0 else LIVE
        kinds = 0
        for bit in range(62):
            kinds += (silent[r] >> bit) & 1
        if above == DARK:
            state[r] = DARK
        elif alive[r] == 0 and (dead[r] > 0 or kinds >= KINDS_MIN):
            # Evidence meets here where it comes from two ways or from a box that hangs here: below, all is dark.
            state[r] = DARK if own[r] > 0 or branches[r] > 1 else UNKNOWN
        elif above == UNKNOWN:
            state[r] = UNKNOWN
    return state


def dark_rows(snapshot: Snapshot, prepared: Prepared) -> IntArray:
    """Return per row of the tree (n,) LIVE, UNKNOWN or DARK."""
    seen = witnesses(snapshot, prepared)
    return np.asarray(_verdict(prepared.grid.tree.parent, seen.row, seen.kind, seen.says), np.int64)


def believe(snapshot: Snapshot, prepared: Prepared) -> Mapping[str, Column]:
    """Return `energised` over all assets of the city (n,): 1, 0, or not known."""
    fed_row, state = prepared.fed_row, dark_rows(snapshot, prepared)
    hangs = fed_row != ABSENT
    mine = np.where(hangs, state[np.maximum(fed_row, 0)], UNKNOWN)
    value = np.where(mine == DARK, 0.0, 1.0)
    return {ENERGISED: Column(value, np.full(len(value), snapshot.now_s), hangs & (mine != UNKNOWN))}
