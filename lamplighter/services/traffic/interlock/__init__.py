# SPDX-License-Identifier: Apache-2.0
"""What must never happen at a signal, as small pure checks with the rule beside each.

They judge what lamplighter asks for against what the box reports, by their own path from the installed tables: the
deciders are not read here. A value that is missing or old counts as its worst case: somebody waits. The box itself
keeps the same minimum times once more (EN 12675 requires conflict monitoring in the signal_controller, not here).

An operator who clears the way for help is judged by the same checks. Only the bound on red is a longer one.
"""

from collections.abc import Callable
from typing import Any

from lamplighter.services.traffic.interlock import people, signals
from lamplighter.services.traffic.interlock.installed import Installed, asked, install, latest
from lamplighter.services.traffic.terms import CLEAR_WAY
from lamplighter.terms.decision import Findings, Proposals, Rule
from lamplighter.terms.service import Interlock
from lamplighter.terms.snapshot import Snapshot

__all__ = ["INTERLOCKS", "Installed", "install"]

START, HOLD = "start_stage", "hold_stage"

STAGE = Rule("known stage", "", "stage plan of the intersection", "only stages of the plan may be asked for")
REPORTS = Rule("box reports", "s", "lamplighter traffic 1", "the box has reported its state and its signals lately, and no fault")
RUNNING = Rule("running stage", "stage", "lamplighter traffic 3", "only the running stage can be held")
SETTLED = Rule("no change under way", "groups", "lamplighter traffic 2", "a change that has begun is not turned into another")
INTERGREEN = Rule(
    "intergreen", "s", "RiLSA 2015, 2.5 (intergreen matrix)", "end of one green to start of the conflicting green, as shown"
)
GREEN_MIN = Rule("minimum green", "s", "RiLSA 2015, 2.7 (minimum green)", "no green ends before its minimum")
WALK_MIN = Rule(
    "minimum walk",
    "s",
    "RiLSA 2015, 2.7 (green on foot)",
    "no walk ends before the slowest could reach the middle of the crossing",
)
CYCLE_CLEARANCE = Rule(
    "bicycle clearance",
    "s",
    "RiLSA 2015, 2.5 (bicycles clear at 4 m/s)",
    "between the green of a lane with bicycles and conflicting traffic the last of them can clear",
)
RED_HELP = Rule(
    "maximum red while help passes",
    "s",
    "the city's own bound per signal_group and 60 s",
    "nobody is forgotten at red while an operator clears the way",
)
CLEARANCE = Rule(
    "pedestrian clearance",
    "s",
    "RiLSA 2015, 2.5 (people on foot clear at 1.2 m/s, or slower where the crossing asks for it)",
    "between a crossing's green and conflicting traffic its slowest user can clear",
)
RED_MAX = Rule("maximum red", "s", "the city's own bound per signal_group", "nobody waits longer at red, the change included")
BACKUP = Rule("lease within backup time", "s", "backup time installed in the box", "the lease ends before the box gives us up")
CONFLICT = Rule(
    "conflicting greens",
    "pairs",
    "EN 12675 (conflicting signal groups)",
    "all that is asked of an intersection can be green at once",
)


Check = Callable[[Snapshot, tuple[Proposals, ...], Installed], Findings]


def _of_installed(check: Check) -> Callable[[Snapshot, tuple[Proposals, ...], Any], Findings]:
    """Return the check as the gate calls it, with all that the service prepared."""

    def over_prepared(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Any) -> Findings:
        return check(snapshot, proposals, prepared.installed)

    return over_prepared


def _or_under_way(check: Check) -> Check:
    """Return the check for a wish that may be renewed: where the box is in that stage, or on its way there, nothing is
    asked to end or to start that it has not granted already."""

    def unless_running(snapshot: Snapshot, proposals: tuple[Proposals, ...], t: Installed) -> Findings:
        found = check(snapshot, proposals, t)
        box, stage = asked(proposals[0], t)
        running, _ = latest(snapshot, "running_stage", t.box_local)
        return Findings(found.ok | (running[box] == stage), found.observed, found.limit)

    return unless_running


INTERLOCKS = (
    Interlock(STAGE, (START, HOLD, CLEAR_WAY), "row", _of_installed(signals.known_stage)),
    Interlock(REPORTS, (START, HOLD, CLEAR_WAY), "row", _of_installed(signals.box_reports)),
    Interlock(RUNNING, (HOLD,), "row", _of_installed(signals.running_stage)),
    Interlock(SETTLED, (START,), "row", _of_installed(signals.settled)),
    Interlock(SETTLED, (CLEAR_WAY,), "row", _of_installed(_or_under_way(signals.settled))),
    Interlock(INTERGREEN, (START,), "row", _of_installed(signals.intergreen)),
    Interlock(INTERGREEN, (CLEAR_WAY,), "row", _of_installed(_or_under_way(signals.intergreen))),
    Interlock(GREEN_MIN, (START, CLEAR_WAY), "row", _of_installed(signals.green_min)),
    Interlock(WALK_MIN, (START, CLEAR_WAY), "row", _of_installed(people.walk_min)),
    Interlock(CLEARANCE, (START, CLEAR_WAY), "row", _of_installed(people.clearance)),
    Interlock(CYCLE_CLEARANCE, (START, CLEAR_WAY), "row", _of_installed(people.cycle_clearance)),
    Interlock(RED_MAX, (START, HOLD), "row", _of_installed(people.red_max)),
    Interlock(RED_HELP, (CLEAR_WAY,), "row", _of_installed(people.red_while_helping)),
    Interlock(BACKUP, (START, HOLD, CLEAR_WAY), "row", _of_installed(signals.backup)),
    Interlock(CONFLICT, (START, HOLD, CLEAR_WAY), "set", _of_installed(signals.conflicting_greens)),
)
