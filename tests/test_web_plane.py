# SPDX-License-Identifier: Apache-2.0
"""What may leave the process: all of a simulated city, window means of areas of a real one; and thinning that is honest."""

import dataclasses

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.runtime.view import DecisionLine, LayerValues, LineKind, Series, View
from lamplighter.terms.simulation import Simulated
from lamplighter.web import frames
from lamplighter.web.plane import AREA_ASSETS_MIN, SERIES_POINTS_MAX, WINDOW_S, AreaView, Windows, binned, shown, thinned
from tests.web_scripted import Scripted, lattice_streets, real, scene_of

SCENE = scene_of(lattice_streets(200), 900)


def at(view: View, now_s: float, value: float) -> View:
    layers = tuple(LayerValues(one.layer, one.asset, np.full(len(one.asset), value)) for one in view.layers)
    return dataclasses.replace(view, now_s=now_s, layers=layers)


def test_simulated_city_shows_itself_as_a_type() -> None:
    view = Scripted(SCENE).view()
    found = shown(SCENE, view, Windows(SCENE))
    assert isinstance(found, Simulated)
    assert found.value is view


def test_real_city_shows_means_of_full_windows_of_large_areas() -> None:
    scene = real(SCENE)
    view = Scripted(scene, running=False).view()
    windows = Windows(scene)
    start = (view.now_s // WINDOW_S) * WINDOW_S
    first = shown(scene, at(view, start + 10, 0.2), windows)
    assert isinstance(first, AreaView)
    assert first.values == ()
    assert first.series == ()
    shown(scene, at(view, start + 400, 0.4), windows)
    later = shown(scene, at(view, start + WINDOW_S + 1, 0.9), windows)
    assert isinstance(later, AreaView)
    lamps = next(row for row in later.values if row.layer == "lamps")
    assert np.allclose(lamps.mean, 0.3)
    assert (lamps.assets >= AREA_ASSETS_MIN).all()
    assert len(lamps.area) > 0
    stations = next(row for row in later.values if row.layer == "stations")
    assert stations.area == ()  # too few in any area
    assert not any(row.layer == "signals" for row in later.values)
    assert all((series.time_s < start + WINDOW_S).all() for series in later.series)
    assert all(line.asset == "" for line in later.lines)


def test_a_real_city_does_not_say_when_boxes_were_switched() -> None:
    scene = real(SCENE)
    kinds: tuple[LineKind, ...] = ("permit", "refusal", "hand_back", "operator", "fault")
    lines = tuple(DecisionLine(1.0, "traffic", asset, kind, "x") for kind in kinds for asset in ("", "signal-1"))
    kept = Windows(scene).see(dataclasses.replace(Scripted(scene).view(), lines=lines)).lines
    assert {(line.kind, line.asset) for line in kept} == {
        ("operator", ""), ("operator", "signal-1"), ("fault", ""), ("fault", "signal-1"), ("hand_back", ""),
    }  # fmt: skip


def test_area_view_has_no_column_over_assets() -> None:
    names = {field.name for field in dataclasses.fields(AreaView)}
    assert not names & {"layers", "moving"}
    view = Scripted(real(SCENE)).view()
    message = frames.live(Windows(real(SCENE)).see(view))
    assert b"layer." not in message
    assert b"moving" not in message


@given(st.integers(1, 4000), st.sampled_from(["sum", "mean", "max", "min"]), st.integers(0, 50))
def test_thinning_keeps_extremes_and_means(points: int, combine, seed: int) -> None:
    time_s = (np.arange(points) * 10.0).astype(np.float64)
    value = np.random.default_rng(seed).normal(5.0, 2.0, points)
    series = Series("a", "b", time_s, value, time_s, value, 1.0, 1.0)
    thin = thinned(series, combine)
    assert len(thin.time_s) <= SERIES_POINTS_MAX
    assert thin.time_s[-1] == time_s[-1]
    if combine == "max":
        assert thin.adaptive.max() == value.max()
    elif combine == "min":
        assert thin.adaptive.min() == value.min()
    else:
        assert thin.adaptive.min() >= value.min()
        assert thin.adaptive.max() <= value.max()


def test_binning_against_a_plain_loop() -> None:
    rng = np.random.default_rng(4)
    time_s = np.sort(rng.uniform(0, 1000, 300))
    value = rng.normal(size=300)
    found_time, found = binned(time_s, value, "mean", 60.0)
    expected = [value[time_s // 60 == one].mean() for one in np.unique(time_s // 60)]
    assert np.allclose(found, expected)
    assert len(found_time) == len(expected)


def test_numbers_keep_six_digits_and_say_null() -> None:
    assert frames.numbers(np.array([0.123456789, 1234567.0, 0.0, np.nan, -3.0])) == [0.123457, 1234570.0, 0.0, None, -3.0]
