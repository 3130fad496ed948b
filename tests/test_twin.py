# SPDX-License-Identifier: Apache-2.0
"""The twin: folding, ages, leases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter import privacy, safety, twin
from lamplighter.terms.measurement import FRAME
from tests.spine import CITY, NO_HOLDS, NOW_S, PREPARED, PRESSURE, PUMPS, proposals, snapshot
from tests.water import SERVICE

REGISTRY = privacy.register(SERVICE, CITY.assets, CITY.vocabulary)
WINDOW = int(NOW_S // 60) - 1


def measured(pairs: list[tuple[int, int]], now_s: float = NOW_S) -> privacy.Measurements:
    frames = np.zeros(len(pairs), FRAME)
    for row, (asset, value) in enumerate(pairs):
        frames[row] = (asset, PRESSURE, 1, int(now_s // 60) - 1, value)
    return privacy.admit(frames.tobytes(), REGISTRY, now_s)[0]


def test_folding_keeps_what_is_not_renewed_and_its_age() -> None:
    first = twin.fold({}, measured([(0, 300), (1, 310)]), CITY.vocabulary, CITY.span)
    second = twin.fold(first, measured([(1, 400)], NOW_S + 60), CITY.vocabulary, CITY.span)
    column = second["pressure_bar"]
    assert column.value[:2].tolist() == pytest.approx([3.0, 4.0])
    assert column.known_at_s[:2].tolist() == [NOW_S, NOW_S + 60]
    assert column.present.tolist() == [True, True] + [False] * 6
    assert first["pressure_bar"].value[1] == pytest.approx(3.1)
    assert column.fresh(NOW_S + 70, 30).tolist() == [False, True] + [False] * 6


def test_columns_cannot_be_written_to() -> None:
    columns = twin.fold({}, measured([(0, 300)]), CITY.vocabulary, CITY.span)
    with pytest.raises(ValueError, match="read-only"):
        columns["pressure_bar"].value[0] = 1.0


@given(st.lists(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 1000)), unique_by=lambda t: t[0]), max_size=6))
def test_folding_equals_a_plain_dictionary(batches: list[list[tuple[int, int]]]) -> None:
    plain: dict[int, float] = {}
    columns: twin.Columns = {}
    for number, batch in enumerate(batches):
        columns = twin.fold(columns, measured(batch, NOW_S + 60 * number), CITY.vocabulary, CITY.span)
        plain.update({asset: value * 0.01 for asset, value in batch})
    if plain:
        column = columns["pressure_bar"]
        assert {i: column.value[i] for i in np.flatnonzero(column.present)} == pytest.approx(plain)


def test_a_lease_lapses_and_handing_back_ends_it_at_once() -> None:
    verdict = safety.examine(SERVICE, snapshot(), (proposals([1, 2], [0.5, 0.5]),), PREPARED, NO_HOLDS)
    running = twin.enter_into_force(snapshot().in_force, verdict.permits, CITY.span, NOW_S)
    assert running["run_pump"].active.sum() == 2
    assert twin.lapse(running, NOW_S + 299.9)["run_pump"].active.sum() == 2
    assert twin.lapse(running, NOW_S + 300.0)["run_pump"].active.sum() == 0
    freed = twin.enter_into_force(running, [safety.hand_back(np.array([1]), NOW_S + 1)], CITY.span, NOW_S + 1)
    assert np.flatnonzero(freed["run_pump"].active).tolist() == [2]


def test_a_renewal_keeps_since_and_a_change_renews_it() -> None:
    first = safety.examine(SERVICE, snapshot(), (proposals([1, 2], [0.5, 0.5]),), PREPARED, NO_HOLDS).permits
    running = twin.enter_into_force(snapshot().in_force, first, CITY.span, NOW_S - 100)
    second = safety.examine(SERVICE, snapshot(in_force=running), (proposals([1, 2], [0.5, 0.7]),), PREPARED, NO_HOLDS).permits
    after = twin.enter_into_force(running, second, CITY.span, NOW_S)
    assert after["run_pump"].since_s[1:3].tolist() == [NOW_S - 100, NOW_S]
    assert len(after["run_pump"].active) == PUMPS


def test_what_was_overtaken_on_its_way_replaces_nothing() -> None:
    newest = twin.fold({}, measured([(0, 300)], NOW_S + 60), CITY.vocabulary, CITY.span)
    late = twin.fold(newest, measured([(0, 900), (1, 500)], NOW_S), CITY.vocabulary, CITY.span)
    assert late["pressure_bar"].value[:2].tolist() == pytest.approx([3.0, 5.0])
    assert late["pressure_bar"].known_at_s[0] == NOW_S + 60
