# SPDX-License-Identifier: Apache-2.0
"""Decisions, refusals and rejected frames in plain words, a few per tick: what an operator reads, not a log of acts."""

import numpy as np

from lamplighter import privacy, safety
from lamplighter.runtime.loop import ServiceRun, Tick
from lamplighter.runtime.view import DecisionLine
from lamplighter.terms.columns import IntArray
from lamplighter.terms.decision import HAND_BACK, Permits

LINES_PER_TICK_MAX = 3


def changed_rows(permit: Permits, done: Tick) -> IntArray:
    """Return the permitted rows that ask for something else than what was in force: renewals are not told."""
    if permit.proposals.action == HAND_BACK:
        return permit.row
    in_force = done.snapshot.in_force[permit.proposals.action]
    local = permit.proposals.asset[permit.row] - done.snapshot.span.start
    same = in_force.active[local].copy()
    for name, column in in_force.values.items():
        same &= column[local] == permit.proposals.values[name][permit.row]
    return permit.row[~same]


def tell(run: ServiceRun, done: Tick) -> list[DecisionLine]:
    """Return the lines of one tick: changes made, refusals and what was not admitted."""
    return [*_permitted(run, done), *_refused(run, done), *_rejected(run, done), *_faults(run, done)]


def _permitted(run: ServiceRun, done: Tick) -> list[DecisionLine]:
    lines: list[DecisionLine] = []
    for permit in done.verdict.permits:
        rows = changed_rows(permit, done)
        for row in rows[:LINES_PER_TICK_MAX]:
            asset = str(run.city.assets.id[permit.proposals.asset[row]])
            text = run.service.describe(permit.proposals, int(row), run.prepared)
            kind = "hand_back" if permit.proposals.action == HAND_BACK else "permit"
            lines.append(DecisionLine(done.now_s, run.service.name, asset, kind, text))
        if len(rows) > LINES_PER_TICK_MAX:
            rest = len(rows) - LINES_PER_TICK_MAX
            text = f"{rest} more of {run.service.title} changed in the same minute, by the same rules."
            lines.append(DecisionLine(done.now_s, run.service.name, "", "permit", text, rest))
    return lines


def _refused(run: ServiceRun, done: Tick) -> list[DecisionLine]:
    lines: list[DecisionLine] = []
    operators = {action.name for action in run.service.actions if action.by == "operator"}
    for table in done.verdict.refusals:
        for row in range(min(len(table), LINES_PER_TICK_MAX)):
            place = int(table.asset[row])
            if table.action in operators and place not in run.desk.news:
                continue  # it is asked again every second: only what is new is told
            asset = str(run.city.assets.id[place]) if 0 <= place < len(run.city.assets) else f"number {place}"
            text = safety.explain_refusal(table, row, run.service.name, asset)
            same = int(np.count_nonzero(table.rule == table.rule[row]))
            lines.append(DecisionLine(done.now_s, run.service.name, asset, "refusal", text, same))
    return lines


def _rejected(run: ServiceRun, done: Tick) -> list[DecisionLine]:
    lines: list[DecisionLine] = []
    for row in range(min(len(done.rejected), LINES_PER_TICK_MAX)):
        text = privacy.explain_rejection(done.rejected, row, run.city.assets, run.city.vocabulary)
        place = int(done.rejected.asset[row])
        asset = str(run.city.assets.id[place]) if 0 <= place < len(run.city.assets) else ""
        lines.append(DecisionLine(done.now_s, run.service.name, asset, "fault", text, len(done.rejected)))
    return lines


def _faults(run: ServiceRun, done: Tick) -> list[DecisionLine]:
    return [DecisionLine(done.now_s, run.service.name, "", "fault", done.fault)] if done.fault else []
