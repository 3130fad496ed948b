# SPDX-License-Identifier: Apache-2.0
"""The fair share: a case by hand, and what makes a share max-min fair on any tree."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.services.grid.network.sharing import share, sums_below
from lamplighter.terms.columns import FloatArray, IntArray

Case = tuple[IntArray, FloatArray, IntArray, FloatArray, FloatArray]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Return parent, headroom, attach, weight and wanted of a random tree with random groups."""
    rows = draw(st.integers(2, 14))
    parent = np.array([-1, *(draw(st.integers(0, row - 1)) for row in range(1, rows))], dtype=np.int64)
    headroom = np.array([1e12, *(draw(st.integers(0, 400)) for _ in range(1, rows))], dtype=np.float64)
    groups = draw(st.integers(1, 10))
    attach = np.array([draw(st.integers(1, rows - 1)) for _ in range(groups)], dtype=np.int64)
    weight = np.array([draw(st.integers(1, 30)) for _ in range(groups)], dtype=np.float64)
    return parent, headroom, attach, weight, weight * 11.0


def _path(parent: IntArray, row: int) -> list[int]:
    path: list[int] = []
    while row >= 0:
        path.append(row)
        row = int(parent[row])
    return path


@given(cases())
@settings(max_examples=150, deadline=None)
def test_no_branch_is_filled_beyond_its_headroom(case: Case) -> None:
    """Whatever the tree: sums below stay within headroom, and nobody gets more than is wanted."""
    parent, headroom, attach, weight, wanted = case
    got, _ = share(parent, headroom, attach, weight, wanted)
    own = np.zeros(len(parent))
    np.add.at(own, attach, got)
    assert (sums_below(parent, own) <= headroom + 1e-6).all()
    assert (got >= 0).all()
    assert (got <= wanted + 1e-9).all()


@given(cases())
@settings(max_examples=150, deadline=None)
def test_the_share_is_max_min_fair(case: Case) -> None:
    """A group short of its wish has a full branch above it on which nobody has more per point (Bertsekas and Gallager, 6.5.2)."""
    parent, headroom, attach, weight, wanted = case
    got, stopped = share(parent, headroom, attach, weight, wanted)
    own = np.zeros(len(parent))
    np.add.at(own, attach, got)
    sums = sums_below(parent, own)
    for group in range(len(attach)):
        if got[group] >= wanted[group] - 1e-6:
            continue
        branch = int(stopped[group])
        assert branch in _path(parent, int(attach[group]))
        assert sums[branch] == pytest.approx(headroom[branch], abs=1e-6)
        below = [g for g in range(len(attach)) if branch in _path(parent, int(attach[g]))]
        assert got[group] / weight[group] >= max(got[g] / weight[g] for g in below) - 1e-6


def test_a_case_by_hand() -> None:
    """One transformer of 100 kW, one street of 20 kW: the street's group stops at 20, the other gets the rest of its wish."""
    parent = np.array([-1, 0, 1, 1], dtype=np.int64)
    got, stopped = share(
        parent,
        np.array([1e12, 100.0, 20.0, 1e9]),
        np.array([2, 3], dtype=np.int64),
        np.array([10.0, 10.0]),
        np.array([110.0, 110.0]),
    )
    assert got.tolist() == [20.0, 80.0]
    assert stopped.tolist() == [2, 1]
