# SPDX-License-Identifier: Apache-2.0
"""Arrivals on green and split failures, second by second, against what was played."""

import numpy as np
import pytest

from lamplighter.services.traffic.layout import NEAR, STOP_LINE, read_layout
from lamplighter.services.traffic.prepared import Prepared, prepare
from lamplighter.services.traffic.progression import Zones, nothing_yet, second
from lamplighter.services.traffic.tests.crossroads import make_city
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import FloatArray, IntArray
from lamplighter.terms.snapshot import Column, Snapshot

RED, GREEN, YELLOW = 0.0, 2.0, 3.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[CityData, Prepared]:
    city = make_city(tmp_path_factory.mktemp("city") / "city")
    return city, prepare(city)


class Play:
    """One approach played second by second; all signals show the same, all loops and stretches of the city report."""

    def __init__(self, made: tuple[CityData, Prepared]) -> None:
        self.city, self.prepared = made
        self.zones: Zones = self.prepared.counting.zones
        self.before = nothing_yet(self.zones)
        self.cells = len(self.prepared.counting.cells.cell_box)
        self.sums: FloatArray = np.zeros((self.cells, 4))
        self.now_s = 0.0

    def second(self, state: float, covered: float, there_veh: float, left_veh: float, heard: bool = True) -> None:
        many = self.city.span.stop - self.city.span.start
        self.now_s += 1.0
        now = np.full(many, self.now_s)

        def column(value: float, local: IntArray, told: bool = True) -> Column:
            present = np.zeros(many, np.bool_)
            present[local] = told
            return Column(np.where(present, value, 0.0), now, present)

        latest = {
            "group_state": column(state, self.zones.pair_local),
            "occupancy_share": column(covered, self.zones.loop_local, heard),
            "count_veh": column(left_veh, self.zones.loop_local, heard),
            "area_veh": column(there_veh, self.zones.area_local),
        }
        snapshot = Snapshot(
            self.now_s, self.city.assets, self.city.span, latest, {}, {}, np.ones(many, np.bool_), self.city.vocabulary, {}
        )
        more, self.before = second(snapshot, self.before, self.zones, self.cells, 1.0)
        self.sums += more

    def cycle(self, red_covered: float, green_covered: float, heard: bool = True) -> None:
        for state, seconds, covered in ((GREEN, 20, green_covered), (YELLOW, 3, 1.0), (RED, 30, red_covered)):
            for _ in range(seconds):
                self.second(state, covered, 0.0, 0.0, heard)


def test_the_crossroads_has_zones(made: tuple[CityData, Prepared]) -> None:
    zones, layout = made[1].counting.zones, read_layout(made[0])
    roles = layout.detectors.role[layout.detectors.boxed]
    assert len(zones.loop_local) >= np.count_nonzero(roles == STOP_LINE) > 0
    assert len(zones.area_local) == np.count_nonzero(roles == NEAR) > 0
    assert set(zones.pair_cell.tolist()) == set(zones.area_cell.tolist())


def test_a_green_that_leaves_somebody_behind_failed_and_one_that_does_not_did_not(made: tuple[CityData, Prepared]) -> None:
    play = Play(made)
    play.second(RED, 1.0, 0.0, 0.0)
    for red, green in ((1.0, 1.0), (0.0, 1.0), (1.0, 0.5), (1.0, 1.0)):
        play.cycle(red, green)
    cells = np.unique(play.zones.pair_cell)
    pairs = np.bincount(play.zones.pair_cell, minlength=play.cells)[cells]
    assert play.sums[cells, 2].tolist() == (4 * pairs).tolist()
    assert play.sums[cells, 3].tolist() == (2 * pairs).tolist()


def test_a_green_that_was_not_seen_from_its_beginning_or_by_every_loop_is_not_judged(made: tuple[CityData, Prepared]) -> None:
    play = Play(made)
    play.cycle(1.0, 1.0)  # it was green when it began to be watched
    assert play.sums[:, 2].sum() == 0
    play.cycle(1.0, 1.0, heard=False)
    assert play.sums[:, 2].sum() == 0
    play.cycle(1.0, 1.0)
    assert play.sums[:, 2].sum() == len(play.zones.pair_cell)


def test_arrivals_are_counted_once_and_on_what_is_shown(made: tuple[CityData, Prepared]) -> None:
    play = Play(made)
    play.second(RED, 0.0, 0.0, 0.0)
    for there in (1, 2, 3):  # three come at red
        play.second(RED, 0.0, float(there), 0.0)
    for there in (2, 1, 0):  # they leave at green: counted by the loop as they go
        play.second(GREEN, 1.0, float(there), 1.0)
    play.second(GREEN, 0.0, 2.0, 0.0)  # two come on green
    play.second(GREEN, 0.0, 1.0, 0.0)  # one is late at the loop
    play.second(GREEN, 0.0, 1.0, 1.0)
    areas = np.bincount(play.zones.area_cell, minlength=play.cells)
    with_loop = np.bincount(play.zones.area_cell, weights=play.zones.area_loop >= 0, minlength=play.cells)
    whole = (areas == with_loop) & (areas > 0)
    assert whole.any()
    assert play.sums[whole, 0].tolist() == (5 * areas[whole]).tolist()
    assert play.sums[whole, 1].tolist() == (2 * areas[whole]).tolist()
