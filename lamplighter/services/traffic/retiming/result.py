# SPDX-License-Identifier: Apache-2.0
"""Retiming from counts, as a whole: plan periods, coordinated groups, programmes, and what the model expects of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lamplighter.services.traffic.retiming import bandwidth, periods, search
from lamplighter.services.traffic.retiming.bench import Aims, Bench, Forecast
from lamplighter.services.traffic.retiming.checks import faults
from lamplighter.services.traffic.retiming.counts import Series
from lamplighter.services.traffic.retiming.demand import Demand, estimate
from lamplighter.services.traffic.retiming.roads import RoadModel
from lamplighter.services.traffic.retiming.scheme import Junction, Programme, cycle_s

STOP_S = 4.0  # what a stop costs beside the delay: braking and pulling away
PEAK_RATIO = 1.05  # counts of one day, planned for a little more
COUPLED_S, COUPLED_VEH_H = 60.0, 60.0
GROUP_MAX = 24
WORTH_SHARE = 0.02  # an expected gain below this is no reason to change a plan
PERIOD_MIN_S = 1800.0


@dataclass(frozen=True)
class Wishes:
    """What is asked for: how many periods at most, the longest cycle, the search's limit, and who hears how far it is."""

    periods_max: int
    cycle_max_s: float
    evaluations_max: int
    progress: Callable[[str, float], None]


@dataclass(frozen=True)
class GroupPlan:
    """Boxes in one cycle. kept: they keep their own programmes; cost of the own and of the found programmes in the model."""

    boxes: tuple[int, ...]
    cycle_s: float
    kept: bool
    own_veh: float
    found_veh: float


@dataclass(frozen=True)
class PeriodPlan:
    """One plan period with the flows it was made for."""

    begin_s: float
    end_s: float
    demand: Demand
    groups: tuple[GroupPlan, ...]
    programmes: tuple[Programme, ...]
    own: Forecast
    planned: Forecast
    arterials: tuple[bandwidth.Arterial, ...]

    @property
    def gain_share(self) -> float:
        """Return the share of the own programmes' delay that the model expects to go."""
        return 1.0 - self.planned.waiting_veh / self.own.waiting_veh if self.own.waiting_veh > 0 else 0.0


@dataclass(frozen=True)
class Retimed:
    """The plans of all periods, in order."""

    junctions: tuple[Junction, ...]
    model: RoadModel
    periods: tuple[PeriodPlan, ...]


def retime(junctions: Sequence[Junction], model: RoadModel, counted: Series, wishes: Wishes) -> Retimed:
    """Return plans for the counts. Raises ValueError where a plan breaks a check: that is a fault of the search."""
    length_s = float(np.median(counted.end_s - counted.begin_s))
    least = max(1, round(PERIOD_MIN_S / length_s))
    starts = periods.choose(counted.flow_veh_s, wishes.periods_max, least)
    ends = (*starts[1:], len(counted.begin_s))
    made: list[PeriodPlan] = []
    for number, (a, b) in enumerate(zip(starts, ends, strict=True)):
        flow = counted.flow_veh_s[a:b].mean(axis=0)
        turning = counted.turning_veh_s[a:b].mean(axis=0)
        demand = estimate(model, flow, turning, counted.turning_counted)
        hours = float(counted.end_s[b - 1] - counted.begin_s[a]) / 3600.0

        def told(what: str, share: float, number: int = number) -> None:
            wishes.progress(f"period {number + 1}: {what}", (number + share) / len(starts))

        made.append(
            _period(junctions, model, demand, _Span(float(counted.begin_s[a]), float(counted.end_s[b - 1]), hours), wishes, told)
        )
    return Retimed(tuple(junctions), model, tuple(made))


@dataclass(frozen=True)
class _Span:
    begin_s: float
    end_s: float
    length_h: float


def _period(
    junctions: Sequence[Junction],
    model: RoadModel,
    demand: Demand,
    span: _Span,
    wishes: Wishes,
    told: Callable[[str, float], None],
) -> PeriodPlan:
    aims = Aims(STOP_S, span.length_h)
    planned = Demand(demand.lane_veh_s * PEAK_RATIO, demand.move_share, demand.feed_share, demand.outside_veh_s * PEAK_RATIO)
    programmes = [j.own for j in junctions]
    plans: list[GroupPlan] = []
    members = groups(model, demand, len(junctions))
    for number, boxes in enumerate(members):
        chosen = np.zeros(len(junctions), np.bool_)
        chosen[list(boxes)] = True
        bench = Bench(model, planned, junctions, chosen, aims)
        alone = [Bench(model, planned, junctions, np.arange(len(junctions)) == b, aims) for b in boxes]

        def heard(share: float, number: int = number) -> None:
            told(f"group {number + 1} of {len(members)}", (number + share) / len(members))

        effort = search.Effort(wishes.cycle_max_s, wishes.evaluations_max, heard)
        own_veh = bench.cost([junctions[b].own for b in boxes])
        found = search.coordinate(bench, alone, effort)
        kept = found is None or found.cost_veh > own_veh * (1.0 - WORTH_SHARE)
        if found is not None and not kept:
            for b, programme in zip(boxes, found.programmes, strict=True):
                wrong = faults(junctions[b], programme, wishes.cycle_max_s)
                if wrong:
                    raise ValueError(f"a plan was made that breaks a check and is not written: {wrong[0]}")
                programmes[b] = programme
        cycle = max(cycle_s(junctions[b], programmes[b]) for b in boxes)
        plans.append(GroupPlan(tuple(boxes), cycle, kept, own_veh, own_veh if found is None else found.cost_veh))
    whole = Bench(model, demand, junctions, np.ones(len(junctions), np.bool_), aims)
    lines = [line for plan in plans for line in bandwidth.arterials(model, demand, plan.boxes)]
    own, expected = whole.forecast([j.own for j in junctions]), whole.forecast(programmes)
    return PeriodPlan(span.begin_s, span.end_s, demand, tuple(plans), tuple(programmes), own, expected, tuple(lines))


def groups(model: RoadModel, demand: Demand, count: int) -> list[tuple[int, ...]]:
    """Return the coordinated groups: boxes joined by platoons of COUPLED_VEH_H or more over at most COUPLED_S.

    Joined from the strongest down, no group larger than GROUP_MAX.
    """
    lane_of = np.repeat(np.arange(len(model.lane_key)), np.diff(model.lane_first))
    flow = demand.move_share * demand.lane_veh_s[lane_of] * 3600.0
    edge_box = {int(e): int(b) for e, b in zip(model.lane_edge, model.lane_box, strict=True)}
    strength: dict[tuple[int, int], float] = {}
    for k in range(len(model.feed_edge)):
        v = int(model.feed_move[k])
        a, b = int(model.move_box[v]), edge_box[int(model.feed_edge[k])]
        if a != b and model.feed_travel_s[k] <= COUPLED_S:
            strength[min(a, b), max(a, b)] = strength.get((min(a, b), max(a, b)), 0.0) + flow[v] * demand.feed_share[k]
    of = list(range(count))
    for (a, b), _ in sorted((item for item in strength.items() if item[1] >= COUPLED_VEH_H), key=lambda item: -item[1]):
        if of[a] != of[b] and of.count(of[a]) + of.count(of[b]) <= GROUP_MAX:
            of = [of[a] if x == of[b] else x for x in of]
    return [tuple(n for n in range(count) if of[n] == name) for name in dict.fromkeys(of)]
