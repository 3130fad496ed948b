# SPDX-License-Identifier: Apache-2.0
"""The way from one configuration to another, one switch at a time, each state of it checked by power flow.

A point between two supplied ends is closed before another is opened (make before break) where the voltage and its angle
on both sides and the power that would go round allow it; elsewhere it is the other way round, and the sheet says who is
without supply in between, and why. What is dead is switched first.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from lamplighter.services.grid.switching.case import Case
from lamplighter.services.grid.switching.checking import Limits, Quick, State, faults_of, keeps, quick, solved
from lamplighter.services.grid.switching.radial import above
from lamplighter.terms.columns import BoolArray


@dataclass(frozen=True)
class Step:
    """One switching. way: "dead", "supply", "make before break", "break before make" or "isolate". The figures are those
    of the state after it; dark_kw: demand without supply then. faults: what that state does not keep."""

    branch: int
    close: bool
    way: str
    reason: str
    u_lowest_pu: float
    i_a: float
    dark_kw: float
    faults: tuple[str, ...]


def way_to(case: Case, start: BoolArray, target: BoolArray, limits: Limits | None = None) -> tuple[Step, ...]:
    """Return the steps from `start` (m,) to `target` (m,), both without rings, every state solved by the engine.

    Each exchange is the one that leaves the least loss among those that keep the limits, such that can be made before
    they break first; where none keeps the limits the least harmful is taken and its step says what it does not keep.
    """
    limits = limits or Limits()
    state, steps = start.copy(), list[Step]()
    live = quick(case, state).reached
    dead = ~live[case.net.tail] & ~live[case.net.head]
    for branch in np.flatnonzero(dead & (state != target)).tolist():
        state[branch] = target[branch]
        text = "the line is dead on both sides" + (", and what is beyond it stays without supply" if not target[branch] else "")
        steps.append(_step(case, state, branch, "dead", text, limits))
    while np.any(target & ~state):
        state, added = _next(case, state, target, limits)
        steps += added
    for branch in np.flatnonzero(state & ~target).tolist():
        state[branch] = False
        steps.append(_step(case, state, branch, "supply", "it ends the part that is supplied", limits))
    return tuple(steps)


def fault_steps(case: Case, fault: int, start: BoolArray, target: BoolArray, limits: Limits | None = None) -> tuple[Step, ...]:
    """Return the steps after a fault: the failed line is opened at both ends first, then `way_to` from there."""
    limits = limits or Limits()
    text = "the failed line is opened at both ends and stays open; its protection has switched it off"
    return (_step(case, start, fault, "isolate", text, limits), *way_to(case, start, target, limits))


def _next(case: Case, state: BoolArray, target: BoolArray, limits: Limits) -> tuple[BoolArray, list[Step]]:
    """Return the state after the best closing, with the opening that belongs to it, and their steps."""
    was = quick(case, state)
    u_pu = np.sqrt(was.v2_pu)
    best: tuple[tuple[bool, bool, float, float], BoolArray, int, int] | None = None
    for branch in np.flatnonzero(target & ~state).tolist():
        one, other = was.reached[case.net.tail[branch]], was.reached[case.net.head[branch]]
        outs = [b for b in _ring(case, was, branch) if not target[b]] if one and other else [-1]
        for out in outs:
            after = state.copy()
            after[branch] = True
            after[[out] if out >= 0 else []] = False
            found = quick(case, after)
            gap_pu = abs(float(u_pu[case.net.tail[branch]]) - float(u_pu[case.net.head[branch]]))
            apart = out >= 0 and gap_pu > limits.ring_u_pu
            rank = (True, apart, -found.u_lowest_pu, 0.0)
            if keeps(case, found, limits):
                rank = (False, apart, -float(case.net.p_kw[found.reached].sum()), found.loss_kw)
            if best is None or rank < best[0]:
                best = rank, after, branch, out
    if best is None:
        raise ArithmeticError("the target leaves a ring")
    _, after, branch, out = best
    if out < 0:
        both = was.reached[case.net.tail[branch]] or was.reached[case.net.head[branch]]
        text = "one side is supplied, the other is dead" if both else "both sides are dead still"
        return after, [_step(case, after, branch, "supply" if both else "dead", text, limits)]
    return after, _exchange(case, state, after, (branch, out), limits)


def _ring(case: Case, was: Quick, branch: int) -> list[int]:
    """Return the closed branches that make a ring with an open one between two supplied nodes."""
    ways: list[list[int]] = []
    for node in (int(case.net.tail[branch]), int(case.net.head[branch])):
        path: list[int] = []
        while was.up[node] >= 0:
            path.append(int(was.up[node]))
            node = int(above(case.net, was.up[node], node))
        ways.append(path)
    shared = set(ways[0]) & set(ways[1])
    return [b for path in ways for b in path if b not in shared]


def _exchange(case: Case, before: BoolArray, after: BoolArray, pair: tuple[int, int], limits: Limits) -> list[Step]:
    """Return the two steps of an exchange, in the order that the power flow of the ring allows."""
    close, out = pair
    ring = before.copy()
    ring[close] = True
    refusal, allowed = ring_reasons(case, solved(case, before), solved(case, ring), close, limits)
    if not refusal:
        return [
            _step(case, ring, close, "make before break", allowed, limits),
            _step(case, after, out, "make before break", "opens the ring again", limits),
        ]
    gap = before.copy()
    gap[out] = False
    dark = float(case.net.p_kw[~quick(case, gap).reached].sum())
    return [
        _step(case, gap, out, "break before make", f"{refusal}; {dark:.0f} kW are without supply until the next step", limits),
        _step(case, after, close, "break before make", "supplies them again", limits),
    ]


def ring_reasons(case: Case, before: State | None, ring: State | None, branch: int, limits: Limits) -> tuple[str, str]:
    """Return why an open point must not be closed into a ring, empty where it may; and what was found where it may."""
    if before is None or ring is None:
        return "no operating point is found for the ring", ""
    one, other = before.u_pu[case.net.tail[branch]], before.u_pu[case.net.head[branch]]
    apart = abs(abs(one) - abs(other))
    angle = abs(np.degrees(np.angle(one * np.conj(other))))
    most = case.i_n_a[branch] if np.isfinite(case.i_n_a[branch]) else limits.ring_a
    round_a = float(ring.i_a[branch])
    if apart > limits.ring_u_pu:
        return f"the two sides are {apart:.4f} pu apart, allowed {limits.ring_u_pu:g}", ""
    if angle > limits.ring_deg:
        return f"the two sides are {angle:.2f} degrees apart, allowed {limits.ring_deg:g}", ""
    if round_a > most:
        return f"{round_a:.0f} A would go round, allowed {most:.0f}", ""
    faults = faults_of(case, ring, limits)
    before_faults = faults_of(case, before, limits)
    if faults and not before_faults:
        return f"the ring would not keep the limits ({'; '.join(faults)})", ""
    return "", f"the sides are {apart:.4f} pu and {angle:.2f} degrees apart, {round_a:.0f} A go round"


def _step(case: Case, closed: BoolArray, branch: int, way: str, reason: str, limits: Limits) -> Step:
    state = solved(case, closed)
    if state is None:
        return Step(branch, bool(closed[branch]), way, reason, 0.0, 0.0, 0.0, ("no operating point is found",))
    dark = float(case.net.p_kw[~state.energised].sum())
    faults = faults_of(case, state, limits)
    return Step(branch, bool(closed[branch]), way, reason, state.u_lowest_pu, float(state.i_a[branch]), dark, faults)


def told_steps(case: Case, steps: tuple[Step, ...]) -> list[dict[str, Any]]:
    """Return the steps as plain numbers and texts."""
    return [
        {
            "step": number,
            "switch": "close" if step.close else "open",
            "line": str(case.branch_id[step.branch]),
            "from": str(case.node_id[case.net.tail[step.branch]]),
            "to": str(case.node_id[case.net.head[step.branch]]),
            "way": step.way,
            "reason": step.reason,
            "voltage_lowest_pu": round(step.u_lowest_pu, 4),
            "i_a": round(step.i_a, 1),
            "without_supply_kw": round(step.dark_kw, 1),
            "not_kept": list(step.faults),
        }
        for number, step in enumerate(steps, 1)
    ]


def _called(row: dict[str, Any]) -> str:
    ends = f"{row['from']}-{row['to']}"
    return str(row["line"]) if ends in row["line"] else f"{row['line']} ({ends})"


def print_steps(console: Console, case: Case, steps: tuple[Step, ...]) -> None:
    """Print a switching sheet: what to switch in which order, what each state is by power flow, and why."""
    if not steps:
        return
    table = Table(box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0), title="Switching sheet")
    for name, right in (("no", True), ("switch", False), ("line", False), ("u min", True), ("A", True), ("dark kW", True)):
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    table.add_column("way and reason", overflow="fold")
    table.add_column("done", no_wrap=True)
    for row in told_steps(case, steps):
        what = f"{row['way']}: {row['reason']}" + (f" NOT KEPT: {'; '.join(row['not_kept'])}" if row["not_kept"] else "")
        table.add_row(
            str(row["step"]), row["switch"].upper(), _called(row), f"{row['voltage_lowest_pu']:.4f}", f"{row['i_a']:.0f}",
            f"{row['without_supply_kw']:.0f}", what, "____",
        )  # fmt: skip
    console.print(table)
