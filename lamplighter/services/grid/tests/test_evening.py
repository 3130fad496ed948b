# SPDX-License-Identifier: Apache-2.0
"""A golden evening: the same cars and the same cold with and without lamplighter, judged by the engine's truth."""

from functools import cache

import numpy as np
import pytest

from lamplighter.services.grid import SERVICE
from lamplighter.services.grid.outcomes import derive, describe, explain
from lamplighter.services.grid.terms import BELOW_GUARANTEE
from lamplighter.services.grid.tests.small import Evening, small_city

HOURS = 4


@cache
def evening(arm: str) -> Evening:
    """Return the whole evening, 16:00 to 20:00, under one arm."""
    return Evening(small_city(), arm).minutes(HOURS * 60)


def test_without_control_the_evening_is_short_of_room() -> None:
    """Cars that charge as they come push cables and transformers above their rating for hours."""
    truth = evening("baseline").truth
    assert truth["overload_h"] > 3.0
    assert truth["voltage_lowest_pu"] < 0.95


def test_with_control_nothing_is_overloaded() -> None:
    """Nothing above its rating in any minute, voltage in band, more than half of the energy charged all the same."""
    with_us, without = evening("adaptive").truth, evening("baseline").truth
    assert with_us["overload_h"] == 0.0
    assert with_us["voltage_lowest_pu"] > 0.92
    assert with_us["loss_kwh"] < without["loss_kwh"]
    assert with_us["charging_kwh"] > 0.6 * without["charging_kwh"]
    assert with_us["energy_late_kwh"] < 0.02 * with_us["charging_kwh"]


def test_what_is_proposed_is_hardly_ever_refused() -> None:
    """Two code paths for the same physics agree so well that less than one proposal in a hundred is refused."""
    run = evening("adaptive")
    assert run.refused < 0.01 * HOURS * 60 * len(run.run.prepared.installed_kw)


@pytest.mark.parametrize("arm", ["baseline", "adaptive"])
def test_a_city_can_measure_what_the_field_knows(arm: str) -> None:
    """Outcomes from meters against the truth; waiting energy is told by groups of five points or more alone, hence low."""
    run = evening(arm)
    assert run.measured["charging_kwh"] == pytest.approx(run.truth["charging_kwh"], rel=0.001)
    assert run.measured["loss_kwh"] == pytest.approx(run.truth["loss_kwh"], rel=0.05)
    assert run.measured["voltage_lowest_pu"] == pytest.approx(run.truth["voltage_lowest_pu"], abs=0.01)
    assert run.measured["overload_h"] == pytest.approx(run.truth["overload_h"], rel=0.15, abs=0.2)
    assert run.measured["energy_waiting_kwh_h"] < run.truth["energy_waiting_kwh_h"]


def test_the_same_seed_is_the_same_evening() -> None:
    """Ten minutes twice: equal to the last bit."""
    one, two = (Evening(small_city(), "adaptive", seed=5).minutes(10).truth for _ in range(2))
    assert one == two


def test_a_silent_station_lets_its_leases_lapse() -> None:
    """A meter that goes silent: no new leases behind it, its boxes fall to their permanent maximum, nothing overloads."""
    run = Evening(small_city(), "adaptive").minutes(100)
    prepared = run.run.prepared
    station = str(prepared.grid.station_id[0])
    run.field.inject("silent_station", {"asset": station})
    before = run.truth["overload_h"]
    run.minutes(12)
    assert run.tick is not None
    said = run.tick.snapshot.latest["charging_limit_kw"].value[prepared.group_at]
    mine = prepared.grid.groups.station == 0
    np.testing.assert_allclose(said[mine], prepared.grid.groups.p_safe_kw[mine], atol=0.01)
    assert run.truth["overload_h"] == before
    at = int(prepared.station_at[0]) + run.city.span.start
    assert "silent" in " ".join(explain(run.tick.snapshot, prepared, at))


def test_handing_back_leaves_the_permanent_maximum() -> None:
    """One button: every box back on what is installed for good, and the evening stays sound."""
    from lamplighter.runtime import loop

    run = Evening(small_city(), "adaptive").minutes(100)
    run.messages, boxes = loop.hand_back(run.run, run.now_s)
    assert boxes == len(run.run.prepared.installed_kw) + len(run.run.prepared.inverter_at)
    before = run.truth["overload_h"]
    run.minutes(10)
    assert run.truth["overload_h"] == before


def test_every_asset_can_say_why() -> None:
    """Sentences for one asset of each kind, and for a proposal; derived values for every line and station."""
    run = evening("adaptive")
    tick, prepared = run.tick, run.run.prepared
    assert tick is not None
    for kind in SERVICE.kinds:
        at = int(np.flatnonzero(run.city.assets.kind == kind.name)[0])
        assert all(len(sentence) > 10 for sentence in explain(tick.snapshot, prepared, at))
    proposals = tick.verdict.permits[0].proposals
    assert "kW" in describe(proposals, 0, prepared)
    columns = derive(tick.snapshot, None, prepared)
    closed = prepared.grid.tree.branch[prepared.grid.tree.branch >= 0]
    at = np.concatenate([prepared.line_at, prepared.station_at])[closed]
    assert columns["loading"].present[at].all()


def test_what_the_law_guarantees_is_named_when_it_cannot_be_kept() -> None:
    """Where points get less than 4.2 kW each the reason says so."""
    run = evening("adaptive")
    assert run.tick is not None
    proposals = run.tick.verdict.permits[0].proposals
    prepared = run.run.prepared
    wanting = run.tick.snapshot.latest["charging_wanting"].value[prepared.group_at]
    back = {int(asset): group for group, asset in enumerate(prepared.group_at + prepared.city.span.start)}
    for row in range(len(proposals)):
        group = back[int(proposals.asset[row])]
        if int(proposals.because[row]) == BELOW_GUARANTEE:
            assert proposals.values["p_max_kw"][row] < 4.2 * (wanting[group] + 2)
            assert prepared.grid.groups.access[group] == "private"
