# SPDX-License-Identifier: Apache-2.0
"""The traffic service's part of a city folder: signals, detectors and demand, derived from the road network.

Files that `build` adds under `sumo/` where the recipe brings no routes of its own:

- `demand.rou.xml`: vehicle types by mode and one route `f<flow>` per row of the table `flows`, with no departure. The
  simulator draws the trips of its window with `demand.draw` and hands both files to SUMO, so that a seed changes every
  departure without a new build.
- `own_programmes.add.xml`: the own programme of every box as a fixed SUMO programme named `own`, for SUMO's window.

Detectors are in the table `detectors`; the simulator makes loops and lane areas of it and reads them in the process,
so that SUMO writes nothing of them. Where the recipe brings routes they are used unchanged, and the boxes keep the
greens of the programmes in the network.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lamplighter.services.traffic import terms
from lamplighter.services.traffic.demand import files, flows, making
from lamplighter.services.traffic.demand.flows import Flow
from lamplighter.services.traffic.planning import mending, places, tables
from lamplighter.services.traffic.planning.clearance import Walking
from lamplighter.services.traffic.planning.detectors import detectors
from lamplighter.services.traffic.planning.network import FOOT, RAIL, RoadNetwork, read_network
from lamplighter.services.traffic.planning.plan import Plan, plan_signal
from lamplighter.services.traffic.planning.timeline import programmes_xml
from lamplighter.terms.asset import Assets
from lamplighter.terms.city import BuildContext, Built, Streets
from lamplighter.terms.table import Table

ROUTES_FILE = "demand.rou.xml"
PROGRAMMES_FILE = "own_programmes.add.xml"
RED_MAX_UNUSED_S = 300.0


def build(context: BuildContext) -> Built:
    """Derive signals, detectors and demand of a city. Raises NetworkError where the road network cannot be read."""
    sumo = context.folder / "sumo"
    context.progress("reading the signals", 0.0)
    network = read_network(sumo / "net.xml", _additional(sumo, context.source))
    context.progress("stages and intergreens", 0.2)
    walking = _walking(network, context.settings)
    drafts = [plan_signal(network, signal, None, walking) for signal in network.signals]
    own_demand = not context.source.get("routes")
    made: tuple[Flow, ...] = ()
    if own_demand:
        context.progress("demand", 0.3)
        made = making.make_flows(network, drafts, context.settings, context.seed)
        turns, ways = flows.turns_pcu_h(made), making.onward(network)
        plans = [plan_signal(network, d.signal, making.connection_pcu_h(d.signal, turns, ways), walking) for d in drafts]
        (sumo / ROUTES_FILE).write_text(files.routes_xml(network, made), encoding="utf-8")
    else:
        plans = drafts
    (sumo / PROGRAMMES_FILE).write_text(programmes_xml(plans), encoding="utf-8")
    context.progress("detectors", 0.8)
    found = detectors(network, plans)
    rows = tables.asset_rows(network, plans, found)
    made_tables = tables.tables(network, plans, found)
    relieved = _unburdened(made_tables, made if own_demand else None)
    report = (
        *_plan_report(network, plans),
        *_walking_report(walking),
        *_detector_report(rows),
        *_demand_report(made, context.seed),
    )
    context.progress("done", 1.0)
    return Built(_assets(network, context.streets, rows), {**relieved, "flows": files.flow_table(made)}, report)


def _walking(network: RoadNetwork, settings: terms.Settings) -> Walking:
    """Return the walking speeds of the settings; ValueError where a slow crossing is none of the network's."""
    slow_m_s = terms.slow_speeds(settings.slow_crossings)
    known = {edge.id for edge in network.edges.values() if edge.function == "crossing"}
    if strangers := sorted(set(slow_m_s) - known):
        raise ValueError(
            f"[traffic] slow_crossings: the road network has no crossing {strangers[0]!r}; the column `street` of the call "
            "buttons in traffic/detectors.csv lists those with signals."
        )
    return Walking(settings.walk_m_s, slow_m_s)


def _walking_report(walking: Walking) -> list[str]:
    slow = ", ".join(f"{crossing} at {speed:g} m/s" for crossing, speed in sorted(walking.slow_m_s.items()))
    return [f"Crossings that ask for more time: {slow}. People clear all others at {walking.usual_m_s:g} m/s."] if slow else []


def _additional(sumo: Path, source: Mapping[str, str]) -> tuple[Path, ...]:
    return tuple(sumo / name for name in source.get("additional", "").split(";") if name and (sumo / name).is_file())


def _unburdened(made: Mapping[str, Table], demand: Sequence[Flow] | None) -> Mapping[str, Table]:
    """Return the tables with no real bound on the red of trams that never run."""
    runs = demand is None or any(flow.mode == flows.TRAM for flow in demand)
    groups = made["signal_groups"]
    red_max_s = np.where((groups["kind"] == RAIL) & (not runs), RED_MAX_UNUSED_S, groups["red_max_s"])
    return {**made, "signal_groups": {**groups, "red_max_s": red_max_s}}


def _assets(network: RoadNetwork, streets: Streets, rows: tables.AssetRows) -> Assets:
    count = len(rows.id)
    known = set(streets.id.tolist())
    lon_deg, lat_deg = places.to_degrees(network, streets, rows.place_m) if count else (np.zeros(0), np.zeros(0))
    empty = np.full(count, "", dtype=np.str_)
    return Assets(
        id=np.asarray(rows.id, dtype=np.str_),
        kind=np.asarray(rows.kind, dtype=np.str_),
        service=np.full(count, "traffic"),
        area=empty,
        street=np.asarray([street if street in known else "" for street in rows.street], dtype=np.str_),
        lon_deg=lon_deg,
        lat_deg=lat_deg,
        fed_by=empty.copy(),
    )


def _plan_report(network: RoadNetwork, plans: Sequence[Plan]) -> list[str]:
    lone = sum(plan.lone_crossing for plan in plans)
    crossings = sum(edge.function == "crossing" for edge in network.edges.values())
    signalled = len({c.to_edge for plan in plans for c in plan.signal.connections if c.kind == FOOT})
    said = [
        (
            f"{len(plans)} intersections with signals, {lone} of them lone crossings, and {signalled} "
            f"signalled crossings of {crossings}. Stages, minimum greens and intergreens of every pair of signal groups are "
            "derived from the network's own right-of-way data by RiLSA 2015 "
            "(intergreen = crossing time + clearing time - entering time; on foot 1.2 m/s)."
        )
    ]
    for name, plan in zip(tables.intersection_ids(plans), plans, strict=True):
        longest_s = plan.times.intergreen_s.max(initial=0.0)
        size = f"{len(plan.stage_plan.groups)} signal groups, {len(plan.stage_plan.stages)} stages, cycle {plan.cycle_s:.0f} s"
        mended = mending.own_words(plan)
        what = "; ".join(mended) if mended else "nothing had to be mended"
        said.append(f"{name} {tables.name_of(network, plan)}: {size}, longest intergreen {longest_s:.0f} s. Mended: {what}.")
    return said


def _detector_report(rows: tables.AssetRows) -> list[str]:
    number = {kind: rows.kind.count(kind) for kind in (terms.LOOP, terms.LANE_AREA, terms.CALL_BUTTON, terms.COUNTER)}
    return [
        (
            f"Measured by {number[terms.LOOP]} loops at stop lines, {number[terms.LANE_AREA]} lane areas, "
            f"{number[terms.CALL_BUTTON]} call buttons and {number[terms.COUNTER]} counters of street flow."
        )
    ]


def _demand_report(made: Sequence[Flow], seed: int) -> list[str]:
    if not made:
        return ["Demand: the scenario's own routes, unchanged; the own programmes keep the greens of the network's programmes."]
    lines = {mode: sum(flow.mode == mode for flow in made) for mode in (flows.BUS, flows.TRAM)}
    peak = {mode: sum(flow.peak_h for flow in made if flow.mode == mode) for mode in flows.MODES}
    day = {mode: sum(flow.trips_per_day for flow in made if flow.mode == mode) for mode in flows.MODES}
    return [
        (
            f"Demand is made up (seed {seed}), not counted: on a working day {day['car']:.0f} car, {day['truck']:.0f} truck, "
            f"{day['bicycle']:.0f} bicycle trips and {day['person']:.0f} walks; in the busiest hour {peak['car']:.0f}, "
            f"{peak['truck']:.0f}, {peak['bicycle']:.0f} and {peak['person']:.0f}. "
            f"{lines['bus']} bus and {lines['tram']} tram ways run by timetable."
        ),
        (
            "The day's shape is that of counts at signals (motor vehicles) and of bicycle counters (bicycles, people on foot) of "
            "the city of Münster (Datenlizenz Deutschland Namensnennung 2.0). Trips are thinned so that no intersection is "
            f"asked for more than {flows.FULL_SHARE:.0%} of what its signals pass in the busiest hour; splits and cycles of the "
            "own programmes are Webster's for that hour."
        ),
    ]
