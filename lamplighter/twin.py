# SPDX-License-Identifier: Apache-2.0
"""The city now: the latest value of everything and its age, as dense arrays. Pure: folding returns new columns."""

from collections.abc import Mapping, Sequence

import numpy as np

from lamplighter.terms.columns import FloatArray, frozen
from lamplighter.terms.decision import HAND_BACK, Action, InForce, Permits
from lamplighter.terms.measurement import Measurements
from lamplighter.terms.snapshot import Column

Columns = Mapping[str, Column]


def fold(columns: Columns, measured: Measurements, vocabulary: tuple[str, ...], span: slice) -> Columns:
    """Return the columns of one service with the measurements folded in; untouched columns are shared, not copied.

    measured must be ordered by quantity (as the privacy gate returns it); of several windows the last one counts.
    """
    if len(measured) == 0:
        return columns
    result = dict(columns)
    codes, first = np.unique(measured.quantity, return_index=True)
    ends = np.append(first[1:], len(measured))
    for code, begin, end in zip(codes, first, ends, strict=True):
        name = vocabulary[int(code)]
        rows = slice(int(begin), int(end))
        result[name] = _replace(result.get(name), measured, rows, span)
    return result


def _replace(old: Column | None, measured: Measurements, rows: slice, span: slice) -> Column:
    size = span.stop - span.start
    local = measured.asset[rows] - span.start
    if old is None:
        value, known, present = np.zeros(size), np.zeros(size), np.zeros(size, np.bool_)
    else:
        value, known, present = old.value.copy(), old.known_at_s.copy(), old.present.copy()
    fresh, fresh_s = measured.value[rows], measured.known_at_s[rows]
    newer = ~present[local] | (fresh_s >= known[local])  # what was overtaken on its way does not replace what came after it
    value[local[newer]] = fresh[newer]
    known[local[newer]] = fresh_s[newer]
    present[local] = True
    return Column(frozen(value), frozen(known), frozen(present))


def idle(action: Action, size: int) -> InForce:
    """Return an action with nothing in force over `size` assets."""
    values: dict[str, FloatArray] = {column.name: np.zeros(size) for column in action.columns}
    return InForce(np.zeros(size, np.bool_), values, np.zeros(size), np.zeros(size))


def lapse(in_force: Mapping[str, InForce], now_s: float) -> Mapping[str, InForce]:
    """Return what is still in force at `now_s`: expired leases no longer count."""
    result: dict[str, InForce] = {}
    for name, entry in in_force.items():
        active = entry.active & (entry.expires_s > now_s)
        same = bool((active == entry.active).all())
        result[name] = entry if same else InForce(active, entry.values, entry.since_s, entry.expires_s)
    return result


def enter_into_force(
    in_force: Mapping[str, InForce], permits: Sequence[Permits], span: slice, now_s: float
) -> Mapping[str, InForce]:
    """Return what is in force after the permits are delivered; handing back ends every action of the asset."""
    result = dict(in_force)
    for permit in permits:
        local = permit.proposals.asset[permit.row] - span.start
        if permit.proposals.action == HAND_BACK:
            for name, entry in result.items():
                active = entry.active.copy()
                active[local] = False
                result[name] = InForce(active, entry.values, entry.since_s, entry.expires_s)
            continue
        entry = result[permit.proposals.action]
        active, since, expires = entry.active.copy(), entry.since_s.copy(), entry.expires_s.copy()
        changed = ~active[local]
        values: dict[str, FloatArray] = {}
        for name, column in entry.values.items():
            fresh = permit.proposals.values[name][permit.row]
            changed |= column[local] != fresh
            values[name] = column.copy()
            values[name][local] = fresh
        since[local] = np.where(changed, now_s, since[local])
        active[local], expires[local] = True, permit.expires_s
        result[permit.proposals.action] = InForce(active, values, since, expires)
    return result
