# SPDX-License-Identifier: Apache-2.0
"""What of a city's street lights does not change, as arrays: made once by `prepare`, read by everything else."""

from dataclasses import dataclass, replace

import numpy as np

from lamplighter.services.lighting.photometry import classes
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray, TextArray

WORK, REST = range(2)
DAY_S, QUARTER_S = 86_400.0, 900.0
QUARTERS = 96
A_WORKDAY_S, A_RESTDAY_S = 20_467 * DAY_S, 20_470 * DAY_S  # 2026-01-14 and -17, far from a change of the clock
P_FIRST = classes.code("P1")
FigureTable = FloatArray  # (rows, 7): each column a figure of EN 13201-2 in its own unit; columns are named in `plan`


@dataclass(frozen=True)
class Segments:
    """Columns (s,) of segments, in table order. asset: city positions; cell, cabinet, area: positions in their lists.

    design: class code; volume_weight: in the design class; by_traffic: follows counted traffic, else the clock;
    bound_share (s, t): shares of the largest flow where the weight of volume changes; bound_relax (s, t + 1): classes below
    design in each interval between them; figures (s, 7): luminance, uniformity, lengthwise uniformity, glare, edge ratio, average
    and least illuminance at full output; facade_lx (s,): most light on a wall beside the road at full output, new; length_m (s,).
    """

    asset: IntArray
    name: TextArray
    cell: IntArray
    cabinet: IntArray
    area: IntArray
    design: IntArray
    volume_weight: IntArray
    by_traffic: BoolArray
    bound_share: FloatArray
    bound_relax: IntArray
    field: IntArray
    flux_klm: FloatArray
    maintenance_ratio: FloatArray
    power_w: FloatArray
    lamps: IntArray
    figures: FigureTable
    facade_lx: FloatArray
    length_m: FloatArray


@dataclass(frozen=True)
class Points:
    """Coefficients of distinct fields per 1000 lm, new, ragged: what the interlock sums, point by point.

    shape (f, 4): lanes, points along, luminance points across, illuminance points; *_at (f,): where a field's run begins.
    """

    shape: IntArray
    luminance_at: IntArray
    luminance_cd_m2: FloatArray
    illuminance_at: IntArray
    illuminance_lx: FloatArray
    veil_at: IntArray
    veil_cd_m2: FloatArray
    strips_lx: FloatArray


@dataclass(frozen=True)
class Sites:
    """Where flow is counted, and every direction of every street that a segment goes by, sorted by segment.

    counter (m,): city positions; offsets (s + 1,): segment i has directions offsets[i] to offsets[i + 1]; street (d,): rows of
    the city's streets; flow_max_veh_h, usual_veh_h (d,): the largest and the usual flow; near (d, k): counters that say most
    about a direction, its own first where it is counted (counted (d,)), -1 none; usual_near_veh_h (d, k); own_ratio (d,),
    towards_ratio (d, k), among_ratio (d, k, k): covariance of deviations from the usual share, as in `flows.network`.
    """

    counter: IntArray
    offsets: IntArray
    street: IntArray
    flow_max_veh_h: FloatArray
    usual_veh_h: FloatArray
    near: IntArray
    counted: BoolArray
    usual_near_veh_h: FloatArray
    own_ratio: FloatArray
    towards_ratio: FloatArray
    among_ratio: FloatArray


@dataclass(frozen=True)
class Timetables:
    """What the calendars stored in the lamps say. step (2, c, 96): step of each cell per kind of day (WORK, REST) and local
    quarter-hour; stored (c,): whether a calendar was made for the cell, else its lamps burn at full output; live (c,): whether
    live commands are worth more than the calendar there; growth_ratio (2, 96): how much more traffic a quarter-hour may bring
    than the one before it."""

    step: IntArray
    stored: BoolArray
    live: BoolArray
    growth_ratio: FloatArray


@dataclass(frozen=True)
class Surroundings:
    """How ambient light and weather move the class. ambient_lx (t,): where its weight changes; ambient_relax (t + 1,): classes
    less in each interval (negative: more); wet_relax: on a wet road; quiet_classes: of paths in quiet hours."""

    ambient_lx: FloatArray
    ambient_relax: IntArray
    wet_relax: int
    quiet_classes: int


@dataclass(frozen=True)
class Local:
    """Local time without files or libraries: from each begin_s (z,) on, local time is UTC plus offset_s (z,); holiday (h,): local
    dates, as days since 1970, on which timetables go as on Sundays."""

    begin_s: FloatArray
    offset_s: FloatArray
    holiday: IntArray


@dataclass(frozen=True)
class Layout:
    """A city's street lights. class_share (s, STEPS): dimming for each class from the design class down, largest first;
    relax_most (s,): as many classes as traffic can ever put a segment below its design class.

    cell_asset (c,), cabinet_asset (b,), lamp_asset (l,): city positions; lamp_segment (l,): positions in `segments`;
    cell_lamps (c,); cell_area (c,), cabinet_area (b,), cabinet_cell (b,); start: first city position of the service;
    downlink_max: messages that each lamp may be sent in a night; output_step_share: step of what lamps are commanded.
    """

    segments: Segments
    points: Points
    sites: Sites
    timetables: Timetables
    surroundings: Surroundings
    local: Local
    class_share: FloatArray
    relax_most: IntArray
    cell_asset: IntArray
    cell_lamps: IntArray
    cell_area: IntArray
    cabinet_asset: IntArray
    cabinet_area: IntArray
    cabinet_cell: IntArray
    lamp_asset: IntArray
    lamp_segment: IntArray
    start: int
    size: int
    vocabulary: tuple[str, ...]
    asset_id: TextArray
    lon_deg: float
    lat_deg: float
    dusk_elevation_deg: float
    quiet_from_h: float
    quiet_to_h: float
    downlink_max: int
    output_step_share: float


def local_s(now_s: float, local: Local) -> float:
    """Return local time as seconds since the local midnight that began 1970."""
    place = max(int(local.begin_s.searchsorted(now_s, side="right")) - 1, 0)
    return now_s + float(local.offset_s[place])


def local_hour(now_s: float, local: Local) -> float:
    """Return the local hour of the day, 0 to 24."""
    return (local_s(now_s, local) % DAY_S) / 3600.0


def day_kind(now_s: float, local: Local) -> int:
    """Return WORK from Monday to Friday, REST on Saturdays, Sundays and the city's holidays, by the local date."""
    date = int(local_s(now_s, local) // DAY_S)
    weekday = (date + 3) % 7  # the first day of 1970 was a Thursday
    return REST if weekday >= 5 or bool((local.holiday == date).any()) else WORK


def quarter(now_s: float, local: Local) -> int:
    """Return the local quarter-hour of the day, 0 to 95."""
    return int(local_s(now_s, local) % DAY_S // QUARTER_S)


def quiet(now_s: float, layout: Layout) -> bool:
    """Tell whether paths are in the quiet hours of the night."""
    hour = local_hour(now_s, layout.local)
    begin, end = layout.quiet_from_h % 24.0, layout.quiet_to_h
    return begin <= hour < end if begin <= end else hour >= begin or hour < end


def own_lower(step: IntArray, is_quiet: bool, layout: Layout) -> IntArray:
    """Return the classes below design (s,) at which segments stand when their cells take these steps (c,).

    What traffic can never put lower stays as it is; paths follow the quiet hours; neither holds a cell back.
    """
    segments = layout.segments
    moving = np.minimum(step[segments.cell], layout.relax_most)
    paths = (segments.design >= P_FIRST) & ~segments.by_traffic
    return np.where(segments.by_traffic, moving, paths * (layout.surroundings.quiet_classes * is_quiet)).astype(np.int64)


def calendar_lower(now_s: float, layout: Layout) -> IntArray:
    """Return the classes below design (s,) for which the calendars stored in the lamps stand at a moment; 0 without one."""
    times = layout.timetables
    step = times.step[day_kind(now_s, layout.local), :, quarter(now_s, layout.local)]
    return np.where(times.stored[layout.segments.cell], own_lower(step, quiet(now_s, layout), layout), 0)


def calendar_output(now_s: float, layout: Layout) -> FloatArray:
    """Return the output (s,) that the calendars stored in the lamps give at a moment of the night; full without one."""
    share = np.take_along_axis(layout.class_share, calendar_lower(now_s, layout)[:, None], axis=1)[:, 0]
    return np.where(layout.timetables.stored[layout.segments.cell], share, 1.0)


def day_outputs(layout: Layout) -> FloatArray:
    """Return (2, s, 96) the output that the calendars stored in the lamps give in each local quarter-hour of a WORK and of a REST
    day, were it night; full without one."""
    layout = replace(layout, local=replace(layout.local, holiday=np.zeros(0, dtype=np.int64)))
    out = np.empty((2, len(layout.segments.design), QUARTERS))
    for kind, day_s in ((WORK, A_WORKDAY_S), (REST, A_RESTDAY_S)):
        midnight_s = day_s - (local_s(day_s, layout.local) - day_s)
        for k in range(QUARTERS):
            out[kind, :, k] = calendar_output(midnight_s + k * QUARTER_S + 1.0, layout)
    return out
