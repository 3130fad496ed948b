# SPDX-License-Identifier: Apache-2.0
"""Run each pump faster below its band and slower above it."""

from typing import Any

import numpy as np

from lamplighter.terms.decision import Cites, Proposals
from lamplighter.terms.snapshot import Snapshot


def adaptive(snapshot: Snapshot, state: Any, prepared: Any) -> tuple[tuple[Proposals, ...], Any]:
    """Return a speed for every pump whose pressure is known."""
    column = snapshot.latest.get("pressure_bar")
    if column is None:
        return (), state
    rows = np.flatnonzero(column.present)
    low = column.value[rows] < prepared.pressure_min_bar[rows]
    speed = np.where(low, 0.9, 0.5)
    cites = Cites(np.arange(len(rows) + 1), rows + prepared.start, np.full(len(rows), prepared.pressure))
    because = np.where(low, 0, 1).astype(np.int64)
    table = Proposals(
        "run_pump", rows + prepared.start, {"speed_share": speed}, because, cites, "adaptive", snapshot.now_s, 300.0
    )
    return (table,), state
