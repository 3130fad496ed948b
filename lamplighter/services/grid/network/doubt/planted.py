# SPDX-License-Identifier: Apache-2.0
"""Faults planted in a true grid whose model stays as it was, and how many of them are found again."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lamplighter.services.grid.network.demand import household
from lamplighter.services.grid.network.doubt.counts import Area, areas_of
from lamplighter.services.grid.network.doubt.rank import (
    CABLE,
    EVIDENCE_LEAST,
    LINE_PHASE,
    LINK_CLOSED,
    Doubt,
    doubts_of,
    expected_evidence,
)
from lamplighter.services.grid.network.doubt.threephase import (
    ThreePhaseReadings,
    open_asymmetric,
    read_three_phase,
    solve_asymmetric,
    spread_over_phases,
)
from lamplighter.services.grid.network.estimation.meters import MeterPlan, Readings, plan_of
from lamplighter.services.grid.network.estimation.prior import (
    CLASSES,
    SUN,
    Moments,
    Weights,
    factors_of,
    moments_of,
    usual_kw,
    weights_of,
)
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.readers.year import Year, powers
from lamplighter.services.grid.network.tables import ALL_LINE_PHASES, HOME, LineTable, Network
from lamplighter.services.grid.network.topology import Feeders, feeders, fused
from lamplighter.terms.columns import FloatArray, IntArray

CUSTOMER_SHARE = 0.1  # of homes on another line phase than the model says, whole nodes at a time
CABLES_WRONG = 2  # cables of another type
TYPE_FACTORS = (0.4, 2.5)  # NAYY 4x50 has 0.64 ohm/km, 4x150 has 0.21
LENGTH_SPREAD = 0.2
LASTING_SPREAD, STEP_SPREAD = 0.4, 0.8
CHUNK = 192


@dataclass(frozen=True)
class Planted:
    """What is wrong: kind as in `rank`, node or line, for customers the line phases from and to (else 0), and how much (value):
    homes moved, the logarithm of a cable's factor, 1 for a link box."""

    kind: int
    element: int
    from_phase: int
    to_phase: int
    value: float


@dataclass(frozen=True)
class Recall:
    """How many of the planted faults of one kind were found: at the very node or line; on the same feeder; how many could be
    told from these meters at all (expected evidence above the threshold), and how many of those were found on their
    feeder; and how many doubts of the kind were raised, so that nobody finds all by doubting all."""

    kind: int
    planted: int
    tellable: int
    tellable_found: int
    found: int
    found_on_feeder: int
    raised: int


@dataclass(frozen=True)
class Trial:
    """The model as believed, its feeders, what the meters saw, the doubts, and the faults that were planted."""

    model: Network
    feeders: Feeders
    areas: list[Area]
    doubts: list[Doubt]
    faults: list[Planted]


def with_link_boxes(network: Network, tree: Feeders, seed: int) -> Network:
    """Return the network with an open link box between the ends of neighbouring feeders of each station (a piece of the usual
    cable), as city grids have them, where it has no open line of its own."""
    lines, dice = network.lines, np.random.default_rng((seed, 0x11B0))
    if not lines.in_service.all():
        return network
    ends = tree.feeder_end
    pairs = [
        (int(a), int(b))
        for station in range(len(tree.station_busbar))
        for a, b in zip(ends[tree.feeder_station == station][:-1], ends[tree.feeder_station == station][1:], strict=True)
    ]
    if not pairs:
        return network
    like = np.full(len(pairs), int(np.argmax(lines.i_n_a)))
    length = dice.uniform(20.0, 80.0, len(pairs))
    ratio = np.where(np.isfinite(lines.length_m[like]), length / lines.length_m[like], 1.0)
    columns = {name: getattr(lines, name)[like] for name in LineTable.__dataclass_fields__}
    columns |= {name: columns[name] * ratio for name in ("r_ohm", "x_ohm", "c_f", "g_s", "r0_ohm", "x0_ohm", "c0_f")}
    columns["length_m"] = length
    columns["from_node"], columns["to_node"] = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    columns["in_service"] = np.zeros(len(pairs), np.bool_)
    columns["id"] = np.array([f"link box {k + 1}" for k in range(len(pairs))])
    return replace(network, lines=LineTable(**{name: np.concatenate([getattr(lines, name), columns[name]]) for name in columns}))


def plant(network: Network, seed: int) -> tuple[Network, list[Planted]]:
    """Return the true network and what the model does not know: whole nodes' homes of one line phase on another, one link box
    closed, cables of another type, and all lengths off by a fifth."""
    dice = np.random.default_rng((seed, 0xBAD))
    loads, lines = network.loads, network.lines
    line_phase, faults = loads.line_phase.copy(), list[Planted]()
    homes = np.flatnonzero((loads.kind == HOME) & (line_phase != ALL_LINE_PHASES))
    weight = loads.connections_count
    moved = 0.0
    for node in dice.permutation(np.unique(loads.node[homes])).tolist():
        if moved >= CUSTOMER_SHARE * weight[homes].sum():
            break
        own = homes[loads.node[homes] == node]
        one = int(dice.choice(np.unique(line_phase[own])))
        other = int(dice.choice([k for k in (1, 2, 3) if k != one]))
        count = float(weight[own[line_phase[own] == one]].sum())
        moved += count
        line_phase[own[line_phase[own] == one]] = other
        faults.append(Planted(LINE_PHASE, node, one, other, count))
    live, scale = lines.in_service.copy(), np.exp(LENGTH_SPREAD * dice.uniform(-1.0, 1.0, len(lines.id)))
    boxes = np.flatnonzero(~lines.in_service & (network.nodes.u_rated_v[lines.from_node] < 1000.0))
    if len(boxes):
        box = int(dice.choice(boxes))
        live[box] = True
        faults.append(Planted(LINK_CLOSED, box, 0, 0, 1.0))
    low = np.flatnonzero(lines.in_service & (network.nodes.u_rated_v[lines.from_node] < 1000.0))
    for line in dice.choice(low, min(CABLES_WRONG, len(low)), replace=False).tolist():
        scale[line] = float(dice.choice(TYPE_FACTORS))
        faults.append(Planted(CABLE, line, 0, 0, float(np.log(scale[line]))))
    true_lines = replace(
        lines, in_service=live, r_ohm=lines.r_ohm * scale, x_ohm=lines.x_ohm * scale, r0_ohm=lines.r0_ohm * scale,
        x0_ohm=lines.x0_ohm * scale,
    )  # fmt: skip
    return replace(network, loads=replace(loads, line_phase=line_phase), lines=true_lines), faults


def weeks(
    truth: Network,
    tree: Feeders,
    plan: MeterPlan,
    demand: Callable[[IntArray], tuple[FloatArray, FloatArray]],
    at: tuple[IntArray, int],
) -> ThreePhaseReadings:
    """Return what three-phase meters of a plan read of the true network at steps, with a seed (`at`); demand gives the power
    of every load (t, k)."""
    step, seed = at
    dice, engine = np.random.default_rng((seed, 0x3F)), open_asymmetric(truth)
    parts: list[ThreePhaseReadings] = []
    for first in range(0, len(step), CHUNK):
        p, q = demand(step[first : first + CHUNK])
        state = solve_asymmetric(engine, spread_over_phases(truth, p), spread_over_phases(truth, q))
        parts.append(read_three_phase(truth, state, (plan.u_node, tree.supply_transformer), dice))
    return ThreePhaseReadings(
        parts[0].u_node,
        parts[0].transformer,
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("u_pu", "p_kw", "q_kvar")),
    )


def demand_of_year(network: Network, year: Year) -> Callable[[IntArray], tuple[FloatArray, FloatArray]]:
    """Return the loads' true powers by step, of a year that a grid brings; generation is left out."""
    return lambda step: powers(network, year, slice(int(step[0]), int(step[-1]) + 1))


def demand_drawn(network: Network, seed: int) -> Callable[[IntArray], tuple[FloatArray, FloatArray]]:
    """Return drawn powers by step: class curves, homes that differ for good, and from step to step."""
    loads, dice = network.loads, np.random.default_rng((seed, 0xD12A))
    each = np.sqrt(np.maximum(loads.connections_count, 1.0))
    lasting = np.exp(LASTING_SPREAD / each * dice.normal(size=len(loads.id)))
    high = float(household(np.arange(0.0, 24.0, 0.25)).max())

    def drawn(step: IntArray) -> tuple[FloatArray, FloatArray]:
        course = household(moments_of(step).local_h)[:, None] / high * lasting * loads.p_kw
        noise = np.exp(
            STEP_SPREAD / each * np.random.default_rng((seed, int(step[0]))).normal(size=course.shape)
            - 0.5 * (STEP_SPREAD / each) ** 2
        )
        return course * noise, course * noise * 0.25

    return drawn


def factors_seen(weights: Weights, tree: Feeders, plan: MeterPlan, readings: ThreePhaseReadings, when: Moments) -> FloatArray:
    """Return the classes' factors (t, s, c) from the sums over line phases."""
    steps, many = len(readings.p_kw), len(tree.supply_transformer)
    column = np.full((steps, len(plan.p_transformer)), 0.0)
    place = np.searchsorted(plan.p_transformer, tree.supply_transformer)
    p, q = column.copy(), column.copy()
    p[:, place], q[:, place] = readings.p_kw.sum(axis=2), readings.q_kvar.sum(axis=2)
    none = np.zeros((steps, 0))
    whole = Readings(
        none, none.astype(np.bool_), p, q, np.ones((steps, len(plan.p_transformer)), np.bool_), none, none, none.astype(np.bool_)
    )
    return factors_of(weights, tree, plan, whole, when) if many else np.zeros((steps, 0, len(CLASSES)))


def doubts_after(network: Network, year: Year | None, days: int, seed: int, planted: bool = True) -> Trial:
    """Plant faults (or none), let meters speak for days, and judge."""
    model, _ = fused(network)
    tree = feeders(model)
    model = with_link_boxes(model, tree, seed)
    truth, faults = plant(model, seed) if planted else (model, [])
    weights = weights_of(model, tree)
    plan = plan_of(model, tree, "ends", usual_kw(weights, len(model.nodes.id)))
    first = int(np.random.default_rng((seed, 0xDA)).integers(0, 366 - days)) * 96 if year is not None else 0
    step = np.arange(first, first + 96 * days, dtype=np.int64)
    demand = demand_of_year(truth, year) if year is not None else demand_drawn(truth, seed)
    readings = weeks(truth, tree, plan, demand, (step, seed))
    still = replace(weights, classes_kw=np.concatenate([weights.classes_kw[:SUN], np.zeros_like(weights.classes_kw[SUN:])]))
    factors = factors_seen(still, tree, plan, readings, moments_of(step))
    areas = areas_of(model, tree, readings, factors, still)
    return Trial(model, tree, areas, doubts_of(model, tree, areas), faults)


def recall_of(trial: Trial) -> list[Recall]:
    """Return for each kind of fault how many of those planted are among the doubts."""
    model, tree = trial.model, trial.feeders

    def feeder(kind: int, element: int) -> set[int]:
        ends = [element] if kind == LINE_PHASE else [int(model.lines.from_node[element]), int(model.lines.to_node[element])]
        return {int(tree.node_feeder[node]) for node in ends} - {ABSENT}

    known = [(fault.kind, fault.element, 4 * fault.from_phase + fault.to_phase, fault.value) for fault in trial.faults]
    evidence = expected_evidence(model, tree, trial.areas, known)
    found: list[Recall] = []
    for kind in (LINE_PHASE, LINK_CLOSED, CABLE):
        raised = [doubt for doubt in trial.doubts if doubt.kind == kind]
        count = np.zeros(5, np.int64)
        for fault, telling in zip(trial.faults, evidence, strict=True):
            if fault.kind != kind:
                continue
            same = [d for d in raised if (d.from_phase, d.to_phase) == (fault.from_phase, fault.to_phase)]
            exact = any(d.element == fault.element for d in same)
            near = any(feeder(kind, d.element) & feeder(kind, fault.element) for d in same)
            clear = telling >= EVIDENCE_LEAST
            count += np.array([1, clear, clear and near, exact, near])
        planted, tellable, tellable_found, there, near = (int(many) for many in count)
        found.append(Recall(kind, planted, tellable, tellable_found, there, near, len(raised)))
    return found
