# SPDX-License-Identifier: Apache-2.0
"""Why a lamp burns as it does, in plain sentences and from aggregates alone."""

from collections.abc import Mapping, Sequence

import numpy as np

from lamplighter.services.lighting import outage, required
from lamplighter.services.lighting.layout import Layout, calendar_output
from lamplighter.services.lighting.obtrusive.facades import BEYOND_EDGE_M
from lamplighter.services.lighting.photometry import classes
from lamplighter.services.lighting.plan import AVERAGE, LEAST, LUMINANCE
from lamplighter.services.lighting.required import Need
from lamplighter.services.lighting.terms import DIM, LEVEL_STEP, REASONS
from lamplighter.services.lighting.upkeep import finding, reading
from lamplighter.terms.decision import HAND_BACK, Proposals
from lamplighter.terms.snapshot import Column, Snapshot

PLAIN = {
    finding.DARK: "gives no light though its gear answers",
    finding.WITHOUT_POWER: "is without power",
    finding.UNDIMMED: "burns at full output whatever it is told",
    finding.BY_DAY: "burns by day",
    finding.UNHEARD: "cannot be heard, and nothing says that it is broken",
    finding.DARK_CABINET: "is without supply",
    finding.UNHEARD_METER: "cannot be heard",
    finding.ONE_OF: "cannot be heard, and of those silent beside it some are without power",
}


def _name(segment: int, layout: Layout) -> str:
    named = str(layout.segments.name[segment])
    return named or f"the street without a name at {layout.asset_id[int(layout.segments.asset[segment]) - layout.start]}"


def _light(segment: int, dimming_level: float, kind: int, layout: Layout) -> str:
    """Say what light an output gives and what the class needs."""
    figures = layout.segments.figures[segment]
    share = f"{dimming_level * 100:.3g} % output gives"
    if classes.LUMINANCE_CD_M2[kind] > 0:
        return f"{share} {figures[LUMINANCE] * dimming_level:.2f} cd/m2, {classes.LUMINANCE_CD_M2[kind]:g} needed"
    text = f"{share} {figures[AVERAGE] * dimming_level:.1f} lx, {classes.ILLUMINANCE_LX[kind]:g} needed"
    if classes.ILLUMINANCE_MIN_LX[kind] > 0:
        text += f" (darkest point {figures[LEAST] * dimming_level:.2f} lx, {classes.ILLUMINANCE_MIN_LX[kind]:g} needed)"
    return text


def _class_at(segment: int, dimming_level: float, layout: Layout) -> int:
    """Return the most demanding class for which this output was planned."""
    steps = np.flatnonzero(np.abs(layout.class_share[segment] - dimming_level) < LEVEL_STEP / 2)
    design = int(layout.segments.design[segment])
    return min(design + (int(steps[0]) if len(steps) else 0), int(classes.FAMILY_LAST[design]))


def describe(proposals: Proposals, row: int, layout: Layout) -> str:
    """Return one proposal in plain words."""
    found = np.flatnonzero(layout.segments.asset == proposals.asset[row])
    if proposals.action == HAND_BACK or len(found) == 0:
        name = layout.asset_id[int(proposals.asset[row]) - layout.start]
        return f"{name} returns to its own calendar."
    segment = int(found[0])
    dimming_level = float(proposals.values["dimming_level"][row])
    kind = _class_at(segment, dimming_level, layout)
    reason = REASONS[int(proposals.because[row])]
    return (
        f"{_name(segment, layout)}: {_light(segment, dimming_level, kind, layout)} for class {classes.CLASSES[kind]}; {reason}."
    )


def _segment_of(local: int, layout: Layout) -> int | None:
    """Return the segment of a segment or lamp asset (position in the service's run), None for cabinets and cells."""
    position = local + layout.start
    found = np.flatnonzero(layout.segments.asset == position)
    if len(found):
        return int(found[0])
    lamp = np.flatnonzero(layout.lamp_asset == position)
    return int(layout.lamp_segment[int(lamp[0])]) if len(lamp) else None


def _calendar(segment: int, now_s: float, layout: Layout) -> str:
    """Say what the calendar stored in the lamps gives."""
    if not layout.timetables.stored[layout.segments.cell[segment]]:
        return "the lamps' own calendar gives full output from dusk to dawn"
    share = calendar_output(now_s, layout)[segment]
    return f"the timetable stored in the lamps gives {share * 100:.3g} % at this hour of the night"


def _counted(segment: int, needed: Need, snapshot: Snapshot, layout: Layout) -> str:
    """Say what the class that a segment needs rests on."""
    if not layout.segments.by_traffic[segment]:
        return "quiet hours of the night" if needed.given[segment] else "its design class; nobody is counted here"
    if not needed.known[segment]:
        stored = layout.timetables.stored[layout.segments.cell[segment]]
        return "the class of its timetable; no count to rely on" if stored else "its design class; no count to rely on"
    run = slice(int(layout.sites.offsets[segment]), int(layout.sites.offsets[segment + 1]))
    busiest = run.start + int(np.argmax((needed.counts.flow_veh_h / np.maximum(layout.sites.flow_max_veh_h, 1.0))[run]))
    flow, give = needed.counts.flow_veh_h[busiest], required.SURE_OF_STREET * needed.counts.deviation_veh_h[busiest]
    rests = layout.sites.near[busiest][needed.counts.rests[busiest]]
    share = f"{needed.share[segment] * 100:.0f} % of the most"
    if layout.sites.counted[busiest] and len(rests) == 1:
        where = snapshot.assets.street[layout.sites.counter[rests[0]]]
        return f"{flow:.0f} veh/h counted in the busier direction at {where}, {share}"
    return f"about {flow:.0f} veh/h, {flow + give:.0f} at most, estimated from {len(rests)} counters around, {share}"


def _of_segment(segment: int, snapshot: Snapshot, layout: Layout) -> list[str]:
    segments = layout.segments
    need = required.now(snapshot, layout)
    design = int(segments.design[segment])
    kind = min(design + int(need.relax[segment]), int(classes.FAMILY_LAST[design]))
    name = _name(segment, layout)
    counted = _counted(segment, need, snapshot, layout)
    said = [f"{name} needs class {classes.CLASSES[kind]} now ({counted}); it was designed for {classes.CLASSES[design]}."]
    if need.moved[segment]:
        way = "lower" if need.moved[segment] > 0 else "higher"
        said.append(f"Ambient light and weather put it {abs(int(need.moved[segment]))} class {way} than traffic alone would.")
    local = int(segments.asset[segment]) - layout.start
    reported = snapshot.latest.get("dimming_level")
    if reported is None or not reported.present[local]:
        said.append("Its lamps have reported nothing yet.")
    elif reported.value[local] <= 0.0:
        said.append("Its lamps are off: it is day, or their cabinet has no supply.")
    else:
        said.append(f"{_light(segment, float(reported.value[local]), kind, layout).capitalize()}, computed for its road surface.")
        facade_lx = segments.facade_lx[segment] * reported.value[local]
        said.append(
            f"A wall {BEYOND_EDGE_M:g} m beyond the road's edge gets {facade_lx:.1f} lx at most, if nothing stands between."
        )
    force = snapshot.in_force.get(DIM)
    if force is not None and force.active[local]:
        left_min = max(force.expires_s[local] - snapshot.now_s, 0.0) / 60.0
        said.append(f"The command holds for {left_min:.0f} more minutes; then {_calendar(segment, snapshot.now_s, layout)}.")
    else:
        said.append(f"No command holds: {_calendar(segment, snapshot.now_s, layout)}.")
    if not layout.timetables.live[segments.cell[segment]]:
        said.append("Live commands were worth no more than the timetable here, so they only ever ask for more light.")
    lamps = int(layout.cell_lamps[segments.cell[segment]])
    said.append(f"It changes together with the {lamps} lamps of its cell, at quarter-hours only.")
    return said


def _upkeep(asset: int, snapshot: Snapshot, layout: Layout) -> list[str]:
    """Say what the registers of the last day tell of a lamp or cabinet, nothing before they are read or where all is fine; and
    what a cabinet and its lamps report of themselves."""
    lamp, cabinet = np.flatnonzero(layout.lamp_asset == asset), np.flatnonzero(layout.cabinet_asset == asset)
    said = _reported(int(cabinet[0]), snapshot, layout) if len(cabinet) else []
    day = reading.day_of(snapshot, layout) if len(lamp) or len(cabinet) else None
    if day is None:
        return said
    found = finding.find(day, layout)
    if len(lamp) and found.lamp[lamp[0]] != finding.FINE:
        return [f"By the registers of the last day it {PLAIN[int(found.lamp[lamp[0]])]}."]
    if len(cabinet):
        here = layout.segments.cabinet[layout.lamp_segment] == cabinet[0]
        broken = int((here & np.isin(found.lamp, finding.TO_MEND)).sum()) + int(found.among[cabinet[0]])
        state = PLAIN[int(found.cabinet[cabinet[0]])] if found.cabinet[cabinet[0]] != finding.FINE else ""
        by_register = [f"By the registers of the last day it {state}."] if state else []
        return [*by_register, f"{broken} of its lamps are to be mended.", *said]
    return said


def _reported(cabinet: int, snapshot: Snapshot, layout: Layout) -> list[str]:
    """Say what a cabinet, its lamps and their gateway report themselves; nothing where all is well."""
    told = reading.reported(snapshot, layout)
    if told is None:
        return []
    failed, unreached = int(told.failed[cabinet]), int(told.unreached[cabinet])
    said = ["It reports that its supply is lost."] if told.lost[cabinet] else []
    said += [f"{failed} of its lamps report a failure themselves; the gateway names them."] if failed else []
    return [*said, *([f"{unreached} of its lamps are not reached; that is the radio's, not the lamp's."] if unreached else [])]


def explain(snapshot: Snapshot, layout: Layout, asset: int) -> Sequence[str]:
    """Return why an asset (city position) of the service does what it does."""
    dark = _without_power(snapshot, layout, asset)
    return [*dark, *_explained(snapshot, layout, asset), *([] if dark else _upkeep(asset, snapshot, layout))]


def _without_power(snapshot: Snapshot, layout: Layout, asset: int) -> list[str]:
    """Say whether the grid believes the cabinet of an asset to be dark; nothing where it does not."""
    segment = _segment_of(asset - layout.start, layout)
    cabinet = np.flatnonzero(layout.cabinet_asset == asset)
    if segment is not None:
        cabinet = layout.segments.cabinet[[segment]]
    if not len(cabinet) or not outage.dark_cabinets(snapshot, layout)[cabinet[0]]:
        near = segment is not None and bool(outage.beside(snapshot, layout)[segment])
        return ["Streets beside it are without power, so it keeps the light it was designed for."] if near else []
    lamps = int(layout.segments.lamps[layout.segments.cabinet == cabinet[0]].sum())
    name = layout.asset_id[int(layout.cabinet_asset[cabinet[0]]) - layout.start]
    told = f"The grid tells that {name} has no power: one outage, which takes {lamps} lamps with it."
    return [f"{told} No lamp here is to be mended for it."]


def _explained(snapshot: Snapshot, layout: Layout, asset: int) -> Sequence[str]:
    local = asset - layout.start
    segment = _segment_of(local, layout)
    if segment is not None:
        return _of_segment(segment, snapshot, layout)
    cell = np.flatnonzero(layout.cell_asset == asset)
    if len(cell):
        mine = layout.segments.cell == cell[0]
        lamps = int(layout.cell_lamps[int(cell[0])])
        power_kw = float((layout.segments.power_w * layout.segments.lamps)[mine].sum()) / 1000.0
        return [f"A cell of {lamps} lamps in {int(mine.sum())} segments, {power_kw:.2f} kW at full output; they change as one."]
    cabinet = np.flatnonzero(layout.cabinet_asset == asset)
    mine = layout.segments.cabinet == (cabinet[0] if len(cabinet) else -1)
    full_kw = float((layout.segments.power_w * layout.segments.lamps)[mine].sum()) / 1000.0
    said = [
        f"It feeds {int(layout.segments.lamps[mine].sum())} lamps in {int(mine.sum())} segments, {full_kw:.2f} kW at full output."
    ]
    power = snapshot.latest.get("p_kw")
    if power is not None and power.present[local]:
        said.append(f"It draws {power.value[local]:.2f} kW now.")
    return said


def derive(snapshot: Snapshot, state: object, layout: Layout) -> Mapping[str, Column]:
    """Return each lamp's output as its segment reports it, and light on facades at that output, for the map (columns over the
    service's own run)."""
    del state
    reported = snapshot.latest.get("dimming_level")
    if reported is None:
        return {}
    value, known_at_s = np.zeros(layout.size), np.zeros(layout.size)
    present = np.zeros(layout.size, dtype=np.bool_)
    at = layout.lamp_asset - layout.start
    source = layout.segments.asset[layout.lamp_segment] - layout.start
    value[at], known_at_s[at], present[at] = reported.value[source], reported.known_at_s[source], reported.present[source]
    lit = np.zeros(layout.size)
    own = layout.segments.asset - layout.start
    lit[own] = layout.segments.facade_lx * reported.value[own]
    facade = Column(lit, reported.known_at_s, reported.present)
    return {"luminaire_dimming_level": Column(value, known_at_s, present), "facade_lx": facade}
