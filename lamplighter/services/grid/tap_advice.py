# SPDX-License-Identifier: Apache-2.0
"""What a transformer's tap could do for a station's voltages: told to the network operator's control room, never commanded."""

from collections.abc import Sequence

import numpy as np

from lamplighter.services.grid.network.estimate import Estimate
from lamplighter.services.grid.network.prepared import Prepared

TAPS = 2  # positions to either side that fixed taps usually have
BETTER_PU = 0.005  # a smaller gain is not worth a visit


def tap_advice(prepared: Prepared, found: Estimate, station: int) -> Sequence[str]:
    """Return a sentence where another tap position would keep a station's nodes further inside the band, else nothing.

    Distance is that of the node nearest to an edge, the estimate's interval taken off at both edges. First order: one step
    moves all nodes behind the transformer alike.
    """
    settings, table = prepared.settings, prepared.grid.tables["transformers"]
    mine = prepared.row_station == station
    if not bool(mine.any()) or not bool(found.known[station]):
        return ()
    off = settings.confidence_ratio * found.u_sigma_pu[mine]
    low, high = float((found.u_pu[mine] - off).min()), float((found.u_pu[mine] + off).max())
    step = float(table["tap_step_v"][station]) / float(table["u1_v"][station])
    position = int(table["tap_position"][station])
    moves = np.array([move for move in range(-TAPS, TAPS + 1) if abs(position + move) <= TAPS], dtype=np.int64)
    if len(moves) == 0 or step <= 0.0:
        return ()
    spare = np.minimum(low - moves * step - settings.u_low_pu, settings.u_high_pu - high + moves * step)
    now = min(low - settings.u_low_pu, settings.u_high_pu - high)
    best = int(np.argmax(spare))
    if float(spare[best]) < now + BETTER_PU:
        return ()
    advice = f"Advice to the network operator: tap position {position + int(moves[best])} instead of {position} would keep all"
    return (f"{advice} voltages here {float(spare[best]):.3f} pu inside the band ({now:.3f} now). Nothing here sets a tap.",)
