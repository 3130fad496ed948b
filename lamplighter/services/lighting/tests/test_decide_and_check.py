# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter import safety
from lamplighter.services.lighting import SERVICE, adaptive, interlock, required
from lamplighter.services.lighting.layout import own_lower
from lamplighter.services.lighting.photometry import classes, judgement, quality
from lamplighter.services.lighting.photometry.luminaires import luminaire
from lamplighter.services.lighting.prepared import distinct_fields, prepare
from lamplighter.services.lighting.terms import BOUNDARY_S, DIM, LEVEL_STEP
from lamplighter.services.lighting.tests.small import COUNTED, EVENING_S, NIGHT_S, NOON_S, Small
from lamplighter.terms.decision import Proposals

flows = st.fixed_dictionaries({street: st.floats(0.0, 2500.0) for street in COUNTED})
some_flows = st.dictionaries(st.sampled_from(COUNTED), st.floats(0.0, 2500.0))
QUIET = dict.fromkeys(COUNTED, 80.0)
BUSY = dict.fromkeys(COUNTED, 1700.0)


def settled(small: Small, flow: dict[str, float], now_s: float = EVENING_S) -> Proposals:
    """Decide after three quarter-hours of almost the same counts."""
    memory = adaptive.start(small.layout)
    for k in (-2, -1, 0):
        counted = {street: value + 0.25 * k for street, value in flow.items()}
        tables, memory = adaptive.decide(small.snapshot(now_s + k * BOUNDARY_S, counted), memory, small.layout)
    return tables[0]


def judged(small: Small, table: Proposals, flow: dict[str, float], now_s: float = EVENING_S) -> safety.Verdict:
    snapshot = small.snapshot(now_s, flow)
    holds = np.zeros(small.layout.size, dtype=np.bool_)
    return safety.examine(SERVICE, snapshot, (table,), small.layout, holds)


def rules(verdict: safety.Verdict) -> set[str]:
    refused = verdict.refusals[0]
    return {refused.rules[k].name for k in np.unique(refused.rule)}


@given(flows, st.sampled_from([EVENING_S, NIGHT_S]))
def test_what_is_decided_is_permitted_and_in_class_by_the_full_computation(
    small: Small, flow: dict[str, float], now_s: float
) -> None:
    table = settled(small, flow, now_s)
    verdict = judged(small, table, flow, now_s)
    assert len(verdict.permits[0]) == len(table) == len(small.layout.segments.design)
    needed = required.now(small.snapshot(now_s, flow), small.layout)
    roads, which = distinct_fields(small.city.tables["segments"])
    kind = classes.lowered(small.layout.segments.design, needed.relax)
    rated = small.city.tables["segments"]["rated_flux_lm"]
    for row in range(0, len(kind), 7):  # a seventh of the segments, each computed anew from its luminaire's candela
        road, optic, surface = roads[which[row]]
        light = luminaire(optic, round(float(rated[row] * table.values["dimming_level"][row]), 6))
        assert judgement.meets(quality.evaluate(road, light, surface, 0.8), classes.CLASSES[kind[row]])


@given(some_flows)
def test_deciding_twice_gives_the_same(small: Small, flow: dict[str, float]) -> None:
    one, two = settled(small, flow), settled(small, flow)
    assert (one.values["dimming_level"] == two.values["dimming_level"]).all()
    assert (one.because == two.because).all()
    assert (one.cites.asset == two.cites.asset).all()


@given(some_flows, st.integers(0, 10_000), st.floats(LEVEL_STEP, 0.5))
def test_no_segment_may_be_darker_than_its_class(small: Small, flow: dict[str, float], pick: int, less: float) -> None:
    table = settled(small, flow)
    row = pick % len(table)
    dimmed = table.values["dimming_level"].copy()
    dimmed[row] -= less
    changed = replace(table, values={**table.values, "dimming_level": dimmed, "ramp_s": np.full(len(table), 30.0)})
    findings = interlock.in_class(small.snapshot(EVENING_S, flow), (changed,), small.layout)
    needed = required.now(small.snapshot(EVENING_S, flow), small.layout)
    own_step = small.layout.class_share[row, needed.relax[row]]
    if dimmed[row] < own_step - LEVEL_STEP:
        assert not findings.ok[small.layout.segments.cell[row]]
    others = np.delete(np.arange(len(findings.ok)), small.layout.segments.cell[row])
    assert findings.ok[others].all()


def test_quiet_streets_go_down_after_two_quarter_hours_and_up_at_the_next(small: Small) -> None:
    memory, means = adaptive.start(small.layout), []
    for k, flow in enumerate((BUSY, QUIET, QUIET, BUSY)):
        counted = {street: value + k for street, value in flow.items()}
        tables, memory = adaptive.decide(small.snapshot(EVENING_S + k * BOUNDARY_S, counted), memory, small.layout)
        means.append(float(tables[0].values["dimming_level"].mean()))
    assert means[0] == means[1] == means[3]
    assert means[2] < means[0]


@pytest.mark.parametrize("flow", [{}, BUSY])
def test_missing_counts_and_busy_streets_mean_the_design_class(small: Small, flow: dict[str, float]) -> None:
    table = settled(small, flow)
    assert table.values["dimming_level"] == pytest.approx(small.layout.class_share[:, 0])
    assert len(table.cites.asset) == 0


def test_a_counter_that_stands_still_for_an_hour_is_not_believed(small: Small) -> None:
    memory, means = adaptive.start(small.layout), []
    for k in range(6):
        tables, memory = adaptive.decide(small.snapshot(EVENING_S + k * BOUNDARY_S, QUIET), memory, small.layout)
        means.append(float(tables[0].values["dimming_level"].mean()))
    assert means[2] < means[0]
    assert means[-1] == pytest.approx(float(small.layout.class_share[:, 0].mean()))


def test_each_row_below_design_cites_the_counters_it_rests_on(small: Small) -> None:
    table = settled(small, QUIET)
    lower = small.layout.segments.by_traffic & (table.because == 0)
    assert lower.any()
    assert (np.diff(table.cites.offsets)[lower] > 0).all()
    assert set(small.city.assets.kind[table.cites.asset]) == {"counter"}


def test_stale_counts_are_refused_by_the_gate(small: Small) -> None:
    table = settled(small, QUIET)
    assert "inputs fresh" in rules(judged(small, table, {}))


def test_paths_keep_their_design_class_till_the_quiet_hours(small: Small) -> None:
    paths = ~small.layout.segments.by_traffic
    evening, night = settled(small, QUIET), settled(small, QUIET, NIGHT_S)
    assert evening.values["dimming_level"][paths] == pytest.approx(small.layout.class_share[paths, 0])
    assert night.values["dimming_level"][paths] == pytest.approx(small.layout.class_share[paths, 1])


def test_by_day_and_between_quarter_hours_nothing_is_proposed(small: Small) -> None:
    memory = adaptive.start(small.layout)
    assert adaptive.decide(small.snapshot(NOON_S, QUIET), memory, small.layout)[0] == ()
    assert adaptive.decide(small.snapshot(EVENING_S + 120.0, QUIET), memory, small.layout)[0] == ()


def test_the_baseline_proposes_nothing(small: Small) -> None:
    assert SERVICE.baseline(small.snapshot(EVENING_S, QUIET), None, small.layout)[0] == ()


def changed(table: Proposals, **columns: float) -> Proposals:
    return replace(table, values={**table.values, **{name: np.full(len(table), v) for name, v in columns.items()}})


def test_each_rule_refuses_what_it_is_for(small: Small) -> None:
    table = settled(small, QUIET)
    assert "ramp" in rules(judged(small, changed(table, ramp_s=5.0), QUIET))
    late = small.snapshot(EVENING_S + 300.0, QUIET)
    verdict = safety.examine(SERVICE, late, (table,), small.layout, np.zeros(small.layout.size, dtype=np.bool_))
    assert "quarter-hour" in rules(verdict)
    assert not interlock.never_off(late, (changed(table, dimming_level=0.05),), small.layout).ok.any()
    few = replace(small.layout, cell_lamps=np.full(len(small.layout.cell_lamps), 63))
    assert not interlock.cell_size(late, (table,), few).ok.any()


def test_one_lone_segment_may_not_change_by_itself(small: Small) -> None:
    table = settled(small, QUIET)
    lone = Proposals(
        DIM, table.asset[:1], {n: c[:1] for n, c in table.values.items()}, table.because[:1],
        replace(table.cites, offsets=np.zeros(2, dtype=np.int64), asset=table.cites.asset[:0], quantity=table.cites.quantity[:0]),
        "operator", EVENING_S, 900.0,
    )  # fmt: skip
    assert rules(judged(small, lone, QUIET)) >= {"one step per cell"}


def test_a_path_lit_above_its_ceiling_is_refused(small: Small) -> None:
    paths = np.flatnonzero(small.layout.segments.design >= classes.code("P1"))
    figures, design = small.layout.segments.figures, small.layout.segments.design
    over = [p for p in paths if figures[p, 5] > classes.ILLUMINANCE_MAX_LX[classes.lowered(design[[p]], np.array([1]))[0]]]
    assert over, "some path must pass the ceiling of the quiet class at full output"
    table = settled(small, QUIET, NIGHT_S)
    dimmed = table.values["dimming_level"].copy()
    dimmed[over[0]] = 1.0
    bright = replace(table, values={**table.values, "dimming_level": dimmed})
    findings = interlock.in_class(small.snapshot(NIGHT_S, QUIET), (bright,), small.layout)
    assert not findings.ok[small.layout.segments.cell[over[0]]]


def test_handing_back_is_never_refused(small: Small) -> None:
    permit = safety.hand_back(small.layout.segments.asset, EVENING_S)
    assert len(SERVICE.encode(permit, small.layout)) == len(small.layout.cell_asset)


def test_sentences_name_class_light_and_need(small: Small) -> None:
    snapshot = small.snapshot(EVENING_S, QUIET, reported=0.6)
    row = int(np.flatnonzero(small.layout.segments.by_traffic)[0])
    said = " ".join(SERVICE.explain(snapshot, small.layout, int(small.layout.segments.asset[row])))
    assert "Main Street needs class M5 now (80 veh/h counted" in said
    assert "cd/m2, 0.5 needed" in said
    text = SERVICE.describe(settled(small, QUIET), row, small.layout)
    assert text.startswith("Main Street: ")
    for asset in (small.layout.cell_asset[0], small.layout.cabinet_asset[0], small.layout.lamp_asset[0]):
        assert SERVICE.explain(snapshot, small.layout, int(asset))
    assert SERVICE.derive is not None
    column = SERVICE.derive(snapshot, None, small.layout)["luminaire_dimming_level"]
    assert column.value[small.layout.lamp_asset] == pytest.approx(0.6)


def test_a_street_that_never_relaxes_holds_no_cell_back(small: Small) -> None:
    segments = small.layout.segments
    most = small.layout.relax_most
    assert (most[segments.by_traffic] == np.clip(segments.volume_weight[segments.by_traffic] + 1, 0, 3)).all()
    relax = most.copy()
    assert (adaptive.cell_steps(relax, small.layout)[segments.cell[segments.by_traffic]] == 3).all()
    pick = int(np.flatnonzero(segments.by_traffic & (most > 0))[0])
    relax[pick] = 0
    assert adaptive.cell_steps(relax, small.layout)[segments.cell[pick]] == 0
    for step in range(4):
        lower = own_lower(np.full(len(small.layout.cell_asset), step), False, small.layout)
        assert (lower[segments.by_traffic] == np.minimum(step, most[segments.by_traffic])).all()


def test_a_crossing_of_its_own_class_follows_the_streets_it_crosses_and_changes_with_its_cell(small: Small) -> None:
    """A row of `segments` with a C class, tied to both streets that cross: the busier one sets its class."""
    tables, ids = small.city.tables, small.city.tables["segments"]["id"]
    pick = int(np.flatnonzero(tables["segment_streets"]["street"] == "main8a")[0])
    row = int(np.flatnonzero(ids == tables["segment_streets"]["segment"][pick])[0])
    names = tables["segments"]["lighting_class"].astype("<U4")
    names[row] = "C3"
    spacing_m = np.where(np.arange(len(ids)) == row, 12.0, tables["segments"]["spacing_m"])  # lamps of its own
    lit = {k: np.append(tables["segment_streets"][k], v) for k, v in (("segment", ids[row]), ("street", "side3"))}
    changed_rows = {**tables["segments"], "lighting_class": names, "spacing_m": spacing_m}
    city = replace(small.city, tables={**tables, "segments": changed_rows, "segment_streets": lit})
    crossed = Small(city, prepare(city))
    layout = crossed.layout
    assert layout.segments.by_traffic[row]
    mates = (layout.segments.cell == layout.segments.cell[row]) & layout.segments.by_traffic
    assert len(np.unique(layout.segments.design[mates])) > 1
    for side, lower in ((20.0, int(layout.relax_most[row])), (1900.0, 0)):
        flow = {**QUIET, "side3": side}
        table = settled(crossed, flow)
        given = table.values["dimming_level"][table.asset == layout.segments.asset[row]]
        assert given == pytest.approx(layout.class_share[row, lower])
        assert interlock.in_class(crossed.snapshot(EVENING_S, flow), (table,), layout).ok.all()
    assert layout.class_share[row, 0] > layout.class_share[row, int(layout.relax_most[row])]
