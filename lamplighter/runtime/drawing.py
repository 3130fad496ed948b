# SPDX-License-Identifier: Apache-2.0
"""What the page draws and explains, taken from the twin: values by layer, and sentences by asset."""

from collections.abc import Mapping, Sequence

import numpy as np

from lamplighter.runtime.answering import box_of
from lamplighter.runtime.loop import ServiceRun, Tick
from lamplighter.runtime.view import Explanation, LayerValues, ServiceAbout
from lamplighter.terms.columns import AnyArray
from lamplighter.terms.snapshot import Column

VALUES_SHOWN_MAX = 24


def about(run: ServiceRun) -> ServiceAbout:
    """Return what does not change of one service."""
    lines: Mapping[str, AnyArray] = run.service.lines(run.prepared) if run.service.lines is not None else {}
    one = run.service
    return ServiceAbout(one.name, one.title, one.doc, one.layers, one.outcome_names, lines, one.requests, one.inquiry, one.watch)


def derived(run: ServiceRun, done: Tick | None) -> Mapping[str, Column]:
    """Return the admitted columns and, where the service computes any, the derived ones."""
    if done is None or run.service.derive is None:
        return run.columns
    return {**run.columns, **run.service.derive(done.snapshot, run.state, run.prepared)}


def layer_values(run: ServiceRun, done: Tick | None) -> list[LayerValues]:
    """Return the latest value of every map layer of a service, over the assets that have one."""
    columns = derived(run, done)
    kinds = run.city.assets.kind[run.city.span]
    result: list[LayerValues] = []
    for layer in run.service.layers:
        column = columns.get(layer.quantity)
        if column is None:
            empty = np.zeros(0, np.int64)
            result.append(LayerValues(layer.name, empty, np.zeros(0)))
            continue
        local = np.flatnonzero(column.present & (kinds == layer.of))
        result.append(LayerValues(layer.name, local.astype(np.int64) + run.city.span.start, column.value[local]))
    return result


def merged_scene(scenes: Mapping[str, Mapping[str, AnyArray]]) -> Mapping[str, AnyArray]:
    """Return the moving things of every field as one table of lon_deg, lat_deg and kind; they carry no number."""
    merged: dict[str, list[AnyArray]] = {"lon_deg": [], "lat_deg": [], "kind": []}
    for arrays in scenes.values():
        if all(name in arrays for name in merged):
            for name, parts in merged.items():
                parts.append(arrays[name])
    return {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in merged.items()}


def explained(asset_id: str, runs: Sequence[ServiceRun], ticks: Mapping[str, Tick]) -> Explanation:
    """Return why an asset does what it does; KeyError where no service of the city has it."""
    for run in runs:
        assets = run.city.assets
        found = np.flatnonzero(assets.id[run.city.span] == asset_id)
        if not len(found):
            continue
        place = int(found[0]) + run.city.span.start
        done, box = ticks.get(run.service.name), box_of(run, place)
        sentences = tuple(run.service.explain(done.snapshot, run.prepared, place)) if done is not None else ()
        return Explanation(
            asset=asset_id,
            kind=str(assets.kind[place]),
            service=run.service.name,
            street=str(assets.street[place]),
            area=str(assets.area[place]),
            fed_by=str(assets.fed_by[place]),
            sentences=sentences or ("The city has not told anything about it yet.",),
            values=_values(run, int(found[0]), done),
            box="" if box is None else str(assets.id[box]),
        )
    raise KeyError(f"no asset {asset_id!r} in this city")


def _values(run: ServiceRun, local: int, done: Tick | None) -> tuple[tuple[str, float, str, float], ...]:
    if done is None:
        return ()
    units = {quantity.name: quantity.unit for quantity in run.service.quantities}
    rows = [
        (name, float(column.value[local]), units.get(name, ""), done.now_s - float(column.known_at_s[local]))
        for name, column in derived(run, done).items()
        if bool(column.present[local])
    ]
    return tuple(rows[:VALUES_SHOWN_MAX])
