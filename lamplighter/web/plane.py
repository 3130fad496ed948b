# SPDX-License-Identifier: Apache-2.0
"""What may leave the process: everything of a simulated city, and only window means of areas of a real one.

The rule is a type. What is packed for the browser, the API and the downloads is `Simulated[View]` or `AreaView`;
an `AreaView` has no column that runs over assets, so a real city's lamps and signals cannot be listed one by one.
"""

from dataclasses import dataclass, replace

import numpy as np

from lamplighter.runtime.view import DecisionLine, Scene, Series, ServiceState, View
from lamplighter.terms.columns import FloatArray, IntArray
from lamplighter.terms.outcome import Combine
from lamplighter.terms.simulation import Simulated

WINDOW_S = 900.0  # the shortest window of the record plane that holds for every service
AREA_ASSETS_MIN = 100  # the larger of the floors of the record plane (64 lamps, 100 connections)
SERIES_POINTS_MAX = 360
_STEPS_S = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0)
# What an operator did and what is broken: when boxes were switched, also without saying which, tells who passed.
_LINES = ("operator", "fault")


@dataclass(frozen=True)
class AreaValues:
    """Means of one map layer over the last full window: area (k,), mean (k,), assets (k,) how many are in it."""

    layer: str
    area: tuple[str, ...]
    mean: FloatArray
    assets: IntArray


@dataclass(frozen=True)
class AreaView:
    """A real city at one moment: how its services stand, and means of areas for the window before `window_end_s`."""

    version: int
    now_s: float
    running: bool
    speed: float
    ended: bool
    speed_reached: float
    window_end_s: float
    services: tuple[ServiceState, ...]
    values: tuple[AreaValues, ...]
    series: tuple[Series, ...]
    lines: tuple[DecisionLine, ...]
    faults: tuple[str, ...]


Shown = Simulated[View] | AreaView


class Windows:
    """Means of areas, window by window: the only way from a real city's values to what may be shown of it."""

    def __init__(self, scene: Scene) -> None:
        self._areas = scene.areas
        place = {name: index for index, name in enumerate(scene.areas)}
        self._area_of = np.array([place.get(str(area), len(place)) for area in scene.assets.area], dtype=np.int64)
        self._coded = {layer.name for service in scene.services for layer in service.layers if layer.palette == "stage"}
        self._combine = combines(scene)
        self._sums: dict[str, tuple[FloatArray, IntArray, IntArray]] = {}
        self._window = -1
        self._shown: tuple[tuple[AreaValues, ...], tuple[Series, ...], float] = ((), (), 0.0)

    def see(self, view: View) -> AreaView:
        """Take in the newest view and return what may be shown: nothing until the first window is full."""
        window = int(view.now_s // WINDOW_S)
        if window != self._window:
            if self._window >= 0:
                end_s = window * WINDOW_S
                series = tuple(until(one, end_s, self._combine.get((one.service, one.outcome), "mean")) for one in view.series)
                self._shown = (self._means(), series, end_s)
            self._sums, self._window = {}, window
        for layer in view.layers:
            if layer.layer not in self._coded:
                self._add(layer.layer, layer.asset, layer.value)
        values, series, end_s = self._shown
        return AreaView(
            version=view.version,
            now_s=view.now_s,
            running=view.running,
            speed=view.speed,
            ended=view.ended,
            speed_reached=view.speed_reached,
            window_end_s=end_s,
            services=view.services,
            values=values,
            series=series,
            lines=tuple(line for line in view.lines if line.kind in _LINES or (line.kind == "hand_back" and not line.asset)),
            faults=view.faults,
        )

    def _add(self, layer: str, asset: IntArray, value: FloatArray) -> None:
        known = np.isfinite(value)
        size = len(self._areas) + 1
        area = self._area_of[asset[known]]
        sums = np.bincount(area, weights=value[known], minlength=size).astype(np.float64)
        samples = np.bincount(area, minlength=size).astype(np.int64)
        before = self._sums.get(layer)
        if before is None:
            self._sums[layer] = (sums, samples, samples)
        else:
            self._sums[layer] = (before[0] + sums, before[1] + samples, np.minimum(before[2], samples))

    def _means(self) -> tuple[AreaValues, ...]:
        rows: list[AreaValues] = []
        for layer, (sums, samples, assets) in self._sums.items():
            enough = np.flatnonzero(assets[:-1] >= AREA_ASSETS_MIN)
            mean = sums[enough] / samples[enough]
            rows.append(AreaValues(layer, tuple(self._areas[int(index)] for index in enough), mean, assets[enough]))
        return tuple(rows)


def combines(scene: Scene) -> dict[tuple[str, str], Combine]:
    """Return by (service, outcome) how its values of several intervals become one."""
    return {(service.name, outcome.name): outcome.combine for service in scene.services for outcome in service.outcomes}


def shown(scene: Scene, view: View, windows: Windows) -> Shown:
    """Return what may leave the process of this view."""
    return Simulated(view) if scene.simulated else windows.see(view)


def until(series: Series, end_s: float, combine: Combine) -> Series:
    """Return a series up to `end_s`, in whole windows; the totals wait for nobody and are left out."""
    keep, keep_baseline = series.time_s < end_s, series.baseline_time_s < end_s
    time_s, adaptive = binned(series.time_s[keep], series.adaptive[keep], combine, WINDOW_S)
    baseline_time_s, baseline = binned(series.baseline_time_s[keep_baseline], series.baseline[keep_baseline], combine, WINDOW_S)
    return replace(
        series,
        time_s=time_s,
        adaptive=adaptive,
        baseline_time_s=baseline_time_s,
        baseline=baseline,
        cumulative_adaptive=None,
        cumulative_baseline=None,
    )


def thinned(series: Series, combine: Combine) -> Series:
    """Return a series of no more than `SERIES_POINTS_MAX` points an arm, both arms in the same intervals."""
    longest = max(len(series.time_s), len(series.baseline_time_s))
    if longest <= SERIES_POINTS_MAX:
        return series
    both = np.concatenate([series.time_s, series.baseline_time_s])
    span_s = float(both.max() - both.min())
    step_s = next((step for step in _STEPS_S if span_s / step < SERIES_POINTS_MAX - 1), _STEPS_S[-1])
    time_s, adaptive = binned(series.time_s, series.adaptive, combine, step_s)
    baseline_time_s, baseline = binned(series.baseline_time_s, series.baseline, combine, step_s)
    return replace(series, time_s=time_s, adaptive=adaptive, baseline_time_s=baseline_time_s, baseline=baseline)


def binned(time_s: FloatArray, value: FloatArray, combine: Combine, step_s: float) -> tuple[FloatArray, FloatArray]:
    """Return the last time and the value of each interval of `step_s`: extremes stay extremes, the rest are means."""
    if len(time_s) == 0:
        return time_s, value
    bins = np.floor(time_s / step_s)
    first = np.flatnonzero(np.concatenate([[True], bins[1:] != bins[:-1]]))
    sizes = np.diff(np.concatenate([first, [len(bins)]]))
    last = first + sizes - 1
    if combine == "max":
        return time_s[last], np.maximum.reduceat(value, first)
    if combine == "min":
        return time_s[last], np.minimum.reduceat(value, first)
    return time_s[last], np.add.reduceat(value, first) / sizes
