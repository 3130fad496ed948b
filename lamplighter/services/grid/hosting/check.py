# SPDX-License-Identifier: Apache-2.0
"""The referee of a night: power-grid-model solves every step again, from the network's tables and not from the tree."""

import numpy as np

from lamplighter.services.grid.hosting.night import Night
from lamplighter.services.grid.network.flow import open_flow, solve
from lamplighter.services.grid.network.tables import Network
from lamplighter.terms.columns import AnyArray, IntArray


def refereed(night: Night, network: Network, row_node: IntArray, drawn_kva: AnyArray) -> tuple[float, float]:
    """Return the highest loading and the lowest voltage (pu) of a night with `drawn_kva` (t, n) drawn by cars.

    network: with closed couplers joined; row_node (n,): its node of each row. Raises where a step does not converge.
    """
    s = night.base_kva + drawn_kva
    p, q = np.zeros((len(s), len(network.nodes.id))), np.zeros((len(s), len(network.nodes.id)))
    p[:, row_node], q[:, row_node] = np.real(s), np.imag(s)
    flow = solve(open_flow(network), p, q, "newton_raphson")
    return float(flow.loading.max()), float(flow.u_pu[:, row_node].min())
