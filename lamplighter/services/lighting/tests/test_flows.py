# SPDX-License-Identifier: Apache-2.0
"""Flow on streets that nobody counts: against a Gaussian oracle, and the interlock's own way against the decider's."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.services.lighting import interlock, required
from lamplighter.services.lighting.flows.estimate import draw_variance, estimate
from lamplighter.services.lighting.tests.small import COUNTED, EVENING_S, Small
from lamplighter.terms.snapshot import Column

counts = st.lists(st.floats(0.0, 1500.0), min_size=len(COUNTED), max_size=len(COUNTED))
spoken = st.lists(st.booleans(), min_size=len(COUNTED), max_size=len(COUNTED))


@given(counts, spoken)
def test_where_a_street_is_counted_the_count_stands(small: Small, flow: list[float], sound: list[bool]) -> None:
    sites = small.layout.sites
    found = estimate(np.array(flow), np.array(sound), sites)
    own = sites.counted & np.array(sound)[np.maximum(sites.near[:, 0], 0)]
    assert (found.flow_veh_h[own] == np.array(flow)[sites.near[own, 0]]).all()
    assert (found.flow_veh_h >= 0.0).all()
    assert found.known.all() == any(sound)
    assert not any(sound) or (found.deviation_veh_h[~own] > 0.0).all()


@given(counts, spoken)
def test_both_code_paths_agree_on_what_nobody_counts(small: Small, flow: list[float], sound: list[bool]) -> None:
    """The decider solves for all counters at once, the interlock puts them in one after the other."""
    told = {street: value for street, value, speaks in zip(COUNTED, flow, sound, strict=True) if speaks}
    snapshot = small.snapshot(EVENING_S, told)
    found = estimate(*required.counted(snapshot, small.layout), small.layout.sites)
    own, known = interlock._flows(snapshot, small.layout)  # pyright: ignore[reportPrivateUsage]
    assert (known == found.known).all()
    guessed = known & ~required.counted_now(found, small.layout)
    mine = found.flow_veh_h + required.SURE_OF_STREET * found.deviation_veh_h
    assert own[guessed] == pytest.approx(mine[guessed], rel=0.02, abs=1.0)


def test_the_estimate_is_that_of_a_joint_normal_distribution(small: Small) -> None:
    """Ordinary kriging against the conditional mean with a common share that is as good as unknown."""
    sites, flow = small.layout.sites, np.array([300.0, 280.0, 330.0, 310.0, 90.0])
    found = estimate(flow, np.ones(len(flow), dtype=np.bool_), sites)
    d = int(np.flatnonzero(~sites.counted)[0])
    some = np.flatnonzero(sites.near[d] >= 0)
    near, usual = sites.near[d, some], sites.usual_near_veh_h[d, some]
    size = (flow[near].sum() / usual.sum()) ** 2
    wide = 1e5 * size
    joint = size * sites.among_ratio[d][np.ix_(some, some)] + wide + np.diag(draw_variance(flow[near]) / usual**2)
    cross = size * sites.towards_ratio[d, some] + wide
    weight = np.linalg.solve(joint, cross)
    assert float(weight @ (flow[near] / usual)) * sites.usual_veh_h[d] == pytest.approx(found.flow_veh_h[d], rel=0.01)
    variance = size * sites.own_ratio[d] + wide - float(cross @ weight)
    assert np.sqrt(variance) * sites.usual_veh_h[d] == pytest.approx(found.deviation_veh_h[d], rel=0.05)


def test_a_silent_counter_leaves_the_timetable_and_others_can_only_raise_it(small: Small) -> None:
    times = small.layout.timetables
    every = np.ones(len(small.layout.cell_asset), dtype=np.bool_)
    layout = replace(small.layout, timetables=replace(times, step=np.full_like(times.step, 1), stored=every))
    quiet = dict.fromkeys(COUNTED, 60.0)
    silent = {street: value for street, value in quiet.items() if street != "main0a"}
    owner = np.repeat(np.arange(len(layout.segments.cell)), np.diff(layout.sites.offsets))
    first = layout.sites.counted & (layout.sites.near[:, 0] == 0)
    segment = int(owner[first][0])
    assert required.now(small.snapshot(EVENING_S, quiet), layout).relax[segment] == 2
    assert required.now(small.snapshot(EVENING_S, silent), layout).relax[segment] == 1
    busy = {**dict.fromkeys(COUNTED, 1600.0), "main0a": None}
    raised = required.now(small.snapshot(EVENING_S, {k: v for k, v in busy.items() if v is not None}), layout)
    assert raised.relax[segment] == 0


def test_surroundings_move_the_class_and_stale_weather_counts_as_wet(small: Small) -> None:
    italian = replace(small.layout, surroundings=replace(small.layout.surroundings, wet_relax=-1))
    quiet, size = dict.fromkeys(COUNTED, 60.0), small.layout.size

    def at(ambient_lx: float, wet_share: float, age_s: float) -> np.ndarray:
        snapshot = small.snapshot(EVENING_S, quiet)
        column = {
            name: Column(np.full(size, value), np.full(size, EVENING_S - age_s), np.ones(size, dtype=np.bool_))
            for name, value in (("ambient_lx", ambient_lx), ("wet_share", wet_share))
        }
        told = replace(snapshot, latest={**snapshot.latest, **column})
        assert (required.surroundings(told, italian) == interlock._moves(told, italian)).all()  # pyright: ignore[reportPrivateUsage]
        return required.now(told, italian).relax

    usual = at(3.0, 0.0, 60.0)
    assert (at(0.2, 0.0, 60.0) == np.minimum(usual + 1, 3)).all()
    assert (at(50.0, 0.0, 60.0) == np.maximum(usual - 1, 0)).all()
    assert (at(3.0, 1.0, 60.0) == np.maximum(usual - 1, 0)).all()
    assert (at(3.0, 0.0, 7200.0) == np.maximum(usual - 1, 0)).all()
