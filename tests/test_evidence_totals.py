# SPDX-License-Identifier: Apache-2.0
"""Outcome totals against a slow, obvious count of the same rows."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.evidence.totals import OutcomeTotals
from lamplighter.terms.outcome import Outcome, OutcomeRows

OUTCOMES = (
    Outcome("energy_kwh", "sum", "lower", ""),
    Outcome("delay_s_per_trip", "mean", "lower", ""),
    Outcome("wait_max_s", "max", "lower", ""),
    Outcome("u_min_pu", "min", "higher", ""),
)
AREAS = ("north", "south", "east")
ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), st.floats(-1e6, 1e6), st.floats(0, 1e3)),
    max_size=40,
)


def rows(content: list[tuple[int, int, float, float]]) -> OutcomeRows:
    outcome, area, value, weight = zip(*content, strict=True) if content else ((), (), (), ())
    return OutcomeRows(
        np.array(outcome, dtype=np.int64), np.array(area, dtype=np.int64), np.array(value, float), np.array(weight, float)
    )


def obvious(content: list[tuple[int, int, float, float]]) -> dict[str, float]:
    result: dict[str, float] = {}
    for index, outcome in enumerate(OUTCOMES):
        mine = [(value, weight) for o, _, value, weight in content if o == index]
        if outcome.combine == "mean":
            total = sum(weight for _, weight in mine)
            if total > 0:
                result[outcome.name] = sum(v * w for v, w in mine) / total
        elif mine:
            values = [value for value, _ in mine]
            result[outcome.name] = {"sum": sum(values), "max": max(values), "min": min(values)}[outcome.combine]
    return result


def close(left: dict[str, float], right: dict[str, float]) -> None:
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert math.isclose(value, right[name], rel_tol=1e-9, abs_tol=1e-6), name


@settings(max_examples=150, deadline=None)
@given(ROWS, ROWS)
def test_totals_equal_an_obvious_count_and_merging_equals_adding(first, second):
    one, two = OutcomeTotals(OUTCOMES, AREAS), OutcomeTotals(OUTCOMES, AREAS)
    one.add(rows(first))
    two.add(rows(second))
    close(one.totals(), obvious(first))
    close(one.merged(two).totals(), obvious(first + second))
    per_area = one.per_area()
    for position, area in enumerate(AREAS):
        close(per_area.get(area, {}), obvious([r for r in first if r[1] == position]))


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_the_columns_for_the_record_add_up_to_the_same_totals(content):
    totals = OutcomeTotals(OUTCOMES, AREAS)
    totals.add(rows(content))
    columns = totals.columns()
    again = OutcomeTotals(OUTCOMES, AREAS)
    names = [outcome.name for outcome in OUTCOMES]
    again.add(
        OutcomeRows(
            np.array([names.index(n) for n in columns["outcome"]], dtype=np.int64),
            np.array([AREAS.index(a) for a in columns["area"]], dtype=np.int64),
            columns["value"],
            columns["weight"],
        )
    )
    close(again.totals(), totals.totals())


def test_what_was_never_reported_is_absent():
    totals = OutcomeTotals(OUTCOMES, AREAS)
    assert totals.totals() == {}
    assert totals.per_area() == {}
    totals.add(rows([(1, 0, 12.0, 0.0), (0, 1, 0.0, 1.0)]))
    assert totals.totals() == {"energy_kwh": 0.0}
    assert totals.per_area() == {"south": {"energy_kwh": 0.0}}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((4, 0, 1.0, 1.0), "outcome 4, allowed is 0 to 3"),
        ((0, -1, 1.0, 1.0), "energy_kwh: row 1 has area -1, allowed is 0 to 2"),
        ((3, 0, math.nan, 1.0), "u_min_pu: row 1 has value nan"),
        ((1, 0, 1.0, -2.0), "delay_s_per_trip: row 1 has weight -2.0"),
    ],
)
def test_a_row_that_cannot_be_counted_is_named_and_nothing_is_counted(row, said):
    totals = OutcomeTotals(OUTCOMES, AREAS)
    with pytest.raises(ValueError, match=said):
        totals.add(rows([(0, 0, 1.0, 1.0), row]))
    assert totals.totals() == {}


def test_totals_of_other_outcomes_are_not_merged():
    with pytest.raises(ValueError, match="same outcomes and areas"):
        OutcomeTotals(OUTCOMES, AREAS).merged(OutcomeTotals(OUTCOMES, ("north",)))


def test_totals_travel_between_processes():
    totals = OutcomeTotals(OUTCOMES, AREAS)
    totals.add(rows([(0, 2, 5.0, 1.0)]))
    assert pickle.loads(pickle.dumps(totals)).totals() == {"energy_kwh": 5.0}
