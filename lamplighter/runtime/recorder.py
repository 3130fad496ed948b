# SPDX-License-Identifier: Apache-2.0
"""From ticks to the record: roll-ups by area, outcomes, counts of decisions, and commitments in the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from lamplighter.evidence.totals import OutcomeTotals
from lamplighter.history import History, RollUp, by_area
from lamplighter.history.reading import Reader, Running
from lamplighter.history.tables import LOW_COUNT, TEXT_MAX, RowsRefusedError
from lamplighter.ledger import (
    Commitment,
    Entry,
    Ledger,
    LedgerUnwritableError,
    OperatorAct,
    OperatorAsked,
    PermitsCommitted,
    RunStart,
    Salts,
)
from lamplighter.runtime.accounting import BoxAccounts
from lamplighter.runtime.cityrun import RunPlan
from lamplighter.runtime.loop import ServiceRun, Tick
from lamplighter.runtime.operators import Wish
from lamplighter.runtime.telling import changed_rows
from lamplighter.runtime.view import Scene
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import AnyArray, BoolArray, IntArray
from lamplighter.terms.decision import Permits
from lamplighter.terms.quantity import Quantity
from lamplighter.terms.service import Service

WINDOW_S = 900
KEEP_EVERY_S = 3600
ENTRIES_MAX = 256
ROWS_STEP = 10  # the ledger counts permits in whole tens
NO_COMMIT = "0" * 40  # an installed copy does not know its commit

DecisionKey = tuple[str, str, str, str, str]  # service, kind, action, reason, area


@dataclass
class _Window:
    """What is being counted in the window now open."""

    start_s: int
    outcomes: dict[tuple[str, str], OutcomeTotals] = field(default_factory=dict[tuple[str, str], OutcomeTotals])  # service, arm
    decisions: dict[DecisionKey, int] = field(default_factory=dict[DecisionKey, int])
    permits: dict[tuple[str, str], Commitment] = field(default_factory=dict[tuple[str, str], Commitment])  # service, action


class Recorder:
    """Writes the record plane of one run. A record that cannot be written is told and never stops control."""

    def __init__(self, folder: Path, services: Sequence[Service], cities: Mapping[str, CityData], run: str) -> None:
        """Open the history and the ledger in `folder`; HistoryInUseError where another process holds them."""
        self._history = History.open(folder / "history")
        try:
            self._ledger = Ledger.open(folder / "ledger")
        except BaseException:
            self._history.close()
            raise
        self._salts = Salts(folder / "ledger")
        self._entries: list[Entry] = []
        self._seed = 0
        self._run = run
        self._window: _Window | None = None
        self._kept_s = 0.0
        self._history_fault = self._ledger_fault = ""
        first = next(iter(cities.values()))
        self._areas = first.areas
        self._accounts: dict[str, BoxAccounts] = {}
        self._recorded = sorted({record.quantity for service in services for record in service.record})
        self._area = first.assets.area
        # What is not of assets that are groups themselves (a cell, a station) needs two of them at least.
        self._single = sorted({record.quantity for service in services for record in service.record if record.by == "asset"})
        self._members = _counted(services, cities)
        groups = by_area(self._area, self._areas)
        self._rollups = {
            s.name: RollUp(_vocabulary(s, services, first.vocabulary), (s.name,) * len(first.vocabulary), groups, WINDOW_S)
            for s in services
        }

    def reader(self) -> Reader:
        """Return the record for reading, with what was written until now."""
        return Running(self._history)

    def run_started(self, scene: Scene, plan: RunPlan) -> None:
        """Note which run this is, in the record and in the ledger."""
        self._seed = plan.seed
        arms = set(plan.arms.values())
        one = {
            "run": self._run,
            "city": scene.name,
            "arm": arms.pop() if len(arms) == 1 else "mixed",
            "seed": plan.seed,
            "commit_hash": "",
            "begin_s": int(plan.begin_s),
        }
        self._write("runs", {name: np.array([value]) for name, value in one.items()})
        each = tuple(f"{service}-{arm}" for service, arm in plan.arms.items())
        self._note(RunStart(int(plan.begin_s), self._run, scene.name, each, (plan.seed,), NO_COMMIT))

    def operator_act(self, now_s: float, service: str, arm: str) -> None:
        """Note an operator's act under its role."""
        self._count(now_s, (service, "operator", "set_arm", arm, self._areas[0]), 1)
        act: Literal["choose_adaptive", "hand_back"] = "choose_adaptive" if arm == "adaptive" else "hand_back"
        self._note(OperatorAct(int(now_s), "operator", act, service, "all"))

    def operator_asked(self, now_s: float, service: str, wish: Wish, areas: AnyArray) -> None:
        """Note that an operator asked for something: its quarter of an hour and its areas, not the second nor the boxes, so
        that nobody can read from it when help came to whom."""
        start_s, seconds = int(now_s // WINDOW_S * WINDOW_S), int(wish.until_s - now_s)
        for area in np.unique(areas).tolist():
            self._count(now_s, (service, "operator", wish.action, wish.reason, str(area)), 1)
            boxes = int(np.count_nonzero(areas == area))
            self._note(OperatorAsked(start_s, "operator", service, wish.action, wish.reason, str(area), boxes, seconds))

    def tick(self, run: ServiceRun, done: Tick) -> None:
        """Take up one tick: sums and counts only; rows are written when their window is closed."""
        window = self._open_window(done.now_s)
        if len(done.measured):
            self._rollups[run.service.name].add(done.measured)
        if done.outcomes is not None and len(done.outcomes.outcome):
            key = (run.service.name, "adaptive" if bool(run.adaptive.any()) else "baseline")
            if key not in window.outcomes:
                window.outcomes[key] = OutcomeTotals(run.service.outcome_names, self._areas)
            window.outcomes[key].add(done.outcomes)
        for action in run.service.actions:
            window.permits.setdefault((run.service.name, action.name), Commitment())
        by_box = self._accounted(run, done)
        for permit in done.verdict.permits:
            rows = changed_rows(permit, done)
            if len(rows):
                because = permit.proposals.because[rows]
                if not by_box:
                    self._count_rows(run, done, "permit", permit.proposals.action, permit.proposals.asset[rows], because)
                self._commit(done.now_s, run.service.name, permit, rows)
        for table in done.verdict.refusals:
            if len(table) and not by_box:
                self._count_refusals(run, done, table.action, table.asset, [table.rules[int(r)].name for r in table.rule])

    def _accounted(self, run: ServiceRun, done: Tick) -> bool:
        """Count the tick box by box where the service wants that; its decisions are then counted there, and not by area."""
        if run.service.accounting is None:
            return False
        name = run.service.name
        if name not in self._accounts:
            self._accounts[name] = BoxAccounts(run.service.accounting, run, self._run)
        self._accounts[name].tick(run, done)
        return True

    def _commit(self, now_s: float, service: str, permit: Permits, rows: IntArray) -> None:
        """Take up a salted commitment of what changed; the rows themselves are kept nowhere.

        The ledger is told once a window: second by second it would be a log of when each box was switched.
        """
        table = permit.proposals
        columns: dict[str, AnyArray] = {"asset": table.asset[rows], **{name: c[rows] for name, c in table.values.items()}}
        self._open_window(now_s).permits.setdefault((service, table.action), Commitment()).take(int(now_s), columns)

    def _keep_salt(self, end_s: int, taken: Commitment) -> None:
        try:
            self._salts.keep(end_s, taken)
            self._salts.retain(end_s)
        except OSError as error:
            self._ledger_fault = f"ledger: a salt could not be kept or erased ({error.strerror}). Free space on that disk."

    def _note(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._write_entries()

    def _write_entries(self) -> None:
        entries, self._entries = self._entries, []
        try:
            if entries:
                self._ledger.append(*entries)
            self._ledger_fault = ""
        except LedgerUnwritableError as error:
            self._entries = entries[-ENTRIES_MAX:]
            self._ledger_fault = str(error)

    def _sign(self) -> None:
        """Put everything so far under a signature."""
        self._write_entries()
        try:
            self._ledger.checkpoint()
        except LedgerUnwritableError as error:
            self._ledger_fault = str(error)

    @property
    def fault(self) -> str:
        """What keeps the record or the ledger from being written, empty where nothing does."""
        return " ".join(text for text in (self._history_fault, self._ledger_fault) if text)

    def _count_rows(self, run: ServiceRun, done: Tick, kind: str, action: str, asset: AnyArray, because: AnyArray) -> None:
        areas = self._area[asset]
        pairs, times = np.unique(np.stack([areas.astype(np.str_), because.astype(np.str_)]), axis=1, return_counts=True)
        for (area, code), count in zip(pairs.T, times, strict=True):
            reason = run.service.reasons[int(code)][:TEXT_MAX]
            self._count(done.now_s, (run.service.name, kind, action, reason, str(area)), int(count))

    def _count_refusals(self, run: ServiceRun, done: Tick, action: str, asset: AnyArray, rules: Sequence[str]) -> None:
        for place, rule in zip(asset[:1000], rules[:1000], strict=True):
            area = str(self._area[place]) if 0 <= place < len(self._area) else self._areas[0]
            self._count(done.now_s, (run.service.name, "refusal", action, rule, area), 1)

    def _count(self, now_s: float, key: DecisionKey, times: int) -> None:
        window = self._open_window(now_s)
        window.decisions[key] = window.decisions.get(key, 0) + times

    def _open_window(self, now_s: float) -> _Window:
        # A tick at the very end of a window still tells about that window.
        start_s = int((now_s - 1) // WINDOW_S) * WINDOW_S
        if self._window is None or start_s != self._window.start_s:
            self._close_window(now_s, now_s)
            self._window = _Window(start_s)
        return self._window

    def _close_window(self, now_s: float, until_s: float) -> None:
        """Write what is pending. now_s: whatever rolls up is closed by then; until_s: until when it was watched."""
        for rollup in self._rollups.values():
            rows = rollup.closed(now_s, self._run)
            if rows is not None:
                kept = np.isin(rows["quantity"], self._recorded)  # what no service names for the record is never written
                kept &= (rows["members"] >= 2) | np.isin(rows["quantity"], self._single)
                if kept.any():
                    self._write("measurements", {column: values[kept] for column, values in rows.items()})
        if self._window is not None:
            end_s = self._window.start_s + WINDOW_S
            for (service, action), taken in self._window.permits.items():
                self._entries.append(
                    PermitsCommitted(end_s, service, action, taken.rows // ROWS_STEP * ROWS_STEP, taken.digest())
                )
                self._keep_salt(end_s, taken)
            self._write_outcomes(self._window)
            self._write_decisions(self._window)
            for accounts in self._accounts.values():
                for table, columns in accounts.closed(until_s):
                    self._write(table, columns)
        self._sign()
        if now_s - self._kept_s >= KEEP_EVERY_S:
            self._history.retain(now_s)
            self._history.seal(now_s)
            self._kept_s = now_s

    def _grouped(self, services: AnyArray, areas: AnyArray, window: _Window) -> dict[str, AnyArray]:
        rows = len(areas)
        members = [self._members.get((str(service), str(area)), 1) for service, area in zip(services, areas, strict=True)]
        return {
            "run": np.full(rows, self._run),
            "group_kind": np.full(rows, "area"),
            "group_name": areas,
            "members": np.array(members, np.int64),
            "window_start_s": np.full(rows, window.start_s, np.int64),
            "window_s": np.full(rows, WINDOW_S, np.int64),
        }

    def _write_outcomes(self, window: _Window) -> None:
        for (service, arm), totals in window.outcomes.items():
            columns = totals.columns()
            if service in self._accounts:
                kept = _enough(totals, columns)
                columns = {name: column[kept] for name, column in columns.items()}
            rows = len(columns["outcome"])
            if rows:
                more = {"arm": np.full(rows, arm), "seed": np.full(rows, self._seed), "service": np.full(rows, service)}
                picked = {"outcome": columns["outcome"], "value": columns["value"], "weight": columns["weight"]}
                self._write("outcomes", {**self._grouped(more["service"], columns["area"], window), **more, **picked})

    def _write_decisions(self, window: _Window) -> None:
        if not window.decisions:
            return
        keys = list(window.decisions)
        texts = {name: np.array([key[i] for key in keys]) for i, name in enumerate(("service", "kind", "action", "reason"))}
        count = np.array([window.decisions[key] for key in keys], np.int64)
        grouped = self._grouped(texts["service"], np.array([key[4] for key in keys]), window)
        self._write("decisions", {**grouped, **texts, "count": count})

    def _write(self, table: str, columns: Mapping[str, AnyArray]) -> None:
        try:
            self._history.append(table, columns)
        except RowsRefusedError as error:  # a row that may not be written is left out, and told
            self._history_fault = str(error)
        else:
            self._history_fault = self._history.status().fault

    def close(self, now_s: float) -> None:
        """Write what is pending and let go of the folder. Safe to call twice."""
        if self._window is not None:
            self._close_window(now_s + 2 * WINDOW_S, now_s)
            self._window = None
        self._history.close()
        self._sign()
        self._ledger.close()


def _counted(services: Sequence[Service], cities: Mapping[str, CityData]) -> Mapping[tuple[str, str], int]:
    """Return how many assets each service has in each area."""
    found: dict[tuple[str, str], int] = {}
    for service in services:
        city = cities[service.name]
        areas, times = np.unique(city.assets.area[city.span], return_counts=True)
        found.update({(service.name, str(area)): int(count) for area, count in zip(areas, times, strict=True)})
    return found


def _enough(totals: OutcomeTotals, columns: Mapping[str, AnyArray]) -> BoolArray:
    """Return the outcomes that enough users stand behind: means over them, counts of them, extremes among them."""
    how = {outcome.name: outcome.combine for outcome in totals.outcomes}
    combine = np.array([how[str(name)] for name in columns["outcome"]], dtype=np.str_)
    means, sums = combine == "mean", combine == "sum"
    enough = (means & (columns["weight"] >= LOW_COUNT)) | (sums & (columns["value"] >= LOW_COUNT))
    busy = np.isin(columns["area"], columns["area"][enough])
    return enough | (~means & ~sums & busy)


def _vocabulary(service: Service, services: Sequence[Service], names: tuple[str, ...]) -> tuple[Quantity, ...]:
    """Return the quantity behind every vocabulary number, the service's own definition where it has one."""
    known = {quantity.name: quantity for other in services for quantity in other.quantities}
    known.update({quantity.name: quantity for quantity in service.quantities})
    return tuple(known[name] for name in names)
