# SPDX-License-Identifier: Apache-2.0
"""What the planner believes of the inside of a change, against changes that the box in software lays out and shows."""

from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.services.traffic.adaptive.courses import Rows, courses
from lamplighter.services.traffic.adaptive.survey import changes_s
from lamplighter.services.traffic.simulator import box
from lamplighter.services.traffic.terms import GREEN, LEASED, RED
from lamplighter.services.traffic.tests import district
from lamplighter.services.traffic.tests.test_box import installations

NOW_S = 1000.0
LIGHT = np.zeros(1, np.bool_)


def settled(tables: box.BoxTables, stage: int, next_stage: int) -> box.BoxState:
    """Return a box that has long been in a stage, leased, and is told to go to another."""
    state = box.switch_on(tables, NOW_S - 500.0)
    state.stage[0], state.before[0], state.changing[0], state.mode[0] = stage, stage, False, LEASED
    state.lease_stage[0], state.lease_until_s[0], state.told_s[0] = next_stage, NOW_S + 1000.0, NOW_S
    state.group[:] = np.where(tables.green[stage], GREEN, RED)
    return state


def shown(tables: box.BoxTables, before: int, after: int) -> tuple[np.ndarray, int]:
    """Return the greens of each second of a change (t, g), and how long it takes."""
    state, seconds = settled(tables, before, after), list[np.ndarray]()
    for second in range(60):
        state.told_s[0] = NOW_S
        box.step(tables, state, NOW_S + second, LIGHT)
        if not state.changing[0]:
            return np.array(seconds).reshape(-1, tables.green.shape[1]), second
        seconds.append(state.group == GREEN)
    raise AssertionError("a change that does not end")


def laid_out(tables: box.BoxTables, rows: Rows, change_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what the planner believes of a box with these tables."""
    layout: Any = SimpleNamespace(
        stages=SimpleNamespace(offsets=tables.stage_offsets, green=tables.green, gives_way=tables.gives_way),
        groups=SimpleNamespace(offsets=tables.group_offsets, yellow_s=tables.yellow_s, red_amber_s=tables.red_amber_s),
        pairs=SimpleNamespace(
            offsets=tables.pair_offsets, from_group=tables.pair_from, to_group=tables.pair_to, intergreen_s=tables.pair_s
        ),
    )
    return courses(layout, rows, change_s)


def test_changes_take_as_long_as_every_box_of_the_district_needs(tmp_path: Path) -> None:
    """Each box in software goes through each of its changes, from a stage that it has long been in."""
    layout = district.layout(tmp_path / "city")
    tables, believed_s = box.install(layout), changes_s(layout)
    boxes, changes = len(layout.boxes.tls), 0
    for n in range(boxes):
        base, stages = int(layout.stages.offsets[n]), int(np.diff(layout.stages.offsets)[n])
        groups = slice(*layout.groups.offsets[n : n + 2].tolist())
        for before, after in permutations(range(stages), 2):
            state = box.switch_on(tables, NOW_S - 500.0)
            state.stage[n], state.before[n], state.changing[n], state.mode[n] = before, before, False, LEASED
            state.lease_stage[n], state.lease_until_s[n] = after, NOW_S + 1000.0
            state.group[groups] = np.where(layout.stages.green[base + before, : groups.stop - groups.start], GREEN, RED)
            took_s = 0
            while took_s == 0 or bool(state.changing[n]):
                state.told_s[n] = NOW_S
                box.step(tables, state, NOW_S + took_s, np.zeros(boxes, np.bool_))
                took_s += 1
            assert believed_s[base + before, after] == took_s - 1, (str(layout.boxes.tls[n]), before, after)
            changes += 1
    assert changes > 100


@given(installations(), st.data())
def test_greens_within_a_change_are_those_that_the_box_shows(tables: box.BoxTables, data: st.DataObject) -> None:
    stages, groups = tables.green.shape
    before = data.draw(st.integers(0, stages - 1))
    after = data.draw(st.integers(0, stages - 1).filter(lambda n: (tables.green[n] != tables.green[before]).any()))
    gives = np.array([data.draw(st.booleans()) for _ in range(stages * groups)]).reshape(stages, groups)
    tables = tables._replace(gives_way=gives & tables.green)
    seconds, length = shown(tables, before, after)
    change_s = np.zeros((stages, stages))
    change_s[before, after] = length
    one_each = Rows(np.array([0, groups]), np.arange(groups + 1), np.arange(groups))
    keeps_s, begins_s = laid_out(tables, one_each, change_s)
    for n in (*range(groups), *range(groups, 2 * groups)):
        g = n % groups
        was, is_now = tables.green[before, g], tables.green[after, g]
        believed = np.arange(length) >= begins_s[before, after, n] if is_now else np.arange(length) < keeps_s[before, after, n]
        assert seconds[:, g].tolist() == believed.tolist(), (n, was, is_now)
        if was and is_now:
            assert (keeps_s[before, after, n], begins_s[before, after, n]) == (length, 0.0)


def test_of_a_lane_the_first_green_that_ends_and_the_last_that_begins_count() -> None:
    """Groups 0, 1 (one lane) and 2, 3 (another) meet with intergreens that differ."""
    tables = box.BoxTables(
        group_offsets=np.array([0, 4]), stage_offsets=np.array([0, 2]),
        green=np.array([[True, True, False, False], [False, False, True, True]]), gives_way=np.zeros((2, 4), np.bool_),
        green_min_s=np.full(4, 5.0), yellow_s=np.full(4, 3.0), red_amber_s=np.full(4, 1.0), pair_offsets=np.array([0, 3]),
        pair_from=np.array([0, 0, 1]), pair_to=np.array([2, 3, 3]), pair_s=np.array([9.0, 5.0, 4.0]), cycle_s=np.array([60.0]),
        offset_s=np.zeros(1), programme_offsets=np.array([0, 2]), programme_stage=np.arange(2), switch_s=np.array([20.0, 50.0]),
    )  # fmt: skip
    rows = Rows(np.array([0, 2]), np.array([0, 2, 4]), np.arange(4))
    keeps_s, begins_s = laid_out(tables, rows, np.array([[0.0, 9.0], [3.0, 0.0]]))
    assert keeps_s[0, 1].tolist() == [0.0, 0.0, 0.0, 5.0, 0.0, 0.0], "9 s to go: group 0 must end at once, 1 only after 5 s"
    assert begins_s[0, 1].tolist() == [9.0, 9.0, 9.0, 9.0, 9.0, 9.0]
    assert keeps_s[1, 0].tolist() == [0.0] * 6
    assert begins_s[1, 0].tolist() == [1.0, 3.0, 1.0, 1.0, 3.0, 3.0], "nothing is between them: red-amber alone"
