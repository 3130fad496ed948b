# SPDX-License-Identifier: Apache-2.0
"""Designs: reproducible by anyone, fair, and with blocks long enough for what the arm before left behind."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.evidence.design import Fixed, Switchback, arm, arms, block_of, counted, digest, pair_of, paired_differences

BEGIN_S = 1_768_262_400
DESIGN = Switchback(7, BEGIN_S)


def test_a_fixed_design_is_fixed():
    design = Fixed("adaptive", {"south": "baseline"})
    assert arm(design, "north", 0) == "adaptive"
    assert arms(design, np.array(["north", "south", "north"]), 5).tolist() == [True, False, True]
    assert counted(design, 1)


@given(st.integers(0, 2**31), st.text(max_size=20), st.integers(0, 400), st.integers(0, 11))
def test_every_pair_of_days_gives_the_same_hours_to_each_arm_once(seed, area, pair, slot):
    design = Switchback(seed, BEGIN_S)
    first = BEGIN_S + (2 * pair * 12 + slot) * 7200
    assert {arm(design, area, first), arm(design, area, first + 86400)} == {"adaptive", "baseline"}
    assert arm(design, area, first) == arm(design, area, first + 7199)


def letters(design, late_s=0.0):
    return "".join("A" if arm(design, "north", BEGIN_S + n * 7200 + late_s) == "adaptive" else "b" for n in range(24))


def test_the_lot_is_the_same_on_every_machine():
    drawn = letters(DESIGN)
    assert drawn[:12].translate(str.maketrans("Ab", "bA")) == drawn[12:]
    assert drawn == letters(Switchback(7, BEGIN_S), 3.0)
    assert drawn[:12] == "bAAAAbbbbAAb"
    assert digest(DESIGN) == digest(Switchback(7, BEGIN_S)) != digest(Switchback(8, BEGIN_S))
    assert digest(Fixed("adaptive")) != digest(Fixed("baseline"))


def test_the_lot_is_fair_and_areas_are_drawn_apart():
    times = BEGIN_S + 7200 * np.arange(2000)
    drawn = np.array([[arm(DESIGN, area, float(t)) == "adaptive" for t in times] for area in ("north", "south")])
    assert np.abs(drawn.mean(axis=1) - 0.5).max() < 0.01
    assert abs((drawn[0] == drawn[1]).mean() - 0.5) < 0.06


def test_before_the_begin_and_in_the_lead_in_nothing_counts():
    assert arm(DESIGN, "north", BEGIN_S - 1) == "baseline"
    assert not counted(DESIGN, BEGIN_S - 1)
    assert not counted(DESIGN, BEGIN_S + 1799)
    assert counted(DESIGN, BEGIN_S + 1800)
    assert not counted(DESIGN, BEGIN_S + 7200)


def test_blocks_of_two_hours_recover_nearly_all_of_an_effect_that_settles_in_a_quarter_hour():
    """An effect that settles exponentially: share recovered = 1 - tau (exp(-d/tau) - exp(-b/tau)) / (b - d)."""
    settle_s, block_s, lead_s = 900.0, DESIGN.block_s, DESIGN.lead_in_s
    closed = 1 - settle_s * (math.exp(-lead_s / settle_s) - math.exp(-block_s / settle_s)) / (block_s - lead_s)
    effect, total, seen = 0.0, {True: 0.0, False: 0.0}, {True: 0, False: 0}
    for second in range(0, 400 * 7200, 10):
        treated = arm(DESIGN, "north", BEGIN_S + second) == "adaptive"
        effect += (float(treated) - effect) * (1 - math.exp(-10 / settle_s))
        if counted(DESIGN, BEGIN_S + second):
            total[treated] += effect
            seen[treated] += 1
    recovered = total[True] / seen[True] - total[False] / seen[False]
    assert closed > 0.97
    assert recovered >= closed - 0.01, "each block follows the other arm at most every time"


def test_pairs_are_joined_and_lone_blocks_left_out():
    blocks = np.array([0, 12, 1, 5, 17])
    assert pair_of(DESIGN, blocks).tolist() == [0, 0, 1, 5, 5]
    treated = np.array([arm(DESIGN, "north", BEGIN_S + b * 7200) == "adaptive" for b in blocks])
    assert paired_differences(DESIGN, "north", blocks, np.where(treated, 8.0, 10.0)) == pytest.approx([-2.0, -2.0])
    assert block_of(DESIGN, BEGIN_S + 86400) == 12


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"block_s": 7000}, "must divide a day"), ({"block_s": 600}, "at least 900"), ({"lead_in_s": 4000}, "half a block")],
)
def test_a_design_that_cannot_work_is_refused(changed, said):
    with pytest.raises(ValueError, match=said):
        Switchback(1, BEGIN_S, **changed)
