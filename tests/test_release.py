# SPDX-License-Identifier: Apache-2.0
"""The door to the public: how much noise, what it costs, and what it refuses to let out."""

import math
from dataclasses import replace

import numpy as np
import pytest

from lamplighter.ledger import Ledger, ReleaseMade, verify
from lamplighter.release import (
    BUDGET_MILLIONTHS,
    HOUR_S,
    RHO_MILLIONTHS,
    TOUCHED_MAX,
    ReleaseRefusedError,
    ZoneHours,
    epsilon,
    membership_auc_max,
    release,
    sigma_for,
    spent_millionths,
)
from lamplighter.terms.columns import IntArray

MIDNIGHT_S = 1_768_262_400
LATER_S = MIDNIGHT_S + 31 * HOUR_S


def table(zones=16, *, level=400, begin_s=MIDNIGHT_S, days=1):
    return ZoneHours(
        "zone-hours",
        np.array([f"Z{n}" for n in range(zones)]),
        begin_s,
        days,
        np.full((zones, 24), level),
        np.ones((zones, 24), dtype=bool),
    )


def test_the_noise_has_the_promised_width_and_no_bias(tmp_path):
    with Ledger.open(tmp_path) as ledger:
        made = release(table(500), ledger, LATER_S)
    noise = made.values - 400
    sigma = math.sqrt(TOUCHED_MAX / (2 * RHO_MILLIONTHS / 1e6))
    assert made.sigma_veh == pytest.approx(sigma, rel=1e-6)
    assert made.values.dtype == np.int64
    assert noise.std() == pytest.approx(sigma, rel=0.05)
    assert abs(noise.mean()) < 5 * sigma / math.sqrt(noise.size)
    share = np.abs(noise).mean() / 400
    assert share < 0.05, "a zone-hour of 400 vehicles is wrong by about 4 per cent"


def test_neighbouring_zones_and_hours_get_independent_noise(tmp_path):
    with Ledger.open(tmp_path) as ledger:
        noise = release(table(500), ledger, LATER_S).values - 400
    assert abs(np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]) < 0.05
    assert abs(np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]) < 0.05


def test_a_sum_of_days_bears_the_noise_of_as_many_days():
    assert sigma_for(0.02, 5) == pytest.approx(5 * sigma_for(0.02))
    assert sigma_for(0.02) == pytest.approx(20.6, abs=0.05)


def test_known_bounds():
    assert membership_auc_max(0.02) == pytest.approx(0.556, abs=0.001)
    assert membership_auc_max(0.5) == pytest.approx(0.760, abs=0.001)
    assert epsilon(0.02, 1e-6) == pytest.approx(1.07, abs=0.005)


@pytest.mark.parametrize("releases", [1, 4, 30, 52])
def test_the_accounting_agrees_with_a_second_library(releases):
    accounting = pytest.importorskip("dp_accounting", reason="dp-accounting, the second opinion, is not installed")
    rdp = pytest.importorskip("dp_accounting.rdp")
    accountant = rdp.RdpAccountant()
    rho = RHO_MILLIONTHS / 1e6
    ratio = sigma_for(rho) / math.sqrt(TOUCHED_MAX)
    accountant.compose(accounting.SelfComposedDpEvent(accounting.GaussianDpEvent(ratio), releases))
    theirs = accountant.get_epsilon(1e-6)
    ours = epsilon(rho * releases, 1e-6)
    assert theirs <= ours <= 1.25 * theirs


def test_what_a_release_costs_is_in_the_ledger_before_it_leaves(tmp_path):
    with Ledger.open(tmp_path) as ledger:
        made = release(table(), ledger, LATER_S)
        entry = next(ledger.entries())
        assert isinstance(entry, ReleaseMade)
        assert (entry.table, entry.budget) == ("zone-hours 2026-01-13", "2026")
        assert entry.content_sha256 == made.content_sha256
        assert spent_millionths(ledger, "2026") == RHO_MILLIONTHS
        ledger.checkpoint()
    assert verify(tmp_path).sound


def test_a_spent_budget_refuses_and_a_restart_does_not_forget(tmp_path):
    made = 0
    refused = ""
    for day in range(60):
        begin_s = MIDNIGHT_S + day * 24 * HOUR_S
        with Ledger.open(tmp_path) as ledger:
            try:
                release(table(2, begin_s=begin_s), ledger, begin_s + 31 * HOUR_S)
                made += 1
            except ReleaseRefusedError as error:
                refused = str(error)
    assert made == BUDGET_MILLIONTHS // RHO_MILLIONTHS == 52
    assert "the budget of 2026 is 1040000 millionths of rho, 1040000 are spent" in refused
    with Ledger.open(tmp_path) as ledger:
        next_year_s = MIDNIGHT_S + 365 * 24 * HOUR_S
        release(table(2, begin_s=next_year_s), ledger, next_year_s + 31 * HOUR_S)


def test_the_same_day_is_not_drawn_twice(tmp_path):
    with Ledger.open(tmp_path) as ledger:
        release(table(), ledger, LATER_S)
        with pytest.raises(ReleaseRefusedError, match="was made before"):
            release(table(level=401), ledger, LATER_S)
        assert spent_millionths(ledger, "2026") == RHO_MILLIONTHS


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"counts": np.full((16, 96), 3), "covered": np.ones((16, 96), dtype=bool)}, "holds 96 hours"),
        ({"begin_s": MIDNIGHT_S + 900}, "allowed are whole hours"),
        ({"days": 8}, "summed over 8 days"),
        ({"counts": np.full((16, 24), 3.5)}, "counts must be integers of shape"),
        ({"counts": np.full((15, 24), 3)}, "counts must be integers of shape"),
        ({"zone": np.array(["Z0"] * 16)}, "a zone is listed twice"),
        ({"counts": np.full((16, 24), -1)}, "zone Z0, hour 0 counts -1, below 0"),
    ],
)
def test_what_may_not_leave_is_refused_and_costs_nothing(tmp_path, change, said):
    with Ledger.open(tmp_path) as ledger:
        with pytest.raises(ReleaseRefusedError, match=said):
            release(replace(table(), **change), ledger, LATER_S)
        assert len(ledger) == 0


def test_nothing_leaves_before_its_hour(tmp_path):
    with Ledger.open(tmp_path) as ledger:
        with pytest.raises(ReleaseRefusedError, match="is due at 2026-01-14 06:00 UTC"):
            release(table(), ledger, MIDNIGHT_S + 29 * HOUR_S)
        with pytest.raises(ReleaseRefusedError, match="is due at 2026-01-20 06:00 UTC"):
            release(table(days=7), ledger, LATER_S)
        assert len(ledger) == 0


def test_hours_that_were_not_measured_are_absent_not_zero(tmp_path):
    covered = np.ones((16, 24), dtype=bool)
    covered[3, 5] = False
    with Ledger.open(tmp_path) as ledger:
        made = release(replace(table(), covered=covered), ledger, LATER_S)
    assert not made.present[3, 5]
    assert made.values[3, 5] == 0
    assert made.present.sum() == 16 * 24 - 1


def test_the_best_attacker_on_one_person_stays_under_the_bound(tmp_path):
    """The likelihood-ratio test on a person's own cells is the strongest there is: its AUC must meet the bound, not pass it."""
    scores: dict[int, IntArray] = {}
    with Ledger.open(tmp_path) as ledger:
        for present in (0, 1):
            counts = np.full((1700, 24), 400)
            counts[:, 8] += present  # 1700 / 17 = 100 people, each with 17 cells of their own
            made = release(replace(table(1700, begin_s=MIDNIGHT_S + present * 24 * HOUR_S), counts=counts), ledger, LATER_S * 2)
            scores[present] = (made.values[:, 8] - 400).reshape(100, 17).sum(axis=1)
    auc = (scores[1][:, None] > scores[0][None, :]).mean() + 0.5 * (scores[1][:, None] == scores[0][None, :]).mean()
    assert auc < membership_auc_max(RHO_MILLIONTHS / 1e6) + 4 * 0.041
