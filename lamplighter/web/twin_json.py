# SPDX-License-Identifier: Apache-2.0
"""Everything that the page shows, as typed values for programs: the JSON twin of the page."""

import msgspec

from lamplighter.runtime.view import Explanation, Scene, Series, ServiceState
from lamplighter.terms.simulation import Simulated
from lamplighter.web.frames import numbers
from lamplighter.web.naming import words_and_unit
from lamplighter.web.plane import AreaView, Shown, combines, thinned
from lamplighter.web.scenery import note


class ServiceRow(msgspec.Struct, frozen=True):
    """How a service stands: its arm, its assets, and what was permitted, refused, admitted and rejected so far."""

    name: str
    title: str
    arm: str
    assets: int
    in_force: int
    permits: int
    refusals: int
    admitted: int
    rejected: int
    last_tick_s: float


class LayerRow(msgspec.Struct, frozen=True):
    """The values of one map layer of a simulated city; asset and value are equally long."""

    layer: str
    service: str
    quantity: str
    unit: str
    asset: list[str]
    value: list[float | None]


class AreaRow(msgspec.Struct, frozen=True):
    """Means of one map layer over areas for the last full window; the columns are equally long."""

    layer: str
    service: str
    quantity: str
    unit: str
    area: list[str]
    mean: list[float | None]
    assets: list[int]


class SeriesRow(msgspec.Struct, frozen=True):
    """One outcome with lamplighter (adaptive) and without (baseline)."""

    service: str
    outcome: str
    unit: str
    better: str
    time_s: list[float]
    adaptive: list[float | None]
    baseline_time_s: list[float]
    baseline: list[float | None]
    cumulative_adaptive: float | None
    cumulative_baseline: float | None


class LineRow(msgspec.Struct, frozen=True):
    """One decision or refusal in plain words."""

    at_s: float
    service: str
    asset: str
    kind: str
    text: str
    times: int


class ViewTwin(msgspec.Struct, frozen=True):
    """The city at one moment, as the page shows it. Times are POSIX seconds of city time."""

    city: str
    title: str
    simulated: bool
    note: str
    attribution: tuple[str, ...]
    version: int
    now_s: float
    running: bool
    ended: bool
    speed: float
    speed_reached: float
    services: list[ServiceRow]
    layers: list[LayerRow]
    areas: list[AreaRow]
    window_end_s: float | None
    moving: int
    series: list[SeriesRow]
    lines: list[LineRow]
    faults: tuple[str, ...]


class ValueRow(msgspec.Struct, frozen=True):
    """One value that a decision rests on, and how old it is."""

    quantity: str
    value: float
    unit: str
    age_s: float


class Why(msgspec.Struct, frozen=True):
    """Why an asset of a simulated city does what it does."""

    asset: str
    kind: str
    service: str
    street: str
    area: str
    fed_by: str
    sentences: tuple[str, ...]
    values: list[ValueRow]
    box: str


def twin_of(scene: Scene, shown: Shown) -> ViewTwin:
    """Return the JSON twin of what is shown now."""
    view = shown.value if isinstance(shown, Simulated) else shown
    titles = {service.name: service.title for service in scene.services}
    return ViewTwin(
        city=scene.name,
        title=scene.title,
        simulated=scene.simulated,
        note=note(scene),
        attribution=scene.attribution,
        version=view.version,
        now_s=view.now_s,
        running=view.running,
        ended=view.ended,
        speed=view.speed,
        speed_reached=view.speed_reached,
        services=[_service_row(titles, state) for state in view.services],
        layers=layer_rows(scene, shown),
        areas=area_rows(scene, shown),
        window_end_s=shown.window_end_s if isinstance(shown, AreaView) else None,
        moving=len(shown.value.moving.get("lon_deg", ())) if isinstance(shown, Simulated) else 0,
        series=series_rows(scene, view.series),
        lines=[LineRow(line.at_s, line.service, line.asset, line.kind, line.text, line.times) for line in view.lines],
        faults=view.faults,
    )


def layer_rows(scene: Scene, shown: Shown) -> list[LayerRow]:
    """Return the layers of a simulated city with the assets' ids; none of a real one."""
    if not isinstance(shown, Simulated):
        return []
    known = _layers(scene)
    rows: list[LayerRow] = []
    for layer in shown.value.layers:
        service, quantity = known.get(layer.layer, ("", layer.layer))
        ids = scene.assets.id[layer.asset].tolist()
        rows.append(LayerRow(layer.layer, service, quantity, words_and_unit(quantity)[1], ids, numbers(layer.value)))
    return rows


def area_rows(scene: Scene, shown: Shown) -> list[AreaRow]:
    """Return the means of areas of a real city; none of a simulated one, which shows its layers."""
    if not isinstance(shown, AreaView):
        return []
    known = _layers(scene)
    rows: list[AreaRow] = []
    for row in shown.values:
        service, quantity = known.get(row.layer, ("", row.layer))
        unit = words_and_unit(quantity)[1]
        rows.append(AreaRow(row.layer, service, quantity, unit, list(row.area), numbers(row.mean), row.assets.tolist()))
    return rows


def series_rows(scene: Scene, series: tuple[Series, ...]) -> list[SeriesRow]:
    """Return the outcomes over time, thinned as the charts are."""
    combine = combines(scene)
    better = {(service.name, outcome.name): outcome.better for service in scene.services for outcome in service.outcomes}
    rows: list[SeriesRow] = []
    for whole in series:
        key = (whole.service, whole.outcome)
        one = thinned(whole, combine.get(key, "mean"))
        rows.append(
            SeriesRow(
                service=one.service,
                outcome=one.outcome,
                unit=words_and_unit(one.outcome)[1],
                better=better.get(key, "lower"),
                time_s=one.time_s.tolist(),
                adaptive=numbers(one.adaptive),
                baseline_time_s=one.baseline_time_s.tolist(),
                baseline=numbers(one.baseline),
                cumulative_adaptive=one.cumulative_adaptive,
                cumulative_baseline=one.cumulative_baseline,
            )
        )
    return rows


def why_of(explanation: Simulated[Explanation]) -> Why:
    """Return an explanation for the page: it exists for simulated cities alone."""
    one = explanation.value
    values = [ValueRow(quantity, value, unit, age_s) for quantity, value, unit, age_s in one.values]
    return Why(one.asset, one.kind, one.service, one.street, one.area, one.fed_by, one.sentences, values, one.box)


def _layers(scene: Scene) -> dict[str, tuple[str, str]]:
    return {layer.name: (service.name, layer.quantity) for service in scene.services for layer in service.layers}


def _service_row(titles: dict[str, str], state: ServiceState) -> ServiceRow:
    return ServiceRow(
        name=state.name,
        title=titles.get(state.name, state.name),
        arm=state.arm,
        assets=state.assets,
        in_force=state.in_force,
        permits=state.permits,
        refusals=state.refusals,
        admitted=state.admitted,
        rejected=state.rejected,
        last_tick_s=state.last_tick_s,
    )
