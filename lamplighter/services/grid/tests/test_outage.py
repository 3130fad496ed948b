# SPDX-License-Identifier: Apache-2.0
"""Outages: what a simulated cable takes with it, and what is believed dark from meters alone."""

from dataclasses import replace

import numpy as np
import pytest

from lamplighter.services.grid.network.model import ABSENT, GridError
from lamplighter.services.grid.network.prepared import prepare
from lamplighter.services.grid.outage.belief import ALIVE, DARK, DEAD, ENERGISED, LIVE, SILENT, UNKNOWN, _verdict, believe
from lamplighter.services.grid.outage.drill import lay_out
from lamplighter.services.grid.outage.field import Switchgear
from lamplighter.services.grid.outage.priorities import HOME, ranks
from lamplighter.services.grid.outcomes import explain
from lamplighter.services.grid.tests.small import Evening, small_city
from lamplighter.terms.columns import BoolArray
from lamplighter.terms.drill import Pace, Wanted

#        0 source
#        1 -- 2 -- 3      4 hangs on 1; 5 and 6 on 4
PARENT = np.array([-1, 0, 1, 2, 1, 4, 4])


def verdict(*said: tuple[int, int, int]) -> list[int]:
    """Return the state of every row for witnesses (row, kind, what it says)."""
    columns = [np.array([one[k] for one in said], np.int64) for k in range(3)]
    return _verdict(PARENT, *columns).tolist()


def test_one_silent_box_is_a_broken_box() -> None:
    """And so are two of the same kind: their reports may come the same broken way."""
    assert verdict((3, 0, SILENT), (5, 1, ALIVE)) == [LIVE] * 7
    assert verdict((5, 0, SILENT), (6, 0, SILENT), (3, 1, ALIVE)) == [LIVE] * 7


def test_two_kinds_that_fall_silent_together_are_an_outage_where_their_ways_meet() -> None:
    """Below row 4 all is dark; between it and what is alive nothing is left unknown, as row 1 is on the way to row 3."""
    assert verdict((5, 0, SILENT), (6, 1, SILENT), (3, 1, ALIVE)) == [LIVE, LIVE, LIVE, LIVE, DARK, DARK, DARK]


def test_what_lies_between_is_not_known() -> None:
    """Only row 3 tells: row 2 above it may be dark or alive."""
    assert verdict((3, 0, DEAD), (5, 1, ALIVE)) == [LIVE, LIVE, UNKNOWN, DARK, LIVE, LIVE, LIVE]


def test_a_voice_below_speaks_against_silence_above() -> None:
    assert verdict((4, 0, SILENT), (4, 1, SILENT), (6, 2, ALIVE)) == [LIVE] * 7


def _live(run: Evening) -> BoolArray:
    return run.field._switchgear.live  # pyright: ignore[reportPrivateUsage] - the truth that is to be guessed


def test_a_cut_cable_takes_all_behind_its_protection_and_switching_brings_it_back() -> None:
    """Cut, isolate, close the breaker: the part before the fault returns; closing onto the fault trips again."""
    grid = prepare(small_city()).grid
    gear = Switchgear(grid)
    assert gear.live.all()
    assert not gear.touched
    rings = [str(name) for name in grid.branches.id if str(name).startswith("R1.")]
    said = gear.cut(rings[1])
    assert rings[0] in said
    assert "dark" in said
    dark = ~gear.live
    assert dark.sum() > 0
    assert "tripped again" in gear.switch(rings[0], True)
    assert (~gear.live == dark).all()
    gear.switch(rings[1], False)
    gear.switch(rings[0], True)
    assert 0 < (~gear.live).sum() < dark.sum()
    gear.restore()
    assert gear.live.all()
    assert not gear.touched
    with pytest.raises(ValueError, match="allowed is a cable or station"):
        gear.cut("nothing")


@pytest.mark.parametrize("low", [False, True])
def test_what_is_dark_is_believed_dark_and_nothing_else(low: bool) -> None:
    """After a cut at medium or low voltage: connections believed dark are those that are, from meters alone."""
    run = Evening(small_city(), "adaptive").minutes(5)
    prepared = run.run.prepared
    grid = prepared.grid
    if low:  # the first cable behind the station that feeds most
        sizes = np.bincount(grid.groups.station, minlength=len(grid.station_id))
        row = int(prepared.attach[np.flatnonzero(grid.groups.station == int(np.argmax(sizes)))[0]])
        cable = str(grid.branches.id[grid.tree.branch[row]])
    else:
        cable = str(next(name for name in grid.branches.id if str(name).startswith("R1.")))
    run.field.inject("cable_cut", {"asset": cable})
    run.minutes(4)
    assert run.tick is not None
    told = believe(run.tick.snapshot, prepared)[ENERGISED]
    own = prepared.node_at != ABSENT
    at = prepared.node_at[own] + run.city.span.start
    truly = ~_live(run)[own]
    believed = told.present[at] & (told.value[at] == 0.0)
    assert truly.any()
    assert not (believed & ~truly).any()
    homes = grid.nodes.connections_count[own]
    assert homes[believed].sum() > 0.9 * homes[truly].sum()
    said = explain(run.tick.snapshot, prepared, int(at[np.flatnonzero(believed)[0]]))
    assert "without power" in said[0]
    assert "switches nothing itself" in said[-1]
    run.field.inject("mend", {})
    run.minutes(2)
    told = believe(run.tick.snapshot, prepared)[ENERGISED]
    assert (told.value[at] == 1.0).all()
    assert told.present[at].all()


def test_hours_without_power_are_counted_in_the_field_and_from_meters() -> None:
    """Ten minutes of darkness; meters know of it a little later than it is."""
    run = Evening(small_city(), "baseline").minutes(3)
    assert run.truth["dark_connection_h"] == 0.0
    run.field.inject("cable_cut", {"asset": "R1.L01"})
    run.minutes(10)
    homes = run.field._grid.nodes.connections_count[~_live(run)].sum()  # pyright: ignore[reportPrivateUsage]
    assert run.truth["dark_connection_h"] == pytest.approx(homes / 6.0)
    assert 0.7 * run.truth["dark_connection_h"] < run.measured["dark_connection_h"] <= run.truth["dark_connection_h"] + 1e-9


def test_a_silent_head_end_is_no_outage() -> None:
    """All ends of streets and all charging boxes fall silent at once: the grid is alive."""
    run = Evening(small_city(), "adaptive").minutes(3)
    for mute in list(run.field._mute.values())[1:]:  # pyright: ignore[reportPrivateUsage]
        mute[:] = True
    run.minutes(5)
    assert run.tick is not None
    told = believe(run.tick.snapshot, run.run.prepared)[ENERGISED]
    assert (told.value[told.present] == 1.0).all()


def test_a_drill_is_laid_out_with_the_same_switchings_at_two_paces() -> None:
    """Isolate first, then both sides; the sheet says what is advised; only planning differs."""
    city = small_city()
    drill = lay_out(Wanted(city, "", {}, Pace(600.0, 480.0, 60.0, 120.0)))
    assert [one.arguments for one in drill.by_hand] == [one.arguments for one in drill.advised]
    assert {a.after_s - b.after_s for a, b in zip(drill.by_hand[1:], drill.advised[1:], strict=True)} == {420.0}
    assert drill.advised[1].after_s == 600.0 + 60.0 + 120.0
    assert drill.sheet[0].startswith(f"1. OPEN {drill.asset}")
    assert all("CLOSE" in line for line in drill.sheet[1:])
    gear = Switchgear(prepare(city).grid)
    gear.cut(drill.asset)
    assert drill.dark["stations"] > 0
    for one in drill.advised[1:]:
        gear.switch(str(one.arguments["asset"]), bool(one.arguments["closed"]))
    assert gear.live.all(), "the sheet supplies everybody again"
    with pytest.raises(GridError, match="medium voltage"):
        lay_out(Wanted(city, "nothing", {}, Pace()))


def test_what_comes_first_follows_from_who_hangs_there() -> None:
    """A station below which a signal hangs ranks as signal, one with a cabinet as light; without assets all are homes."""
    city = small_city()
    grid = prepare(city).grid
    upper = grid.nodes.id[grid.branches.from_node[grid.station_branch]]
    assert (ranks(grid, city.assets, {}, upper) == HOME).all()
    nodes = [str(grid.nodes.id[np.flatnonzero(grid.nodes.station == k)[-1]]) for k in range(2)]
    fed_by = city.assets.fed_by.astype(object)
    kind = city.assets.kind.astype(object)
    fed_by[0], kind[0], fed_by[1], kind[1] = nodes[0], "lights", nodes[1], "cabinet"
    assets = replace(city.assets, fed_by=fed_by.astype(np.str_), kind=kind.astype(np.str_))
    found = ranks(grid, assets, {"lights": "signal", "cabinet": "walking light"}, upper)
    assert found[:2].tolist() == [1, 2]
    assert (found[2:] == HOME).all()
