# SPDX-License-Identifier: Apache-2.0
"""How many vehicles are at the first stop line of their trip: chains of streets worked by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.services.traffic.layout import Layout, read_layout
from lamplighter.services.traffic.passages import Passages, first_share, passages
from lamplighter.services.traffic.tests.crossroads import make_city
from lamplighter.terms.city import Streets


def chain(tmp_path: Path, onward: str) -> tuple[Layout, Streets]:
    """Return the hand-made crossing with a street from we2 to the stop line of sn1, led there by `onward`."""
    city = make_city(tmp_path / "city")
    s = city.streets
    last = {"direct": "M", "nowhere": "X"}[onward]
    begins = np.append(s.from_node, "E")
    begins[s.id.tolist().index("sn1")] = "M"
    kept = ("name", "kind", "highway", "length_m", "width_m", "lanes", "speed_m_s", "lit", "area")
    fields = {name: np.append(getattr(s, name), getattr(s, name)[-1]) for name in kept}
    more = replace(s, id=np.append(s.id, "more"), from_node=begins, to_node=np.append(s.to_node, last), **fields)
    return read_layout(city), more


def test_what_came_over_another_stop_line_is_not_counted_again(tmp_path: Path) -> None:
    found = passages(*chain(tmp_path, "direct"))
    share = first_share(found, np.array([60.0, 100.0]))  # 60 over we1, of which all go on to sn1; 100 over sn1
    assert share.tolist() == pytest.approx([1.0, 0.4])
    assert (share * np.array([60.0, 100.0])).sum() == pytest.approx(100.0)


def test_where_streets_lead_out_of_the_network_everybody_is_counted(tmp_path: Path) -> None:
    found = passages(*chain(tmp_path, "nowhere"))
    assert first_share(found, np.array([60.0, 100.0])).tolist() == [1.0, 1.0]


@given(st.lists(st.floats(0.0, 1000.0), min_size=4, max_size=4), st.floats(0.0, 1.0))
def test_a_share_is_a_share(passed: list[float], share: float) -> None:
    loops = np.array([0, 1, 1, 2])
    found = Passages(loops, 3, np.array([0, 1, 2, 3]), np.array([1, 2, 0, 0]), np.full(4, share))
    first = first_share(found, np.array(passed))
    assert bool(((first >= 0.0) & (first <= 1.0)).all())
    assert first[1] == first[2], "lanes of one approach share what came from elsewhere"
