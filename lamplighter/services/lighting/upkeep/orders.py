# SPDX-License-Identifier: Apache-2.0
"""Work orders from what is broken, the most needed first: by class, by traffic, by how many lamps in a row are out. Pure."""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.photometry import classes
from lamplighter.services.lighting.upkeep.finding import (
    DARK,
    DARK_CABINET,
    FINE,
    NAMES,
    ONE_OF,
    TO_MEND,
    UNHEARD,
    WITHOUT_POWER,
    Found,
)
from lamplighter.terms.columns import FloatArray, IntArray

FAMILY_WEIGHT = {"M": 3.0, "C": 3.0, "P": 1.0}
NEXT_TO_EACH_OTHER = 2.0  # two dark lamps in a row are a hole, one is a dimmer stretch
BURNS_FOR_NOTHING = 0.2  # light where or when it is not needed costs money, and endangers nobody


@dataclass(frozen=True)
class Order:
    """One visit. asset: id of lamp or cabinet; weight: a pure number, larger first; lamps: how many are out with it."""

    asset: str
    street: str
    what: str
    lighting_class: str
    weight: float
    lamps: int


def street_weight(traffic_share: FloatArray, layout: Layout) -> FloatArray:
    """Return (s,) how much each segment's light matters: brighter classes more, and more with traffic."""
    design = layout.segments.design
    family = np.array([FAMILY_WEIGHT[name[0]] for name in classes.CLASSES])[design]
    number = np.array([int(name[1:]) for name in classes.CLASSES], dtype=np.float64)[design]
    return family * (7.0 - number) * (1.0 + traffic_share)


def _rows_together(out: IntArray, layout: Layout) -> FloatArray:
    """Return (l,) 1, or NEXT_TO_EACH_OTHER where the lamp before or after it in the same segment is out too."""
    dark = (out == DARK) | (out == WITHOUT_POWER)
    same = layout.lamp_segment[1:] == layout.lamp_segment[:-1]
    beside = np.zeros(len(out), dtype=np.bool_)
    beside[1:] |= dark[:-1] & same
    beside[:-1] |= dark[1:] & same
    return np.where(dark & beside, NEXT_TO_EACH_OTHER, 1.0)


def ranked(found: Found, traffic_share: FloatArray, layout: Layout) -> list[Order]:
    """Return the work orders, the most needed first. traffic_share (s,): of the largest flow, usual at the busiest hour."""
    segments = layout.segments
    weight = street_weight(traffic_share, layout)
    together = _rows_together(found.lamp, layout)
    made: list[Order] = []
    for cabinet in np.flatnonzero(found.cabinet == DARK_CABINET).tolist():
        rows = np.flatnonzero(segments.cabinet == cabinet)
        most = int(rows[np.argmax(weight[rows])])
        lamps = int(segments.lamps[rows].sum())
        whole = float((weight[rows] * segments.lamps[rows]).sum())
        name = str(layout.asset_id[int(layout.cabinet_asset[cabinet]) - layout.start])
        kind = classes.CLASSES[int(segments.design[most])]
        made.append(Order(name, str(segments.name[most]), NAMES[DARK_CABINET], kind, whole, lamps))
    for cabinet in np.flatnonzero(found.among > 0).tolist():
        rows = np.flatnonzero((found.lamp == ONE_OF) & (segments.cabinet[layout.lamp_segment] == cabinet))
        s = int(layout.lamp_segment[rows[np.argmax(weight[layout.lamp_segment[rows]])]])
        names = ", ".join(str(n) for n in layout.asset_id[layout.lamp_asset[rows] - layout.start])
        what = f"{found.among[cabinet]} of {len(rows)} silent lamps without power: {names}"
        name = str(layout.asset_id[int(layout.cabinet_asset[cabinet]) - layout.start])
        made.append(
            Order(name, str(segments.name[s]), what, classes.CLASSES[int(segments.design[s])], float(weight[s]), len(rows))
        )
    for cabinet in np.flatnonzero(found.told > 0).tolist():
        rows = np.flatnonzero(segments.cabinet == cabinet)
        s, many = int(rows[np.argmax(weight[rows])]), int(found.told[cabinet])
        name = str(layout.asset_id[int(layout.cabinet_asset[cabinet]) - layout.start])
        what = f"{many} of its lamps report a failure themselves; the gateway names them"
        kind = classes.CLASSES[int(segments.design[s])]
        made.append(Order(name, str(segments.name[s]), what, kind, float(weight[rows].mean()) * many, many))
    for lamp in np.flatnonzero(np.isin(found.lamp, TO_MEND)).tolist():
        s, code = int(layout.lamp_segment[lamp]), int(found.lamp[lamp])
        urgent = float(weight[s] * together[lamp]) * (1.0 if code in (DARK, WITHOUT_POWER) else BURNS_FOR_NOTHING)
        name = str(layout.asset_id[int(layout.lamp_asset[lamp]) - layout.start])
        kind = classes.CLASSES[int(segments.design[s])]
        made.append(Order(name, str(segments.name[s]), NAMES[code], kind, urgent, 1))
    return sorted(made, key=lambda order: (-order.weight, order.asset))


def unheard(found: Found) -> tuple[int, int]:
    """Return how many lamps and how many meters cannot be heard though nothing says that they are broken."""
    meters = (found.cabinet != FINE) & (found.cabinet != DARK_CABINET)
    return int((found.lamp == UNHEARD).sum()), int(meters.sum())
