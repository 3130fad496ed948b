# SPDX-License-Identifier: Apache-2.0
"""Merging: what is kept holds enough users and boxes, nothing is lost but what is said to be, and nothing can be subtracted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.history import merging
from lamplighter.history.merging import BY_BLOCK, BY_BOX, BY_REST, BY_WINDOW, NOT_KEPT
from lamplighter.history.tables import FLOORS, LOW_COUNT, BelowFloorError, checked

COUNTS = st.integers(0, 40)


@st.composite
def cities(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """Users per window and cell, the box of each cell, the area of each box, and the kind of the cells."""
    boxes = draw(st.integers(1, 6))
    cell_box = np.sort(np.array(draw(st.lists(st.integers(0, boxes - 1), min_size=1, max_size=12)), np.int64))
    windows = draw(st.integers(1, 3))
    rows = draw(st.lists(st.lists(COUNTS, min_size=len(cell_box), max_size=len(cell_box)), min_size=windows, max_size=windows))
    area = np.array(draw(st.lists(st.integers(0, 2), min_size=boxes, max_size=boxes)), np.int64)
    return np.array(rows, np.float64), cell_box, area, draw(st.sampled_from(["approach", "crossings"]))


@settings(max_examples=300, deadline=None)
@given(cities())
def test_whatever_is_kept_has_enough_users(city: tuple[np.ndarray, np.ndarray, np.ndarray, str]) -> None:
    users, cell_box, area, kind = city
    found = merging.fineness(users, cell_box, area, kind)
    for box, how in enumerate(found.how.tolist()):
        mine = users[:, cell_box == box]
        if how == BY_WINDOW:
            assert kind == "approach", "crossings are never kept finer than a quarter of an hour"
            assert (mine >= LOW_COUNT).all()
        elif how == BY_BLOCK:
            assert (mine.sum(axis=0) >= LOW_COUNT).all()
        elif how == BY_BOX:
            joined = found.joined[cell_box == box]
            assert mine[:, joined].sum() >= LOW_COUNT
            assert np.count_nonzero(joined) >= FLOORS["zone"].members_min
            assert (mine[:, ~joined].sum(axis=0) >= LOW_COUNT).all()
            assert joined.any()
    for number in np.unique(area).tolist():
        rest = np.flatnonzero((area == number) & (found.how == BY_REST))
        if len(rest):
            assert len(rest) >= FLOORS["rest"].members_min
            assert users[:, np.isin(cell_box, rest)].sum() >= LOW_COUNT


@settings(max_examples=300, deadline=None)
@given(cities())
def test_what_is_not_kept_is_all_of_its_area_or_an_empty_box(city: tuple[np.ndarray, np.ndarray, np.ndarray, str]) -> None:
    """Otherwise a total of the area less what is kept would tell it."""
    users, cell_box, area, kind = city
    found = merging.fineness(users, cell_box, area, kind)
    has_cells = np.isin(np.arange(len(area)), cell_box)
    for number in np.unique(area[(found.how == NOT_KEPT) & has_cells]).tolist():
        assert (found.how[(area == number) & has_cells] == NOT_KEPT).all()
        alone = np.count_nonzero((area == number) & has_cells) < FLOORS["rest"].members_min
        assert alone or users[:, area[cell_box] == number].sum() < LOW_COUNT


def test_a_quiet_street_joins_the_next_quietest_and_the_others_stand_by_themselves() -> None:
    users = np.array([[3.0, 80.0, 12.0, 40.0]])
    found = merging.fineness(users, np.zeros(4, np.int64), np.zeros(1, np.int64), "approach")
    assert found.how.tolist() == [BY_BOX]
    assert found.joined.tolist() == [True, False, True, False]


@settings(max_examples=200, deadline=None)
@given(cities())
def test_one_user_more_where_few_are_changes_nothing(city: tuple[np.ndarray, np.ndarray, np.ndarray, str]) -> None:
    """In an area that stays below the floor altogether, one more user leaves the same: nothing."""
    users, cell_box, area, kind = city
    quiet = np.zeros_like(users)
    quiet[:, 0] = 2.0
    more = quiet.copy()
    more[0, 0] += 1.0
    for night in (quiet, more):
        assert (merging.fineness(night, cell_box, area, kind).how == NOT_KEPT).all()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(COUNTS, st.integers(0, 2)), min_size=1, max_size=8))
def test_decisions_of_a_reason_are_kept_by_ten_or_put_together(rows: list[tuple[int, int]]) -> None:
    counts, area = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    own, rest = merging.few_together(counts, area)
    assert (counts[own] >= LOW_COUNT).all()
    assert (counts[~own] < LOW_COUNT).all()
    for number, (total, members) in rest.items():
        assert total == counts[~own & (area == number)].sum() >= LOW_COUNT
        assert members >= 2


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 2), st.floats(0, 1e6), st.floats(0, 1e6)), max_size=12))
def test_putting_together_keeps_sums_and_the_largest(rows: list[tuple[int, float, float]]) -> None:
    into = np.array([row[0] for row in rows], np.int64)
    values = np.array([row[1:] for row in rows], np.float64).reshape(-1, 2)
    made = merging.merged(values, into, 3, np.array([False, True]))
    for group in range(3):
        mine = values[into == group]
        assert made[group, 0] == pytest.approx(mine[:, 0].sum())
        assert made[group, 1] == (mine[:, 1].max() if len(mine) else 0.0)


@pytest.mark.parametrize(
    ("kind", "window_s", "members", "users", "word"),
    [("approach", 300, 1, 9, "users"), ("approach", 60, 1, 50, "window_s"), ("crossings", 300, 1, 50, "window_s"),
     ("rest", 900, 1, 50, "members"), ("stage", 300, 1, 9, "users"), ("zone", 900, 2, 9, "users")],
)  # fmt: skip
def test_the_table_itself_refuses_what_is_below_a_floor(kind: str, window_s: int, members: int, users: int, word: str) -> None:
    row = {
        "run": "r", "service": "traffic", "account": "wait_s", "part": "", "group_kind": kind, "group_name": "J1/a",
        "members": members, "window_start_s": 1_768_316_400, "window_s": window_s, "users": users, "value": 1.0,
    }  # fmt: skip
    columns = {name: np.array([value]) for name, value in row.items()}
    with pytest.raises(BelowFloorError, match=f"column {word}"):
        checked("accounts", columns)
    enough = {**columns, "window_s": np.array([900]), "members": np.array([2]), "users": np.array([LOW_COUNT])}
    assert len(checked("accounts", enough)["value"]) == 1


def test_a_reason_that_was_given_nine_times_is_no_row() -> None:
    row = {
        "run": "r", "service": "traffic", "kind": "permit", "action": "start_stage", "reason": "people wait", "group_kind": "box",
        "group_name": "J1", "members": 1, "window_start_s": 1_768_316_400, "window_s": 900, "count": 9,
    }  # fmt: skip
    with pytest.raises(BelowFloorError, match="column count"):
        checked("decisions", {name: np.array([value]) for name, value in row.items()})
