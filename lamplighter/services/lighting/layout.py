# SPDX-License-Identifier: Apache-2.0
"""What of a city's street lights does not change, as arrays: made once by `prepare`, read by everything else."""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting.terms import STEPS
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray, TextArray

FigureTable = FloatArray  # (rows, 7): each column a figure of EN 13201-2 in its own unit; columns are named in `plan`


@dataclass(frozen=True)
class Segments:
    """Columns (s,) of segments, in table order. asset: city positions; cell, cabinet, area: positions in their lists.

    design: class code; volume_weight: in the design class; by_traffic: follows counted traffic, else the clock;
    low_share, high_share: shares of the largest flow where the weight of volume changes; figures (s, 7): luminance,
    uniformity, lengthwise uniformity, glare, edge ratio, average and least illuminance at full output.
    """

    asset: IntArray
    name: TextArray
    cell: IntArray
    cabinet: IntArray
    area: IntArray
    design: IntArray
    volume_weight: IntArray
    by_traffic: BoolArray
    low_share: FloatArray
    high_share: FloatArray
    field: IntArray
    flux_klm: FloatArray
    maintenance_ratio: FloatArray
    power_w: FloatArray
    lamps: IntArray
    figures: FigureTable


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
    """Places where a street's flow is counted, one or more counters (directions) each.

    counter (m,): city positions, site i has counter[offsets[i] : offsets[i + 1]]; flow_max_veh_h (m,): of each counter's
    street; nearest (s, k): for each segment the sites on itself or on the most similar streets, nearest first, -1 none.
    """

    offsets: IntArray
    counter: IntArray
    flow_max_veh_h: FloatArray
    nearest: IntArray


@dataclass(frozen=True)
class Local:
    """Local time without files or libraries: from each begin_s (z,) on, local time is UTC plus offset_s (z,)."""

    begin_s: FloatArray
    offset_s: FloatArray


@dataclass(frozen=True)
class Layout:
    """A city's street lights. step_share (s, STEPS): dimming per step for the segment's own class, largest first.

    cell_asset (c,), cabinet_asset (b,), lamp_asset (l,): city positions; lamp_segment (l,): positions in `segments`;
    cell_lamps (c,); cell_area (c,), cabinet_area (b,), cabinet_cell (b,); start: first city position of the service.
    """

    segments: Segments
    points: Points
    sites: Sites
    local: Local
    step_share: FloatArray
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


def relax_most(volume_weight: IntArray, by_traffic: BoolArray) -> IntArray:
    """Return (s,) the most classes that counted traffic can ever put a segment below its design class.

    The weight of volume falls at most to -1 (CEN/TR 13201-1:2014, table 1); segments that go by the clock know no bound.
    """
    return np.where(by_traffic, np.clip(volume_weight + 1, 0, STEPS - 1), STEPS - 1).astype(np.int64)


def local_hour(now_s: float, local: Local) -> float:
    """Return the local hour of the day, 0 to 24."""
    place = max(int(local.begin_s.searchsorted(now_s, side="right")) - 1, 0)
    return ((now_s + float(local.offset_s[place])) % 86_400.0) / 3600.0


def quiet(now_s: float, layout: Layout) -> bool:
    """Tell whether paths are in the quiet hours of the night."""
    hour = local_hour(now_s, layout.local)
    begin, end = layout.quiet_from_h % 24.0, layout.quiet_to_h
    return begin <= hour < end if begin <= end else hour >= begin or hour < end
