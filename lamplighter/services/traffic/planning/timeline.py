# SPDX-License-Identifier: Apache-2.0
"""The own programme second by second, and as a SUMO programme, for whoever opens the city in SUMO's own window."""

from collections.abc import Sequence
from itertools import groupby
from xml.sax.saxutils import quoteattr

import numpy as np

from lamplighter.services.traffic.planning.network import FOOT
from lamplighter.services.traffic.planning.plan import Plan

PROGRAMME = "own"


def link_count(plan: Plan) -> int:
    """Return the number of links in the programme's states."""
    used = max((c.link for c in plan.signal.connections), default=0) + 1
    return max([used] + [len(state) for _, state in plan.signal.intervals])


def seconds(plan: Plan) -> list[str]:
    """Return the state of all links in each second of the cycle, in SUMO's letters (G, g, y, u, r).

    The cycle begins with the first second in which the first stage is complete.
    """
    shown: list[str] = []
    order = plan.order
    for position, (stage, split_s) in enumerate(zip(order, plan.split_s, strict=True)):
        after = order[(position + 1) % len(order)]
        length_s = round(plan.change(stage, after).length_s)
        shown += [_steady(plan, stage)] * (round(float(split_s)) - length_s)
        shown += [_changing(plan, stage, after, second) for second in range(length_s)]
    return shown


def _paint(plan: Plan, letters: dict[int, str]) -> str:
    state = ["r"] * link_count(plan)
    for group, letter in letters.items():
        for link in plan.stage_plan.groups[group].links:
            state[link] = letter
    return "".join(state)


def _steady(plan: Plan, number: int) -> str:
    stage = plan.stage_plan.stages[number]
    return _paint(plan, {g: "g" if g in stage.permissive else "G" for g in stage.groups})


def _changing(plan: Plan, before: int, after: int, second: int) -> str:
    stages, times = plan.stage_plan.stages, plan.times
    made = plan.change(before, after)
    old, new = stages[before], stages[after]
    gives = set(old.permissive) | set(new.permissive)
    letters = {g: "g" if g in gives else "G" for g in set(old.groups) & set(new.groups)}
    for group, end_s in zip(map(int, made.ending), map(float, made.green_end_s), strict=True):
        if second < end_s:
            letters[group] = "g" if group in old.permissive else "G"
        elif second < end_s + times.yellow_s[group]:
            letters[group] = "y"
    for group, start_s in zip(map(int, made.starting), map(float, made.green_start_s), strict=True):
        on_foot = plan.stage_plan.groups[group].kind == FOOT
        if second >= start_s:
            letters[group] = "g" if group in new.permissive else "G"
        elif second >= start_s - times.red_amber_s[group] and not on_foot:
            letters[group] = "u"
    return _paint(plan, letters)


def programmes_xml(plans: Sequence[Plan]) -> str:
    """Return a SUMO additional file with every own programme as a fixed one named `own`."""
    lines = ["<additional>"]
    for plan in plans:
        name, offset = quoteattr(plan.signal.id), f"{plan.offset_s:.0f}"
        lines.append(f'<tlLogic id={name} type="static" programID="{PROGRAMME}" offset="{offset}">')
        for state, run in groupby(seconds(plan)):
            lines.append(f'<phase duration="{len(list(run))}" state="{state}"/>')
        lines.append("</tlLogic>")
    lines.append("</additional>")
    return "\n".join(lines) + "\n"


def green_runs_s(plan: Plan, group: int) -> list[int]:
    """Return the lengths of the greens of a group in one cycle of the own programme, round its end."""
    states = seconds(plan)
    link = plan.stage_plan.groups[group].links[0]
    lit = np.asarray([state[link] in "Gg" for state in states])
    if lit.all():
        return [len(lit)]
    begin = int(np.flatnonzero(~lit)[0])
    return [len(list(run)) for on, run in groupby(np.roll(lit, -begin).tolist()) if on]
