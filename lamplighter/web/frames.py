# SPDX-License-Identifier: Apache-2.0
"""What the browser is sent: a JSON head and packed columns in one binary message.

Layout, little-endian: b"LAMP", length of the head (u4), head (UTF-8 JSON, padded with blanks to four bytes), body.
The head's `arrays` lists [name, "f4" | "u4" | "f8", first byte in the body, number of values].
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from lamplighter.runtime.view import Series, View
from lamplighter.terms.columns import AnyArray
from lamplighter.terms.outcome import Combine
from lamplighter.terms.simulation import Simulated
from lamplighter.web.plane import AreaView, Shown, thinned

MAGIC = b"LAMP"


def pack(head: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> bytes:
    """Return one message of a head and named columns."""
    index: list[tuple[str, str, int, int]] = []
    body: list[bytes] = []
    at = 0
    for name, array in arrays.items():
        kind = "f8" if name.endswith("time_s") else "f4" if array.dtype.kind == "f" else "u4"
        raw = np.ascontiguousarray(array, dtype="<" + kind).tobytes()
        pad = -at % 8
        body.append(b"\0" * pad + raw)
        at += pad
        index.append((name, kind, at, len(array)))
        at += len(raw)
    text = msgspec.json.encode({**head, "arrays": index})
    text += b" " * (-len(text) % 8)
    return MAGIC + len(text).to_bytes(4, "little") + text + b"".join(body)


def stand(view: View | AreaView) -> dict[str, Any]:
    """Return how the city stands: clock, services, faults."""
    return {
        "version": view.version,
        "now_s": view.now_s,
        "running": view.running,
        "speed": view.speed,
        "speed_reached": view.speed_reached,
        "ended": view.ended,
        "services": view.services,
        "faults": view.faults,
    }


def live(shown: Shown) -> bytes:
    """Return the message that moves the map: layer values and moving vehicles, or means of areas."""
    if isinstance(shown, AreaView):
        areas = [
            {"layer": row.layer, "area": row.area, "mean": numbers(row.mean), "assets": row.assets.tolist()}
            for row in shown.values
        ]
        return pack({"part": "live", **stand(shown), "window_end_s": shown.window_end_s, "areas": areas}, {})
    view = shown.value
    arrays: dict[str, AnyArray] = {}
    for layer in view.layers:
        arrays[f"layer.{layer.layer}.asset"] = layer.asset
        arrays[f"layer.{layer.layer}.value"] = layer.value
    for name in ("lon_deg", "lat_deg", "kind"):
        if name in view.moving:
            arrays[f"moving.{name}"] = view.moving[name]
    return pack({"part": "live", **stand(view)}, arrays)


def charts(series: Sequence[Series], combine: Mapping[tuple[str, str], Combine]) -> bytes:
    """Return the message that draws the outcomes, thinned to what a chart can show."""
    heads: list[dict[str, Any]] = []
    arrays: dict[str, AnyArray] = {}
    for index, whole in enumerate(series):
        one = thinned(whole, combine.get((whole.service, whole.outcome), "mean"))
        heads.append(
            {
                "service": one.service,
                "outcome": one.outcome,
                "cumulative_adaptive": one.cumulative_adaptive,
                "cumulative_baseline": one.cumulative_baseline,
            }
        )
        arrays[f"{index}.time_s"] = one.time_s
        arrays[f"{index}.adaptive"] = one.adaptive
        arrays[f"{index}.baseline_time_s"] = one.baseline_time_s
        arrays[f"{index}.baseline"] = one.baseline
    return pack({"part": "charts", "series": heads}, arrays)


def lines(shown: Shown) -> bytes:
    """Return the message with the last decisions and refusals."""
    view = shown.value if isinstance(shown, Simulated) else shown
    return pack({"part": "lines", "lines": view.lines}, {})


def numbers(values: AnyArray) -> list[float | None]:
    """Return a column as JSON numbers with six digits that count; what is not known is null."""
    with np.errstate(divide="ignore", invalid="ignore"):
        digits = np.where(values == 0, 0, 5 - np.floor(np.log10(np.abs(values))))
    out: list[float | None] = []
    for value, places in zip(values.tolist(), digits.tolist(), strict=True):
        out.append(round(value, int(places)) if np.isfinite(value) and np.isfinite(places) else None)
    return out
