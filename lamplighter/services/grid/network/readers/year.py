# SPDX-License-Identifier: Apache-2.0
"""A year of demand and generation in quarters of an hour, as far as a file brings one: the truth of a simulated grid.

SimBench's profiles are made ones, of classes. They stay on the side of the truth: no estimate, no envelope and no limit
reads them (`tests/test_truth_stays_apart.py`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lamplighter.services.grid.network.model import ABSENT, GridError
from lamplighter.services.grid.network.tables import Network
from lamplighter.terms.columns import FloatArray, IntArray

STEP_S = 900


@dataclass(frozen=True)
class Year:
    """Courses over steps (t, m) as shares of the tables' powers, and which one each load (k,) and generator (g,) follows;
    ABSENT: it stays at its table's power. start_h: local hour of the first step."""

    p_share: FloatArray
    q_share: FloatArray
    load_course: IntArray
    generation_course: IntArray
    start_h: float

    @property
    def steps(self) -> int:
        """Return the number of steps."""
        return len(self.p_share)


def year_from_net(net: Any, network: Network) -> Year:
    """Return the year of a SimBench net for the network read from it. GridError where a profile is missing."""
    names: list[str] = []
    p: list[FloatArray] = []
    q: list[FloatArray] = []
    tables = net.profiles
    for table in ("load", "renewables", "powerplants", "storage"):
        columns = tables.get(table)
        if columns is None:
            continue
        for column in columns.columns:
            if column == "time" or str(column).endswith("_qload"):
                continue
            name = str(column).removesuffix("_pload")
            active = np.asarray(columns[column].to_numpy(), np.float64)
            names.append(name)
            p.append(active)
            q.append(np.asarray(columns[f"{name}_qload"].to_numpy(), np.float64) if table == "load" else active)
    at = {name: place for place, name in enumerate(names)}
    found = [
        np.array([at.get(name, ABSENT) for name in kind.profile.tolist()], dtype=np.int64)
        for kind in (network.loads, network.generation)
    ]
    asked = sorted({*network.loads.profile.tolist(), *network.generation.profile.tolist()} - {""} - set(names))
    if asked:
        raise GridError(f"{network.name}: no course of a year for {', '.join(asked[:8])}. The year was not read.")
    return Year(np.stack(p, axis=1), np.stack(q, axis=1), found[0], found[1], 0.0)


def powers(network: Network, year: Year, steps: slice) -> tuple[FloatArray, FloatArray]:
    """Return active and reactive power (t, k) of every load at these steps, consumption positive."""
    course, still = np.maximum(year.load_course, 0), year.load_course == ABSENT
    p, q = year.p_share[steps][:, course], year.q_share[steps][:, course]
    p[:, still], q[:, still] = 1.0, 1.0
    return p * network.loads.p_kw, q * network.loads.q_kvar


def node_powers(network: Network, year: Year, steps: slice) -> tuple[FloatArray, FloatArray]:
    """Return the net active and reactive demand (t, n) of every node at these steps, generation subtracted.

    Computed as shares times a weight matrix, so that a year of a small grid takes a twentieth of a second.
    """
    many, courses = len(network.nodes.id), year.p_share.shape[1]
    found: list[FloatArray] = []
    for share, column in ((year.p_share, "p_kw"), (year.q_share, "q_kvar")):
        weight = np.zeros((courses + 1, many))
        for table, course, sign in ((network.loads, year.load_course, 1.0), (network.generation, year.generation_course, -1.0)):
            np.add.at(weight, (np.where(course == ABSENT, courses, course), table.node), sign * getattr(table, column))
        used = np.flatnonzero(np.any(weight[:courses] != 0.0, axis=1))
        busy = np.flatnonzero(np.any(weight != 0.0, axis=0))
        total = np.zeros((len(share[steps]), many))
        total[:, busy] = share[steps][:, used] @ weight[np.ix_(used, busy)] + weight[courses, busy]
        found.append(total)
    return found[0], found[1]
