# SPDX-License-Identifier: Apache-2.0
"""The safety gate: the only maker of permits, and an actuator takes nothing else.

Row checks first (those that no service can opt out of, then the service's own), then one set check per junction,
cell or feeder over what is proposed together with what is in force. A set that fails is refused whole. Every failed
check comes back, not just the first. Handing control back is never refused. Doing nothing is always allowed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.decision import HAND_BACK, Action, Findings, Permits, Proposals, Refusals, Rule, no_cites, nothing
from lamplighter.terms.service import Interlock, Service
from lamplighter.terms.snapshot import Column, Snapshot

ON_LIST = Rule("action on the list", "", "lamplighter safety gate 1", "only the service's own actions may be asked for")
OWN_ASSET = Rule(
    "asset of the service", "", "lamplighter safety gate 2", "only assets of the action's kind in the service's own run"
)
IN_BOUNDS = Rule("value in bounds", "", "lamplighter safety gate 3", "each column is a finite number inside the action's bounds")
FRESH = Rule("inputs fresh", "s", "lamplighter safety gate 4", "every value that a proposal cites is known and not too old")
LEASE = Rule("lease in bounds", "s", "lamplighter safety gate 5", "a permit holds for a while above zero and within the maximum")
CHANGE = Rule(
    "not changed too often", "s", "lamplighter safety gate 6", "a different value must wait its time since the last change"
)
HOLD = Rule("no operator hold", "", "lamplighter safety gate 7", "an operator's hold stands above every decider's proposal")
ONCE = Rule(
    "asked once", "", "lamplighter safety gate 8", "one table per action and one proposal per asset and action in one tick"
)
ASKER = Rule("asked by an operator", "", "lamplighter safety gate 9", "what is an operator's alone to ask, no decider asks")
GENERIC = (ON_LIST, OWN_ASSET, IN_BOUNDS, FRESH, LEASE, CHANGE, HOLD, ONCE, ASKER)

NEVER_KNOWN_S = 1e9  # shown as the age of a value that was never reported: worse than any limit


@dataclass(frozen=True)
class Verdict:
    """What the gate made of one tick's proposals: permits and refusals, one table of each per table proposed."""

    permits: tuple[Permits, ...]
    refusals: tuple[Refusals, ...]

    @property
    def permitted_count(self) -> int:
        """Return how many rows got a permit."""
        return sum(len(table) for table in self.permits)

    @property
    def refused_count(self) -> int:
        """Return how many checks failed."""
        return sum(len(table) for table in self.refusals)


@dataclass
class _Failures:
    """Failed checks gathered while one table is examined."""

    row: list[IntArray]
    rule: list[IntArray]
    observed: list[FloatArray]
    limit: list[FloatArray]
    rules: list[Rule]
    alive: BoolArray

    def add(self, rule: Rule, bad: BoolArray, observed: FloatArray | float, limit: FloatArray | float) -> None:
        """Note the rows that fail one rule; they stay in the other checks but get no permit."""
        rows = np.flatnonzero(bad)
        if len(rows) == 0:
            return
        self.row.append(rows)
        self.rule.append(np.full(len(rows), len(self.rules), np.int64))
        self.observed.append(np.broadcast_to(np.asarray(observed, np.float64), bad.shape)[rows])
        self.limit.append(np.broadcast_to(np.asarray(limit, np.float64), bad.shape)[rows])
        self.rules.append(rule)
        self.alive = self.alive & ~bad

    def refusals(self, proposals: Proposals) -> Refusals:
        """Return everything noted as one table."""
        if not self.row:
            empty = np.zeros(0, np.int64)
            return Refusals(proposals.action, empty, empty, empty, np.zeros(0), np.zeros(0), ())
        row = np.concatenate(self.row)
        return Refusals(
            proposals.action, proposals.asset[row], row, np.concatenate(self.rule),
            np.concatenate(self.observed), np.concatenate(self.limit), tuple(self.rules),
        )  # fmt: skip


def examine(service: Service, snapshot: Snapshot, proposed: Sequence[Proposals], prepared: Any, holds: BoolArray) -> Verdict:
    """Judge everything that one service proposes in one tick.

    holds (k,): the service's own assets on which an operator's hold stands. Returns permits for the rows that pass
    every check, and every failed check of the others.
    """
    actions = {action.name: action for action in service.actions}
    failures = [_Failures([], [], [], [], [], np.ones(len(table), np.bool_)) for table in proposed]
    seen: set[str] = set()
    for table, failed in zip(proposed, failures, strict=True):
        if table.action in seen and table.action != HAND_BACK:  # a set check sees one table of each action: the first
            failed.add(ONCE, np.ones(len(table), np.bool_), 2.0, 1.0)
        seen.add(table.action)
        if len(table) == 0:
            continue
        if table.action == HAND_BACK:
            failed.add(OWN_ASSET, ~_own(snapshot, table.asset), table.asset.astype(np.float64), float(snapshot.span.stop - 1))
        elif table.action not in actions:
            failed.add(ON_LIST, np.ones(len(table), np.bool_), 0.0, 0.0)
        else:
            sound = _generic(service, actions[table.action], snapshot, table, holds, failed)
            _rows(service.interlocks, snapshot, table, prepared, sound, failed)
    _sets(service.interlocks, snapshot, proposed, prepared, failures)
    permits = tuple(_permits(table, failed) for table, failed in zip(proposed, failures, strict=True))
    return Verdict(permits, tuple(f.refusals(t) for t, f in zip(proposed, failures, strict=True)))


def hand_back(assets: IntArray, now_s: float) -> Permits:
    """Permit the return of these assets to their local programmes. Nothing may stand in its way."""
    code = np.zeros(len(assets), np.int64)
    table = Proposals(HAND_BACK, assets, {}, code, no_cites(len(assets)), "operator", now_s, 0.0)
    return Permits(table, np.arange(len(assets)), 0, now_s)


def _own(snapshot: Snapshot, asset: IntArray) -> BoolArray:
    return (asset >= snapshot.span.start) & (asset < snapshot.span.stop)


def _generic(
    service: Service, action: Action, snapshot: Snapshot, table: Proposals, holds: BoolArray, failed: _Failures
) -> BoolArray:
    """Run the checks that no service can opt out of; return the rows that are sound enough for the service's own."""
    own = _own(snapshot, table.asset)
    local = np.where(own, table.asset - snapshot.span.start, 0)
    own &= snapshot.assets.kind[np.where(own, table.asset, snapshot.span.start)] == action.of
    failed.add(OWN_ASSET, ~own, table.asset.astype(np.float64), float(snapshot.span.stop - 1))
    sound = own.copy()
    for column in action.columns:
        value = table.values.get(column.name, np.full(len(table), np.inf))
        with np.errstate(invalid="ignore"):
            low_bad, high_bad = ~(value >= column.low), ~(value <= column.high)
        failed.add(IN_BOUNDS, low_bad, np.nan_to_num(value), column.low)
        failed.add(IN_BOUNDS, high_bad & ~low_bad, np.nan_to_num(value), column.high)
        sound &= ~(low_bad | high_bad)
    age_s, limit_s = _worst_age(service, snapshot, table)
    failed.add(FRESH, age_s > limit_s, age_s, limit_s)
    lease_bad = not (0 < table.lease_s <= action.lease_max_s) or not (0 <= snapshot.now_s - table.issued_s <= service.cadence_s)
    failed.add(LEASE, np.full(len(table), lease_bad), table.lease_s, action.lease_max_s)
    operators = table.arm == "operator"
    failed.add(HOLD, holds[local] & own & (not operators), 1.0, 0.0)
    failed.add(ASKER, np.full(len(table), action.by == "operator" and not operators), 1.0, 0.0)
    in_force = snapshot.in_force[action.name]
    differs = np.zeros(len(table), np.bool_)
    for column in action.columns:
        if column.name in table.values:
            differs |= table.values[column.name] != in_force.values[column.name][local]
    since_s = snapshot.now_s - in_force.since_s[local]
    soon = in_force.active[local] & differs & (since_s < action.change_min_s) & own
    failed.add(CHANGE, soon, since_s, action.change_min_s)
    if not bool((np.diff(table.asset) > 0).all()):
        _, first = np.unique(table.asset, return_index=True)
        again = np.ones(len(table), np.bool_)
        again[first] = False
        failed.add(ONCE, again, 2.0, 1.0)
    return sound


def _worst_age(service: Service, snapshot: Snapshot, table: Proposals) -> tuple[FloatArray, FloatArray]:
    """Return per row (n,) the age of the worst cited value, and the age allowed for it, both in seconds."""
    rows = len(table)
    worst, allowed = np.zeros(rows), np.full(rows, service.fresh_s)
    cites = table.cites
    if len(cites.asset) == 0:
        return worst, allowed
    row_of = np.repeat(np.arange(rows), np.diff(cites.offsets))
    windows = {quantity.name: quantity.window_min_s for quantity in service.quantities}
    for code in np.unique(cites.quantity):
        here = cites.quantity == code
        name = snapshot.vocabulary[int(code)] if 0 <= code < len(snapshot.vocabulary) else ""
        age_s = _ages(snapshot, name, cites.asset[here])
        limit_s = max(service.fresh_s, 2.0 * windows.get(name, 0) + service.cadence_s)
        if name in snapshot.shared and name not in windows:
            limit_s = max(limit_s, snapshot.shared_fresh_s.get(name, service.fresh_s))
        over = age_s > limit_s
        at = row_of[here][over]
        np.maximum.at(worst, at, age_s[over])
        allowed[at] = limit_s
    return worst, allowed


def _ages(snapshot: Snapshot, name: str, asset: IntArray) -> FloatArray:
    """Return the ages of one quantity at the given city positions; never known counts as very old."""
    age_s = np.full(len(asset), NEVER_KNOWN_S)
    parts: list[tuple[int, Column]] = [(part.start, part.column) for part in snapshot.shared.get(name, ())]
    if name in snapshot.latest:
        parts.append((snapshot.span.start, snapshot.latest[name]))
    for start, column in parts:
        inside = (asset >= start) & (asset < start + len(column.value))
        local = asset[inside] - start
        known = np.where(column.present[local], snapshot.now_s - column.known_at_s[local], NEVER_KNOWN_S)
        age_s[inside] = np.minimum(age_s[inside], known)
    return age_s


def _taken(table: Proposals, rows: IntArray) -> Proposals:
    """Return the table with some rows alone (citations are of no use to an interlock and are left out)."""
    values: Mapping[str, FloatArray] = {name: column[rows] for name, column in table.values.items()}
    return Proposals(
        table.action,
        table.asset[rows],
        values,
        table.because[rows],
        no_cites(len(rows)),
        table.arm,
        table.issued_s,
        table.lease_s,
    )


def _blank(rows: int) -> tuple[BoolArray, FloatArray, FloatArray]:
    return np.zeros(rows, np.bool_), np.zeros(rows, np.float64), np.zeros(rows, np.float64)


def _rows(
    interlocks: Sequence[Interlock], snapshot: Snapshot, table: Proposals, prepared: Any, sound: BoolArray, failed: _Failures
) -> None:
    rows = np.flatnonzero(sound)
    if len(rows) == 0:
        return
    part = table if len(rows) == len(table) else _taken(table, rows)
    for interlock in interlocks:
        if interlock.scope == "row" and table.action in interlock.actions:
            findings = interlock.check(snapshot, (part,), prepared)
            bad, observed, limit = _blank(len(table))
            bad[rows], observed[rows], limit[rows] = ~findings.ok, findings.observed, findings.limit
            failed.add(interlock.rule, bad, observed, limit)


def _sets(
    interlocks: Sequence[Interlock],
    snapshot: Snapshot,
    proposed: Sequence[Proposals],
    prepared: Any,
    failures: Sequence[_Failures],
) -> None:
    """Run each set check over the survivors; refuse every row of a set that fails. Order: as the service lists them."""
    for interlock in interlocks:
        if interlock.scope != "set":
            continue
        places = [next((i for i, t in enumerate(proposed) if t.action == name), None) for name in interlock.actions]
        kept = [np.flatnonzero(failures[i].alive) if i is not None else np.zeros(0, np.int64) for i in places]
        if sum(len(rows) for rows in kept) == 0:
            continue
        tables = tuple(
            nothing(name, snapshot.now_s) if i is None else _taken(proposed[i], rows)
            for name, i, rows in zip(interlock.actions, places, kept, strict=True)
        )
        _refuse_groups(interlock, interlock.check(snapshot, tables, prepared), places, kept, failures)


def _refuse_groups(
    interlock: Interlock,
    findings: Findings,
    places: Sequence[int | None],
    kept: Sequence[IntArray],
    failures: Sequence[_Failures],
) -> None:
    total = sum(len(rows) for rows in kept)
    group = findings.group if findings.group is not None else np.arange(total)
    begin = 0
    for place, rows in zip(places, kept, strict=True):
        mine = group[begin : begin + len(rows)]
        begin += len(rows)
        if place is not None and len(rows):
            failed = failures[place]
            bad, observed, limit = _blank(len(failed.alive))
            bad[rows], observed[rows], limit[rows] = ~findings.ok[mine], findings.observed[mine], findings.limit[mine]
            failed.add(interlock.rule, bad, observed, limit)


def _permits(table: Proposals, failed: _Failures) -> Permits:
    rows = np.flatnonzero(failed.alive).astype(np.int64)
    return Permits(table, rows, checked=len(GENERIC), expires_s=table.issued_s + table.lease_s)


def explain_refusal(refusals: Refusals, row: int, service: str, asset_id: str) -> str:
    """Say in one sentence what was refused, by which rule, what was seen, what is needed and what happens now."""
    rule = refusals.rules[int(refusals.rule[row])]
    unit = f" {rule.unit}" if rule.unit else ""
    return (
        f"{service} {asset_id}: {refusals.action} refused, {rule.name}: {refusals.observed[row]:g}{unit}, "
        f"limit {refusals.limit[row]:g}{unit} ({rule.clause}). Nothing was sent; {asset_id} stays on its local programme "
        "or on what is in force until its lease ends."
    )
