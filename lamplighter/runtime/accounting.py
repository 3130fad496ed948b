# SPDX-License-Identifier: Apache-2.0
"""Accounts of one service's boxes: summed in memory tick by tick, handed to the record once a quarter of an hour.

What is handed over is as fine as the number of users allows (`history.merging`), and never of less than a whole window:
what a start or a stop has cut off is dropped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from lamplighter.history import merging
from lamplighter.history.merging import BLOCK_S, BY_BLOCK, BY_BOX, BY_REST, BY_WINDOW, WINDOW_S
from lamplighter.history.tables import TEXT_MAX
from lamplighter.runtime.loop import ServiceRun, Tick
from lamplighter.runtime.telling import changed_rows
from lamplighter.terms.account import APPROACH, CROSSINGS, Account, Accounting, Tallied
from lamplighter.terms.columns import AnyArray, BoolArray, FloatArray, IntArray
from lamplighter.terms.decision import HAND_BACK

Rows = tuple[str, Mapping[str, AnyArray]]  # a table of the record and its columns

# What the spine counts of every box besides.
OWN = (
    Account("watched_s", "box", "sum", "seconds of the window in which lamplighter ran"),
    Account("ours_s", "box", "sum", "seconds in which lamplighter was to steer the box"),
)
# A box's own state is kept in steps of a tenth of a window: a few seconds on its own programme, left behind when an operator
# has let somebody through, would tell which way help went.
STATE_STEP_S = 30.0


@dataclass(frozen=True)
class _Window:
    """One window's sums: cell (c, j), box (b, k) with the spine's own accounts behind the service's, part (p, l)."""

    start_s: int
    cell: AnyArray
    box: AnyArray
    part: AnyArray


class BoxAccounts:
    """Counts one service's boxes. It belongs to one thread, and to one run from its start to its end."""

    def __init__(self, accounting: Accounting, run: ServiceRun, tag: str) -> None:
        self._accounting = accounting
        self._cells = accounting.cells(run.prepared)
        self._service, self._tag = run.service.name, tag
        self._local = self._cells.box_asset - run.city.span.start
        self._box_of = np.full(run.city.span.stop - run.city.span.start, -1, np.int64)
        self._box_of[self._local] = np.arange(len(self._local))
        names, self._area = np.unique(self._cells.box_area, return_inverse=True)
        self._area_name = names
        self._since_s: float | None = None
        self._start_s = 0
        self._open = False  # something was counted in the window that begins at start_s
        self._tallied: Tallied | None = None
        self._own = np.zeros((len(self._local), len(OWN)))
        self._windows: list[_Window] = []
        self._decided: dict[tuple[str, str, str], IntArray] = {}

    def tick(self, run: ServiceRun, done: Tick) -> None:
        """Count one tick in: sums over whole columns, whatever the size of the city."""
        start_s = int((done.now_s - 1) // WINDOW_S) * WINDOW_S
        if self._since_s is None:
            self._since_s = done.now_s - run.service.cadence_s
        elif start_s != self._start_s:
            self._turn(done.now_s)
        self._start_s, self._open = start_s, True
        self._tallied = self._accounting.tally(done.snapshot, self._tallied, run.prepared)
        passed_s = float(run.service.cadence_s)
        self._own += passed_s * np.stack([np.ones(len(self._local)), run.adaptive[self._local]], axis=1)
        for permit in done.verdict.permits:
            table = permit.proposals
            if table.arm == "operator":  # noted by area when it is asked for, never box by box
                continue
            rows = changed_rows(permit, done)
            kind = "hand_back" if table.action == HAND_BACK else "permit"
            for code, reason in enumerate(run.service.reasons):
                mine = rows[table.because[rows] == code]
                if len(mine):
                    self._decide((kind, table.action, reason), table.asset[mine] - run.city.span.start)
        for refusals in done.verdict.refusals:
            for code, rule in enumerate(refusals.rules):
                mine = refusals.asset[refusals.rule == code]
                if len(mine):
                    self._decide(("refusal", refusals.action, rule.name), mine - run.city.span.start)

    def _decide(self, key: tuple[str, str, str], local: IntArray) -> None:
        inside = local[(local >= 0) & (local < len(self._box_of))]
        box = self._box_of[inside]
        counts = self._decided.setdefault(key, np.zeros(len(self._local), np.int64))
        counts += np.bincount(box[box >= 0], minlength=len(counts))

    def _turn(self, until_s: float) -> None:
        """End the window that is open; keep its sums where it was watched from its beginning to its end."""
        tallied = self._tallied
        if tallied is None or self._since_s is None or not self._open:
            return
        self._open = False
        whole = self._since_s <= self._start_s and self._start_s + WINDOW_S <= until_s
        if whole:
            box = np.concatenate([tallied.box, self._own], axis=1)
            self._windows.append(_Window(self._start_s, tallied.cell, box, tallied.part))
        self._tallied = replace(
            tallied, cell=np.zeros_like(tallied.cell), box=np.zeros_like(tallied.box), part=np.zeros_like(tallied.part)
        )
        self._own = np.zeros_like(self._own)

    def closed(self, until_s: float) -> list[Rows]:
        """Return what may be kept of the block that ends by `until_s`, or of its whole windows where the run ends before."""
        self._turn(until_s)
        windows, self._windows = self._windows, []
        decided, self._decided = self._decided, {}
        if not windows:
            return []
        return [*self._users(windows), *self._conditions(windows), *self._decisions(windows[0].start_s, decided)]

    # --- rows -----------------------------------------------------------------------------------------------------

    def _users(self, windows: list[_Window]) -> list[Rows]:
        cells, accounts = self._cells, self._accounting.of("cell")
        place = [account.name for account in accounts].index(self._accounting.users)
        shaped = np.array([account.shaped for account in accounts])
        biggest = np.array([account.combine == "max" for account in accounts])
        each = np.stack([window.cell for window in windows])
        block = _over(each, biggest)
        start_s = windows[0].start_s // BLOCK_S * BLOCK_S
        kinds = np.unique(cells.cell_kind).tolist()
        fine: dict[str, IntArray] = {}
        joined = np.zeros(len(cells.cell_box), np.bool_)
        for kind in kinds:
            mine = cells.cell_kind == kind
            found = merging.fineness(each[:, mine, place], cells.cell_box[mine], self._area, kind)
            fine[kind], joined[mine] = found.how, found.joined
        allowed = self._shape(fine)
        made: list[Rows] = []
        for kind in kinds:
            mine, how = np.flatnonzero(cells.cell_kind == kind), fine[kind]
            box = cells.cell_box[mine]
            by_window, by_block = how[box] == BY_WINDOW, how[box] == BY_BLOCK
            loose = allowed[box] & ~cells.strict[box]
            for window in windows:
                made += self._cells_of(kind, mine[by_window], window.cell, (window.start_s, WINDOW_S), ~shaped)
                made += self._cells_of(kind, mine[by_window & loose], window.cell, (window.start_s, WINDOW_S), shaped)
            beside = (how[box] == BY_BOX) & ~joined[mine]
            made += self._cells_of(kind, mine[by_block | beside], block, (start_s, BLOCK_S), ~shaped)
            made += self._cells_of(kind, mine[by_block & loose], block, (start_s, BLOCK_S), shaped)
            late = (by_window | by_block) & allowed[box] & cells.strict[box]
            made += self._cells_of(kind, mine[late], block, (start_s, BLOCK_S), shaped)
            made += self._together(kind, mine[(how[box] != BY_BOX) | joined[mine]], how, block, start_s)
        return made + self._parts(windows, fine, allowed, place)

    def _shape(self, fine: Mapping[str, IntArray]) -> BoolArray:
        """Return the boxes (b,) of which what is shaped may be kept: the cells of which it could tell had enough users."""
        vehicles, people = self._of_kind(fine, APPROACH), self._of_kind(fine, CROSSINGS)
        return (vehicles <= BY_BLOCK) & (~self._cells.strict | (people <= BY_BLOCK))

    def _of_kind(self, fine: Mapping[str, IntArray], kind: str) -> IntArray:
        return fine[kind] if kind in fine else np.full(len(self._local), merging.NOT_KEPT, np.int64)

    def _cells_of(self, kind: str, rows: IntArray, values: FloatArray, when: tuple[int, int], use: BoolArray) -> list[Rows]:
        cells = self._cells
        place = [account.name for account in self._accounting.of("cell")].index(self._accounting.users)
        box = cells.cell_box[rows]
        names = np.char.add(np.char.add(cells.box_name[box].astype(np.str_), "/"), cells.cell_name[rows].astype(np.str_))
        ones = np.ones(len(rows), np.int64)
        who = (np.full(len(rows), kind), names, np.full(len(rows), ""), ones, values[rows, place].astype(np.int64))
        return self._rows(who, when, [a.name for a in self._accounting.of("cell")], values[rows], use)

    def _together(self, kind: str, mine: IntArray, how: IntArray, block: FloatArray, start_s: int) -> list[Rows]:
        """Put together the quiet cells of a box, and the quiet boxes of an area; what is shaped is left out."""
        accounts = self._accounting.of("cell")
        place = [account.name for account in accounts].index(self._accounting.users)
        biggest = np.array([account.combine == "max" for account in accounts])
        plain = ~np.array([account.shaped for account in accounts])
        names = [account.name for account in accounts]
        box = self._cells.cell_box[mine]
        made: list[Rows] = []
        boxes = np.flatnonzero(how == BY_BOX)
        into = np.full(len(how), -1, np.int64)
        into[boxes] = np.arange(len(boxes))
        sums = merging.merged(block[mine], into[box], len(boxes), biggest)
        members = np.bincount(box, minlength=len(how))[boxes]
        who = (np.full(len(boxes), "zone"), self._cells.box_name[boxes], np.full(len(boxes), kind), members)
        made += self._rows((*who, sums[:, place].astype(np.int64)), (start_s, BLOCK_S), names, sums, plain)
        quiet = how == BY_REST
        areas = np.unique(self._area[quiet])
        number = np.full(len(self._area_name), -1, np.int64)
        number[areas] = np.arange(len(areas))
        sums = merging.merged(block[mine], np.where(quiet[box], number[self._area[box]], -1), len(areas), biggest)
        members = np.bincount(self._area[quiet], minlength=len(number))[areas]
        who = (np.full(len(areas), "rest"), self._area_name[areas], np.full(len(areas), kind), members)
        return made + self._rows((*who, sums[:, place].astype(np.int64)), (start_s, BLOCK_S), names, sums, plain)

    def _parts(self, windows: list[_Window], fine: Mapping[str, IntArray], allowed: BoolArray, place: int) -> list[Rows]:
        cells, accounts = self._cells, self._accounting.of("part")
        box = cells.part_box
        by_window = allowed & ~cells.strict & (self._of_kind(fine, APPROACH) == BY_WINDOW)
        use, names = np.ones(len(accounts), np.bool_), [account.name for account in accounts]
        biggest = np.array([account.combine == "max" for account in accounts], np.bool_)
        each = np.stack([window.part for window in windows])
        block = _over(each, biggest)
        start_s = windows[0].start_s // BLOCK_S * BLOCK_S
        total = np.stack([window.cell for window in windows])[:, :, place]
        jobs = [(by_window, w.part, users, (w.start_s, WINDOW_S)) for w, users in zip(windows, total, strict=True)]
        jobs.append((allowed & ~by_window, block, total.sum(axis=0), (start_s, BLOCK_S)))
        made: list[Rows] = []
        for which, values, users, when in jobs:
            gate = cells.strict[cells.cell_box] | (cells.cell_kind == APPROACH)
            fewest = np.full(len(which), np.inf)
            np.minimum.at(fewest, cells.cell_box[gate], users[gate])
            rows = np.flatnonzero(which[box])
            ones = np.ones(len(rows), np.int64)
            who = (np.full(len(rows), "stage"), cells.box_name[box[rows]], cells.part_name[rows], ones)
            made += self._rows((*who, fewest[box[rows]].astype(np.int64)), when, names, values[rows], use)
        return made

    def _conditions(self, windows: list[_Window]) -> list[Rows]:
        boxes = len(self._local)
        names = [account.name for account in (*self._accounting.of("box"), *OWN)]
        none = np.zeros(boxes, np.int64)
        who = (np.full(boxes, "box"), self._cells.box_name, np.full(boxes, ""), np.ones(boxes, np.int64), none)
        use = np.ones(len(names), np.bool_)
        made: list[Rows] = []
        for window in windows:
            coarse = np.rint(window.box / STATE_STEP_S) * STATE_STEP_S
            made += self._rows(who, (window.start_s, WINDOW_S), names, coarse, use)
        return made

    def _rows(
        self, who: tuple[AnyArray, ...], when: tuple[int, int], names: list[str], values: FloatArray, use: BoolArray
    ) -> list[Rows]:
        """Return one row per group and account in use. who: group_kind, group_name, part, members, users, each (n,)."""
        many, picked = len(who[0]), np.flatnonzero(use)
        if many == 0 or len(picked) == 0:
            return []
        size = many * len(picked)
        kind, name, part, members, users = (np.repeat(column, len(picked)) for column in who)
        columns: dict[str, AnyArray] = {
            "run": np.full(size, self._tag), "service": np.full(size, self._service),
            "account": np.tile(np.array(names)[picked], many), "part": part, "group_kind": kind, "group_name": name,
            "members": members, "window_start_s": np.full(size, when[0]), "window_s": np.full(size, when[1]), "users": users,
            "value": values[:, picked].ravel(),
        }  # fmt: skip
        return [("accounts", columns)]

    def _decisions(self, first_s: int, decided: Mapping[tuple[str, str, str], IntArray]) -> list[Rows]:
        made: list[Rows] = []
        for (kind, action, reason), counts in decided.items():
            own, rest = merging.few_together(counts, self._area)
            groups = [("rest", str(self._area_name[area]), members, total) for area, (total, members) in rest.items()]
            groups += [("box", str(self._cells.box_name[box]), 1, int(counts[box])) for box in np.flatnonzero(own)]
            if not groups:
                continue
            size = len(groups)
            columns: dict[str, AnyArray] = {
                "run": np.full(size, self._tag), "service": np.full(size, self._service), "kind": np.full(size, kind),
                "action": np.full(size, action), "reason": np.full(size, reason[:TEXT_MAX]),
                "group_kind": np.array([g[0] for g in groups]), "group_name": np.array([g[1] for g in groups]),
                "members": np.array([g[2] for g in groups]), "count": np.array([g[3] for g in groups]),
                "window_start_s": np.full(size, first_s // BLOCK_S * BLOCK_S), "window_s": np.full(size, BLOCK_S),
            }  # fmt: skip
            made.append(("decisions", columns))
        return made


def _over(each: FloatArray, biggest: BoolArray) -> FloatArray:
    """Return the block's values (n, j) of its windows' (w, n, j): summed, or the largest where `biggest` (j,)."""
    block = each.sum(axis=0)
    block[:, biggest] = each.max(axis=0)[:, biggest]
    return block
