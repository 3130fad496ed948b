# SPDX-License-Identifier: Apache-2.0
"""What residents notice, from the zones' pressures alone."""

from typing import Any

import numpy as np

from lamplighter.terms.outcome import OutcomeRows
from lamplighter.terms.snapshot import Snapshot


def outcomes(snapshot: Snapshot, state: Any, prepared: Any) -> tuple[OutcomeRows, Any]:
    """Return zone-minutes below the lowest pressure and the lowest pressure of this minute."""
    column = snapshot.latest.get("pressure_bar")
    if column is None or not bool(column.present.any()):
        empty = np.zeros(0, np.int64)
        return OutcomeRows(empty, empty, np.zeros(0), np.zeros(0)), state
    low = (column.value < prepared.pressure_min_bar) & column.present
    value = np.array([float(low.sum()), float(column.value[column.present].min())])
    return OutcomeRows(np.array([0, 1]), np.zeros(2, np.int64), value, np.ones(2)), state
