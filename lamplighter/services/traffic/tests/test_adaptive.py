# SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.services.traffic import SERVICE
from lamplighter.services.traffic.prepared import Prepared, prepare
from lamplighter.services.traffic.terms import REASONS
from lamplighter.services.traffic.tests.crossroads import make_city
from lamplighter.services.traffic.tests.scenes import refused, snapshot
from lamplighter.terms.city import CityData
from lamplighter.terms.decision import Proposals
from lamplighter.terms.snapshot import Snapshot

One = tuple[CityData, Prepared]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> One:
    city = make_city(Path(tmp_path_factory.mktemp("one")) / "city")
    return city, prepare(city)


def decide(one: One, seen: Snapshot, state: Any = None) -> tuple[Proposals, Proposals, Any]:
    (starts, holds), memory = SERVICE.adaptive(seen, SERVICE.start(one[1]) if state is None else state, one[1])
    return starts, holds, memory


def test_green_goes_where_the_queue_is(one: One) -> None:
    starts, holds, _ = decide(one, snapshot(one[0], {"area_veh": {"d3": 6}, "queue_veh": {"d3": 6}}))
    assert starts.values["stage"].tolist() == [1.0]
    assert len(holds) == 0
    assert REASONS[starts.because[0]] == REASONS[0]
    assert SERVICE.describe(starts, 0, one[1]).startswith("West Street / South Street: green to South Street, because its queues")


def test_a_queue_that_discharges_keeps_its_green(one: One) -> None:
    seen = snapshot(one[0], {"area_veh": {"d2": 6, "d3": 2}, "queue_veh": {"d2": 5, "d3": 2}})
    starts, holds, _ = decide(one, seen)
    assert len(starts) == 0
    assert holds.values["stage"].tolist() == [0.0]


def test_nothing_is_started_within_a_minimum_green(one: One) -> None:
    seen = snapshot(one[0], {"area_veh": {"d3": 6}, "queue_veh": {"d3": 6}, "group_elapsed_s": {"J.g0": 3}})
    assert len(decide(one, seen)[0]) == 0


def test_somebody_who_waited_long_is_served_against_a_longer_queue(one: One) -> None:
    seen = snapshot(one[0], {"area_veh": {"d2": 8, "d3": 1}, "queue_veh": {"d2": 8, "d3": 1}, "group_elapsed_s": {"J.g1": 91}})
    starts, _, _ = decide(one, seen)
    assert starts.values["stage"].tolist() == [1.0]
    assert REASONS[starts.because[0]] == REASONS[1]


def test_people_on_foot_who_call_are_let_go_when_nothing_else_presses(one: One) -> None:
    running = {
        "running_stage": {"J": 1},
        "group_state": {"J.g0": 0, "J.g1": 2, "J.g2": 0},
        "call_waiting": {"d6": 1},
    }
    starts, _, _ = decide(one, snapshot(one[0], running))
    assert starts.values["stage"].tolist() == [0.0]
    assert REASONS[starts.because[0]] == REASONS[2]


def test_nothing_is_fed_into_a_full_street(one: One) -> None:
    full = {"area_veh": {"d2": 6, "d3": 2, "d5": 8}, "queue_veh": {"d2": 5, "d3": 2, "d5": 8}}
    starts, _, _ = decide(one, snapshot(one[0], full))
    assert starts.values["stage"].tolist() == [1.0]
    assert REASONS[starts.because[0]] == REASONS[4]


def test_a_silent_detector_leaves_the_box_to_its_own_programme(one: One) -> None:
    starts, holds, _ = decide(one, snapshot(one[0], {"area_veh": {"d2": 6}}, age_s=30.0))
    assert len(starts) + len(holds) == 0


def test_a_stuck_detector_leaves_the_box_to_its_own_programme(one: One) -> None:
    seen = snapshot(one[0], {"area_veh": {"d2": 3}})
    state, proposed = SERVICE.start(one[1]), []
    for second in range(120):
        later = Snapshot(
            seen.now_s + second, seen.assets, seen.span,
            {name: type(c)(c.value, c.known_at_s + second, c.present) for name, c in seen.latest.items()},
            {}, seen.in_force, seen.adaptive, seen.vocabulary, {},
        )  # fmt: skip
        starts, holds, state = decide(one, later, state)
        proposed.append(len(starts) + len(holds))
    assert proposed[80] == 1
    assert proposed[-1] == 0


def test_a_stuck_loop_leaves_the_box_to_its_own_programme(one: One) -> None:
    """A loop that counts a vehicle every second for a minute and a half lies."""
    seen = snapshot(one[0], {"area_veh": {"d2": 3}, "count_veh": {"d0": 1}})
    state, proposed = SERVICE.start(one[1]), []
    for second in range(100):
        moved = {"d2": 3 + second % 2}
        later = snapshot(one[0], {"area_veh": moved, "count_veh": {"d0": 1}})
        latest = {name: type(c)(c.value, c.known_at_s + second, c.present) for name, c in later.latest.items()}
        starts, holds, state = decide(one, replace(seen, now_s=seen.now_s + second, latest=latest), state)
        proposed.append(len(starts) + len(holds))
    assert proposed[80] == 1
    assert proposed[-1] == 0


def test_a_silent_loop_leaves_the_box_to_its_own_programme(one: One) -> None:
    seen = snapshot(one[0], {"area_veh": {"d2": 6}})
    column = seen.latest["count_veh"]
    silent = replace(column, known_at_s=column.known_at_s - 30.0)
    starts, holds, _ = decide(one, replace(seen, latest={**seen.latest, "count_veh": silent}))
    assert len(starts) + len(holds) == 0


def test_a_bus_that_is_announced_is_let_go_before_a_longer_queue(one: One) -> None:
    queues = {"area_veh": {"d2": 2, "d3": 1}, "queue_veh": {"d2": 2, "d3": 0}}
    assert len(decide(one, snapshot(one[0], queues))[0]) == 0
    starts, _, _ = decide(one, snapshot(one[0], {**queues, "bus_due_s": {"J.g1": 10}}))
    assert starts.values["stage"].tolist() == [1.0]
    assert REASONS[starts.because[0]] == REASONS[8]


def test_a_hold_says_what_is_so(one: One) -> None:
    def reason(changed: Mapping[str, Mapping[str, float]]) -> str:
        return REASONS[decide(one, snapshot(one[0], changed))[1].because[0]]

    assert reason({}) == REASONS[5], "nobody else waits"
    assert reason({"area_veh": {"d2": 6, "d3": 2}, "queue_veh": {"d2": 5, "d3": 2}}) == REASONS[3]
    fresh: Mapping[str, Mapping[str, float]] = {"group_elapsed_s": {"J.g0": 2, "J.g2": 2}, "stage_elapsed_s": {"J": 2}}
    assert reason({**fresh, "area_veh": {"d3": 2}, "queue_veh": {"d3": 2}}) == REASONS[9]


def test_in_the_baseline_arm_nothing_is_proposed(one: One) -> None:
    seen = snapshot(one[0], {"area_veh": {"d3": 6}, "queue_veh": {"d3": 6}})
    starts, holds, _ = decide(one, replace(seen, adaptive=np.zeros_like(seen.adaptive)))
    assert len(starts) + len(holds) == 0


def test_the_same_snapshot_and_memory_give_the_same_answer(one: One) -> None:
    seen = snapshot(one[0], {"area_veh": {"d3": 6, "d2": 3}, "queue_veh": {"d3": 6}})
    first, second = decide(one, seen), decide(one, seen)
    assert first[0].values["stage"].tolist() == second[0].values["stage"].tolist()
    assert first[0].because.tolist() == second[0].because.tolist()
    assert all(np.array_equal(a, b) for a, b in zip(first[2].areas, second[2].areas, strict=True))
    assert np.array_equal(first[2].planner.state.cell_veh, second[2].planner.state.cell_veh)


def test_every_proposal_cites_what_it_rests_on(one: One) -> None:
    starts, _, _ = decide(one, snapshot(one[0], {"area_veh": {"d3": 6}, "queue_veh": {"d3": 6}}))
    words = {one[0].vocabulary[code] for code in starts.cites.quantity}
    assert words == {"running_stage", "queue_veh", "call_waiting"}


def test_the_explanation_of_an_intersection_counts_before_green_and_red(one: One) -> None:
    seen = snapshot(one[0], {"area_veh": {"d2": 1, "d3": 6}, "call_waiting": {"d6": 1}})
    text = " ".join(SERVICE.explain(seen, one[1], 0))
    assert "green to West Street, with people on foot for 20 s, by its own programme" in text
    assert "1 vehicles are counted before the green, 6 before the red. People wait at 1 crossing." in text


REDS_S = st.integers(0, 130)


@given(running=st.booleans(), green_s=st.integers(1, 60), reds_s=st.tuples(REDS_S, REDS_S), queues=st.tuples(REDS_S, REDS_S))
def test_nothing_is_proposed_that_the_gate_refuses(
    one: One, running: bool, green_s: int, reds_s: tuple[int, int], queues: tuple[int, int]
) -> None:
    """Whatever runs and whoever waits for how long already: what is asked for passes every interlock."""
    west, south = (queues[0] // 10, queues[1] // 10)
    other = {"J.g0": green_s, "J.g2": green_s, "J.g1": max(reds_s)}
    own = {"J.g0": max(reds_s), "J.g2": min(reds_s), "J.g1": green_s}
    seen = snapshot(
        one[0],
        {
            "running_stage": {"J": float(running)},
            "stage_elapsed_s": {"J": green_s},
            "group_state": {"J.g0": 0, "J.g1": 2, "J.g2": 0} if running else {},
            "group_elapsed_s": own if running else other,
            "area_veh": {"d2": west, "d3": south},
            "queue_veh": {"d2": west, "d3": south},
            "call_waiting": {"d6": float(queues[0] % 2) if running else 0.0},
        },
    )
    starts, holds, _ = decide(one, seen)
    assert refused(one[0], one[1], seen, starts, holds) == {}
