# SPDX-License-Identifier: Apache-2.0
"""What must never happen: a pump above its safe speed, and every pump of the city at full speed together."""

from typing import Any

import numpy as np

from lamplighter.terms.decision import Findings, Proposals, Rule
from lamplighter.terms.service import Interlock
from lamplighter.terms.snapshot import Snapshot

SPEED_MAX_SHARE, SUM_MAX = 0.95, 0.92


def speed(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Any) -> Findings:
    """Row check: no pump above its safe speed."""
    observed = proposals[0].values["speed_share"]
    return Findings(observed <= SPEED_MAX_SHARE, observed, np.full(len(observed), SPEED_MAX_SHARE))


def together(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Any) -> Findings:
    """Set check: what is proposed with what is in force stays below the main's mean speed."""
    running = snapshot.in_force["run_pump"]
    speeds = np.where(running.active, running.values["speed_share"], 0.0)
    speeds[proposals[0].asset - prepared.start] = proposals[0].values["speed_share"]
    mean = np.array([speeds.mean()])
    return Findings(mean <= SUM_MAX, mean, np.array([SUM_MAX]), np.zeros(len(proposals[0]), np.int64))


INTERLOCKS = (
    Interlock(Rule("pump speed", "1", "the city's own rule 1", "no pump above its safe speed"), ("run_pump",), "row", speed),
    Interlock(Rule("main's flow", "1", "the city's own rule 2", "mean speed of all pumps"), ("run_pump",), "set", together),
)
