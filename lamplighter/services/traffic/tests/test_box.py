# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.services.traffic.layout import read_layout
from lamplighter.services.traffic.simulator import box
from lamplighter.services.traffic.simulator.telegram import Command
from lamplighter.services.traffic.terms import GREEN, LEASED, LOCAL, RED_AMBER, YELLOW
from lamplighter.services.traffic.tests.crossroads import make_city
from lamplighter.services.traffic.tests.monitor import Watch
from lamplighter.services.traffic.wire import GO_HOME, GO_TO, STAY

LETTERS = {GREEN: "G", YELLOW: "y", RED_AMBER: "u"}
LIGHT = np.zeros(1, np.bool_)


@st.composite
def installations(draw: st.DrawFn) -> box.BoxTables:
    """Draw any box: 2 to 6 groups, any conflicts, stages that fill up any order of groups, any times."""
    groups = draw(st.integers(2, 6))
    meets = np.array([[draw(st.booleans()) for _ in range(groups)] for _ in range(groups)])
    meets = np.triu(meets, 1) | np.triu(meets, 1).T
    meets[0, 1] = meets[1, 0] = True
    stages = []
    for first in range(groups):
        members = [first]
        members += [n for n in range(groups) if n not in members and not any(meets[n, m] for m in members)]
        stages.append(
            [n in members[:1] or (n in members and not meets[n][members[: members.index(n)]].any()) for n in range(groups)]
        )
    pairs = [(f, g) for f in range(groups) for g in range(groups) if meets[f, g]]
    on_foot = [draw(st.booleans()) for _ in range(groups)]
    yellow = np.array([0.0 if foot else 3.0 for foot in on_foot])
    intergreen = np.array([draw(st.integers(int(yellow[f]) + 1, 14)) for f, _ in pairs], float)
    splits = np.array([float(draw(st.integers(20, 40))) for _ in stages])
    change = float(intergreen.max(initial=3.0))
    return box.BoxTables(
        group_offsets=np.array([0, groups]),
        stage_offsets=np.array([0, len(stages)]),
        green=np.array(stages, np.bool_),
        gives_way=np.zeros((len(stages), groups), np.bool_),
        green_min_s=np.array([float(draw(st.integers(5, 12))) for _ in range(groups)]),
        yellow_s=yellow,
        red_amber_s=np.array([0.0 if foot else 1.0 for foot in on_foot]),
        pair_offsets=np.array([0, len(pairs)]),
        pair_from=np.array([f for f, _ in pairs]),
        pair_to=np.array([g for _, g in pairs]),
        pair_s=intergreen,
        cycle_s=np.array([splits.sum()]),
        offset_s=np.array([float(draw(st.integers(0, 30)))]),
        programme_offsets=np.array([0, len(stages)]),
        programme_stage=np.arange(len(stages)),
        switch_s=np.cumsum(splits) - change,
    )


def watch_of(tables: box.BoxTables) -> Watch:
    pairs = list(zip(tables.pair_from.tolist(), tables.pair_to.tolist(), strict=True))
    return Watch(
        [(f, g) for f, g in pairs if f < g], dict(zip(pairs, tables.pair_s.tolist(), strict=True)),
        tables.green_min_s.tolist(), tables.yellow_s.tolist(), tables.red_amber_s.tolist(),
    )  # fmt: skip


def letters(state: box.BoxState) -> str:
    return "".join(LETTERS.get(int(code), "r") for code in state.group)


@given(
    installations(),
    st.lists(
        st.tuples(st.integers(1, 25), st.sampled_from([GO_HOME, GO_TO, STAY]), st.integers(0, 8), st.integers(1, 60)), max_size=25
    ),
)
def test_no_command_makes_a_box_show_what_must_never_be_seen(
    tables: box.BoxTables, told: list[tuple[int, int, int, int]]
) -> None:
    state, now, watch = box.switch_on(tables, 1000.0), 1000.0, watch_of(tables)
    for pause, what, stage, lease in [*told, (200, GO_HOME, 0, 1)]:
        for _ in range(pause):
            box.step(tables, state, now, LIGHT)
            watch.see(letters(state))
            now += 1.0
        box.command(tables, state, 0, Command(what, stage, int(now) + lease), now)
    assert watch.faults == []
    assert watch.greens > 0


def test_the_watch_sees_a_cut_intergreen_and_a_cut_green() -> None:
    watch = Watch([(0, 1)], {(0, 1): 5.0, (1, 0): 5.0}, [5.0, 5.0], [3.0, 3.0], [1.0, 1.0])
    for shown in ("rr", "ur", "Gr", "Gr", "yr", "yu", "rG", "GG"):
        watch.see(shown)
    seen = " ".join(watch.faults)
    for fault in (
        "green of 0 lasted 2 s",
        "yellow of 0 lasted 2 s",
        "0 to 1 after 2 s",
        "0 and 1 green together",
        "no whole red-amber",
    ):
        assert fault in seen


def two_stage_tables(split_s: float = 30.0) -> box.BoxTables:
    """Two conflicting groups, a stage each."""
    return box.BoxTables(
        np.array([0, 2]), np.array([0, 2]), np.eye(2, dtype=np.bool_), np.zeros((2, 2), np.bool_), np.full(2, 5.0),
        np.full(2, 3.0), np.full(2, 1.0), np.array([0, 2]), np.array([0, 1]), np.array([1, 0]), np.full(2, 5.0),
        np.array([2 * split_s]), np.zeros(1), np.array([0, 2]), np.array([0, 1]), np.array([split_s - 5.0, 2 * split_s - 5.0]),
    )  # fmt: skip


def test_the_own_programme_keeps_step_with_its_clock() -> None:
    tables = two_stage_tables()
    state = box.switch_on(tables, 0.0)
    shown: list[str] = []
    for second in range(600):
        box.step(tables, state, float(second), LIGHT)
        shown.append(letters(state))
    assert shown[300:360] == shown[360:420] == shown[540:600]
    assert shown[300] == "Gr"
    assert shown[324] == "Gr"
    assert shown[325:331] == ["yr", "yr", "yr", "rr", "ru", "rG"]


def test_a_lease_that_lapses_returns_the_box_to_its_clock() -> None:
    tables = two_stage_tables()
    free, led = box.switch_on(tables, 0.0), box.switch_on(tables, 0.0)
    modes: list[int] = []
    for second in range(900):
        if second == 400:
            box.command(tables, led, 0, Command(GO_TO, 1, 480), 400.0)
        for state in (free, led):
            box.step(tables, state, float(second), LIGHT)
        modes.append(int(led.mode[0]))
        if second == 470:
            assert letters(led) == "rG"
            assert led.mode[0] == LEASED
        if second >= 600:
            assert letters(free) == letters(led)
    assert modes[480] == LOCAL


def test_a_command_within_the_minimum_green_is_held_back_and_said() -> None:
    tables = two_stage_tables()
    state = box.switch_on(tables, 0.0)
    for second in range(302):
        box.step(tables, state, float(second), LIGHT)
    assert letters(state) == "Gr"
    box.command(tables, state, 0, Command(GO_TO, 1, 400), 302.0)
    box.step(tables, state, 302.0, LIGHT)
    assert letters(state) == "Gr"
    assert state.held[0] == 1
    for second in range(303, 315):
        box.step(tables, state, float(second), LIGHT)
    assert letters(state) == "rG"


def test_a_stage_that_does_not_exist_or_does_not_run_is_ignored_and_said() -> None:
    tables = two_stage_tables()
    state = box.switch_on(tables, 0.0)
    box.step(tables, state, 0.0, LIGHT)
    assert not box.command(tables, state, 0, Command(GO_TO, 7, 100), 0.0)
    assert not box.command(tables, state, 0, Command(STAY, 1, 100), 0.0)
    assert state.held[0] == 2
    assert box.command(tables, state, 0, Command(GO_HOME, 0, 0), 0.0)


@pytest.mark.parametrize("until", [100_000])
def test_without_a_word_for_the_backup_time_the_box_goes_home(until: int) -> None:
    tables = two_stage_tables()
    state = box.switch_on(tables, 0.0)
    box.command(tables, state, 0, Command(GO_TO, 1, until), 0.0)
    for second in range(130):
        box.step(tables, state, float(second), LIGHT)
        assert state.mode[0] == (LEASED if second < box.BACKUP_S else LOCAL)
    box.command(tables, state, 0, Command(GO_HOME, 0, 0), 130.0)


def test_power_that_returns_starts_with_every_intergreen_kept() -> None:
    tables = two_stage_tables()
    state, dark = box.switch_on(tables, 0.0), np.ones(1, np.bool_)
    for second in range(340):
        box.step(tables, state, float(second), LIGHT)
    for second in range(340, 350):
        box.step(tables, state, float(second), dark)
        assert letters(state) == "rr"
    shown: list[str] = []
    for second in range(350, 360):
        box.step(tables, state, float(second), LIGHT)
        shown.append(letters(state))
    assert all("G" not in text for text in shown[:4])
    assert any("G" in text for text in shown)


def test_a_box_keeps_walk_and_clearance_whatever_its_tables_say(tmp_path: Path) -> None:
    layout = read_layout(make_city(tmp_path / "city"))
    short = replace(layout.pairs, intergreen_s=np.array([5.0, 5.0, 4.0, 3.0]))
    usual = box.install(replace(layout, pairs=short))
    assert usual.pair_s.tolist() == [5.0, 5.0, 4.0, 6.0], "7.2 m at 1.2 m/s"
    slow = replace(layout.groups, walk_m_s=np.array([1.2, 1.2, 0.6]), crossing_m=np.array([0.0, 0.0, 9.0]))
    slower = box.install(replace(layout, groups=slow))
    assert slower.pair_s.tolist() == [5.0, 5.0, 4.0, 15.0]
    assert slower.green_min_s.tolist() == [5.0, 5.0, 8.0]
