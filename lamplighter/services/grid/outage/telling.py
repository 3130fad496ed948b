# SPDX-License-Identifier: Apache-2.0
"""What is said of an asset of the grid that is believed dark, or of which nobody can tell."""

import numpy as np

from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.prepared import Prepared
from lamplighter.services.grid.outage.belief import ALIVE, DARK, DEAD, SILENT, UNKNOWN, dark_rows, witnesses
from lamplighter.terms.snapshot import Snapshot

ADVICE = "Who can be supplied again, and in which order to switch: lamplighter grid restore. lamplighter switches nothing itself."


def told_dark(snapshot: Snapshot, prepared: Prepared, asset: int) -> tuple[str, ...]:
    """Return why an asset (city position) is believed to be without power; nothing where it is believed to have it."""
    row = int(prepared.fed_row[asset])
    if row == ABSENT:
        return ()
    state = dark_rows(snapshot, prepared)
    if state[row] == UNKNOWN:
        return ("Nobody can tell whether it has power: boxes beyond it are dark, and none here speaks.",)
    if state[row] != DARK:
        return ()
    seen = witnesses(snapshot, prepared)
    inside = np.isin(seen.row, np.flatnonzero(state == DARK))
    dead, silent = (int((inside & (seen.says == said)).sum()) for said in (DEAD, SILENT))
    homes = prepared.grid.nodes.connections_count
    rows = prepared.grid.tree.row
    dark = float(homes[(rows != ABSENT) & (state[np.maximum(rows, 0)] == DARK)].sum())
    spoken = int((inside & (seen.says == ALIVE)).sum())
    read = f"{dead} station meters read no voltage" if dead else "no meter reads zero"
    heard = "none of them speaks" if spoken == 0 else f"{spoken} speak"
    return (
        f"Believed to be without power: in the dark area {read}, {silent} boxes and meters have fallen silent, and {heard}.",
        f"{dark:.0f} connections of the city are believed dark.",
        ADVICE,
    )
