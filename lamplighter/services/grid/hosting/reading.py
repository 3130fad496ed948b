# SPDX-License-Identifier: Apache-2.0
"""A grid's worst night from whatever was asked for: SimBench's year where there is one, else class curves of a winter day."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from lamplighter.services.grid.envelopes.radial import Radial
from lamplighter.services.grid.hosting.cars import STEP_H, STEPS
from lamplighter.services.grid.hosting.night import Night, contracted, feeders
from lamplighter.services.grid.network.demand import household
from lamplighter.services.grid.network.flow import demands
from lamplighter.services.grid.network.model import ABSENT, GridError
from lamplighter.services.grid.network.readers.load import SIMBENCH, load_grid, load_year
from lamplighter.services.grid.network.readers.year import Year, node_powers
from lamplighter.services.grid.network.tables import Network
from lamplighter.services.grid.network.topology import LOW_VOLTAGE_V, Reach, fused, reach
from lamplighter.terms.columns import AnyArray, FloatArray, IntArray

NOON_STEP = 48
DAYS_BEFORE = 7


def tree_of(network: Network, walk: Reach) -> tuple[Radial, IntArray]:
    """Return the tree of a fused network and the node (n,) of each row. GridError where closed switches make a ring."""
    if bool(walk.ring.any()):
        ids = np.concatenate([network.lines.id, network.transformers.id])[walk.ring]
        raise GridError(
            f"{network.name}: closed switches make a ring through {', '.join(ids[:5].tolist())}; allowed is a grid without "
            "rings. Open a switch at each ring (the network operator knows where). Nothing was run."
        )
    node = walk.order
    row = np.full(len(network.nodes.id), ABSENT, np.int64)
    row[node] = np.arange(len(node))
    before, branch = walk.before[node], walk.branch[node]
    parent = np.where(before == ABSENT, ABSENT, row[np.maximum(before, 0)])
    lines, transformers = network.lines, network.transformers
    u = network.nodes.u_rated_v[node]
    many = len(node)
    z, gain, rating = np.zeros(many, np.complex128), np.ones(many), np.full(many, np.inf)
    is_line = (branch != ABSENT) & (branch < len(lines.id))
    shunt = np.zeros(many, np.complex128)
    own = branch[is_line]
    z[is_line] = (lines.r_ohm + 1j * lines.x_ohm)[own] * 1000.0 / u[is_line] ** 2
    rating[is_line] = np.sqrt(3.0) * u[is_line] * lines.i_n_a[own] / 1000.0
    half = 0.5 * (lines.g_s - 2j * np.pi * network.frequency_hz * lines.c_f)[own] * u[is_line] ** 2 / 1000.0
    np.add.at(shunt, np.flatnonzero(is_line), half)
    np.add.at(shunt, parent[is_line], half)
    at = np.flatnonzero((branch != ABSENT) & ~is_line)
    t = branch[at] - len(lines.id)
    step = transformers.tap_count * transformers.tap_step_v
    u1 = (transformers.u1_v + np.where(transformers.tap_upper, step, 0.0))[t]
    u2 = (transformers.u2_v + np.where(transformers.tap_upper, 0.0, step))[t]
    sn, resistance = transformers.sn_kva[t], (transformers.pk_kw / transformers.sn_kva)[t]
    reactance = np.sqrt(np.maximum(transformers.uk_pu[t] ** 2 - resistance**2, 0.0))
    upper = u[parent[at]]
    downward = transformers.to_node[t] == node[at]
    z[at] = (resistance + 1j * reactance) / sn * np.where(downward, (u2 / u[at]) ** 2, (u1 / u[at]) ** 2)
    gain[at] = np.where(downward, u2 / u[at] * upper / u1, u1 / u[at] * upper / u2)
    rating[at] = sn
    idle = np.sqrt(np.maximum((transformers.i0_pu[t] * sn) ** 2 - transformers.p0_kw[t] ** 2, 0.0))
    np.add.at(shunt, parent[at], transformers.p0_kw[t] + 1j * idle)
    no_load = np.zeros(many)
    no_load[at] = np.maximum(transformers.i0_pu, transformers.p0_kw / transformers.sn_kva)[t] * sn
    held = np.zeros(many)
    held[row[network.sources.node]] = network.sources.u_ref_pu
    return Radial(parent, np.asarray(z, np.complex128), gain, rating, is_line, held, shunt, no_load), node


def read_days(asked: str) -> Iterator[Night]:
    """Return every noon-to-noon night of a SimBench year in turn. GridError where the grid brings no year."""
    network, year = load_year(asked)
    small, at = fused(network)
    tree, node = tree_of(small, reach(small))
    worst = read_night(asked)
    row = np.full(len(small.nodes.id), ABSENT, np.int64)
    row[node] = np.arange(len(node))
    reached = row[at] != ABSENT
    place = np.zeros((len(at), len(node)))
    place[np.flatnonzero(reached), row[at][reached]] = 1.0
    p, q = node_powers(network, year, slice(0, year.steps))
    base = p @ place + 1j * (q @ place)
    for begin in range(NOON_STEP, year.steps - STEPS + 1, STEPS):
        past = [(begin - day * STEPS) % (year.steps - STEPS) for day in range(DAYS_BEFORE, 0, -1)]
        before = np.stack([np.real(base[first : first + STEPS]) for first in past])
        yield replace(worst, tree=tree, base_kva=base[begin : begin + STEPS], before_kw=before)


def _course(asked: str, demand_share: float) -> tuple[Network, AnyArray, FloatArray]:
    """Return the network, the night's demand (t, nodes) in kVA, and the active demand of days before (d, t, nodes).

    demand_share: part of a file's powers that falls on the evening's peak at once, where the grid brings no year.
    """
    if not SIMBENCH.fullmatch(asked):
        network = load_grid(asked)
        p, q = demands(network)
        hours = np.asarray((12.0 + STEP_H * np.arange(STEPS)) % 24.0, np.float64)
        curve = household(hours) / float(household(np.arange(0.0, 24.0, STEP_H)).max())
        base = demand_share * curve[:, None] * (p + 1j * q)[None, :]
        return network, base, np.repeat(np.real(base)[None], DAYS_BEFORE, axis=0)
    network, year = load_year(asked)
    begin = _peak_noon(network, year)
    p, q = node_powers(network, year, slice(begin, begin + STEPS))
    whole = year.steps
    before = [(begin - day * STEPS) % (whole - STEPS) for day in range(DAYS_BEFORE, 0, -1)]
    past = np.stack([node_powers(network, year, slice(first, first + STEPS))[0] for first in before])
    return network, p + 1j * q, past


def _peak_noon(network: Network, year: Year) -> int:
    """Return the step of the noon before the year's highest demand."""
    course, still = np.maximum(year.load_course, 0), year.load_course == ABSENT
    weight = np.bincount(course[~still], weights=network.loads.p_kw[~still], minlength=year.p_share.shape[1])
    peak = int(np.argmax(year.p_share @ weight))
    noon = (peak - NOON_STEP) // STEPS * STEPS + NOON_STEP
    return int(np.clip(noon, NOON_STEP, year.steps - STEPS - NOON_STEP))


def read_night(asked: str) -> Night:
    """Return the worst night of a grid. GridError says what is wrong with it."""
    return read_case(asked)[0]


def read_case(asked: str, demand_share: float = 1.0) -> tuple[Night, Network, IntArray]:
    """Return the worst night of a grid, its network with closed couplers joined, and that network's node (n,) of each row."""
    network, base, past = _course(asked, demand_share)
    small, at = fused(network)
    tree, node = tree_of(small, reach(small))
    row = np.full(len(small.nodes.id), ABSENT, np.int64)
    row[node] = np.arange(len(node))

    def rows(values: AnyArray) -> AnyArray:
        """Return node values (..., nodes) as row values (..., n)."""
        out = np.zeros((*values.shape[:-1], len(node)), values.dtype)
        reached = row[at] != ABSENT
        np.add.at(np.moveaxis(out, -1, 0), row[at][reached], np.moveaxis(values, -1, 0)[reached])
        return out

    place = row[small.loads.node]
    low = (small.nodes.u_rated_v[small.loads.node] < LOW_VOLTAGE_V) & (place != ABSENT)
    if not bool(low.any()):
        low = place != ABSENT
    if not bool(low.any()):
        raise GridError(f"{asked}: no connection is supplied; allowed is a grid with loads behind a source. Nothing was run.")
    head = feeders(tree)
    energy = np.bincount(place[low], small.loads.p_kw[low], len(node)).astype(np.float64)
    night = Night(
        asked,
        tree,
        rows(base),
        np.asarray(rows(past), np.float64),
        place[low],
        contracted(head, energy),
        head,
        tuple(small.nodes.id[node].tolist()),
    )
    return night, small, node
