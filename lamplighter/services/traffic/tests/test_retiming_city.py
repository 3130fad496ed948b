# SPDX-License-Identifier: Apache-2.0
"""Plans for a built city: its tables are read as its boxes run, and what is planned keeps its tables."""

from pathlib import Path

import numpy as np

from lamplighter.services.traffic.layout import Layout, read_layout
from lamplighter.services.traffic.planning.network import read_network
from lamplighter.services.traffic.retiming import checks, result, roads
from lamplighter.services.traffic.retiming.counts import Count, series
from lamplighter.services.traffic.retiming.installed import from_layout
from lamplighter.services.traffic.retiming.result import Wishes
from lamplighter.services.traffic.retiming.scheme import LIT, Junction, seconds
from lamplighter.services.traffic.tests import crossroads


def installed(folder: Path, split_s: tuple[float, float]) -> tuple[Layout, Junction, tuple[int, int, int]]:
    """Return the hand-made city, its intersection, and its links: west-east, south-north, the crossing."""
    layout = read_layout(crossroads.make_city(folder / "city", split_s))
    link = crossroads.links_of(folder / "city" / "sumo" / "net.xml")
    crossing = next(name for name in link if "_c" in name)
    return layout, from_layout(layout, 0, "J"), (link["we1"], link["sn1"], link[crossing])


def test_the_own_programme_of_a_city_is_read_second_by_second(tmp_path: Path) -> None:
    _, junction, links = installed(tmp_path, (30.0, 30.0))
    shown = seconds(junction, junction.own)
    # off the tables by hand: the crossing clears in 7 s, west-east in 5 s and so ends 2 s later; back, 5 s and on foot 4 s
    by_hand = (
        "G" * 25 + "yyy" + "rr" + "r" * 29 + "u",
        "r" * 29 + "u" + "G" * 25 + "yyy" + "rr",
        "G" * 23 + "r" * 7 + "r" * 29 + "G",
    )
    for link, expected in zip(links, by_hand, strict=True):
        assert "".join(state[link] for state in shown) == expected
    assert checks.faults(junction, junction.own, 60.0) == ()


def test_a_plan_keeps_the_minimum_greens_and_intergreens_of_the_tables(tmp_path: Path) -> None:
    layout, junction, links = installed(tmp_path, (20.0, 70.0))
    network = read_network(tmp_path / "city" / "sumo" / "net.xml")
    model = roads.read_roads(network, (junction.id,))
    counts = [Count(street, lane, 0.0, 1800.0, 200.0 if street == "we1" else 60.0) for street, lane in model.lane_key]
    period = result.retime((junction,), model, series(model, counts), Wishes(1, 90.0, 200, lambda what, share: None)).periods[0]
    assert not period.groups[0].kept
    assert period.gain_share > 0.3
    shown = seconds(junction, period.programmes[0])
    assert len(shown) <= 90
    green = np.array([[shown[t % len(shown)][link] in LIT for link in links] for t in range(3 * len(shown))])
    starts = [np.flatnonzero(green[1:, g] & ~green[:-1, g]) + 1 for g in range(3)]
    ends = [np.flatnonzero(~green[1:, g] & green[:-1, g]) + 1 for g in range(3)]
    for group in range(3):
        lengths = [int(ends[group][ends[group] > start].min()) - int(start) for start in starts[group][:-1]]
        assert min(lengths) >= layout.groups.green_min_s[group]
    for p in range(len(layout.pairs.from_group)):
        f, g = int(layout.pairs.from_group[p]), int(layout.pairs.to_group[p])
        assert not (green[:, f] & green[:, g]).any()
        gaps = [int(starts[g][starts[g] >= end].min()) - int(end) for end in ends[f] if (starts[g] >= end).any()]
        assert min(gaps) >= layout.pairs.intergreen_s[p]
