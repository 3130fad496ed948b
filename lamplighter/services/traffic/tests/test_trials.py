# SPDX-License-Identifier: Apache-2.0
"""Trials on a scenario made here: any programme, any decider, and what the watch says of what was shown."""

import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from lamplighter.services.traffic.horizon.scheme import Choice
from lamplighter.services.traffic.tests.small_scenario import small_scenario
from lamplighter.services.traffic.trials import audit, measure, sensing, trial
from lamplighter.services.traffic.trials.command import evaluate_sumo
from lamplighter.services.traffic.trials.compare import against_own
from lamplighter.services.traffic.trials.one import Conditions, ground_of, run_arm, try_planner
from lamplighter.services.traffic.trials.rules import rules_of
from lamplighter.services.traffic.trials.scenario import ScenarioError, find_scenario
from lamplighter.services.traffic.trials.strands import Piece, Strand
from lamplighter.services.traffic.trials.trial import lost_lanes

pytestmark = pytest.mark.engine
SHARED = Path(os.environ.get("LAMPLIGHTER_SHARED", Path(__file__).parents[4] / ".." / "shared")) / "data" / "sumo"


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return small_scenario(tmp_path_factory.mktemp("small"))


def start(network, settings):
    return np.random.default_rng(1)


def nobody_answers(network, seen, memory, now_s, settings):
    boxes = len(seen.stage)
    return Choice(seen.stage, np.zeros(boxes, np.int64), np.zeros(boxes, np.bool_)), memory


def dice(network, seen, memory, now_s, settings):
    """Any stage at any time, and every so often nobody answers."""
    boxes, stages = len(seen.stage), np.diff(network.stage_offsets)
    return Choice(memory.integers(0, stages), np.zeros(boxes, np.int64), np.full(boxes, int(now_s) // 41 % 3 != 2)), memory


@pytest.mark.parametrize("full", [False, True])
def test_nobody_answering_is_the_own_programme_to_the_second(config, full):
    conditions = Conditions(cadence="1s", full=full)
    own, ours = run_arm(config, "own", 1, conditions), try_planner(config, 1, conditions, start, nobody_answers)
    same = {name for name in own if name not in ("wall_s", "own_share")}
    assert {name: ours[name] for name in same} == {name: own[name] for name in same}
    assert ours["own_share"] == 1.0
    assert own["pedestrians"] > 0
    assert len(ground_of(config, "1s", full).survey.crossings) > 4
    assert own["total"] > 100


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("cadence", ["1s", "resco"])
def test_dice_cannot_make_the_box_break_a_rule(config, cadence, full):
    found = try_planner(config, 1, Conditions(cadence=cadence, full=full), start, dice)
    assert (found["conflicts"], found["cut_min_greens"], found["cut_clearances"]) == (0, 0, 0)
    assert 0.1 < found["own_share"] < 0.9


def test_the_watch_sees_a_conflict_a_cut_green_and_a_missing_yellow(config):
    ground = ground_of(config, "1s", True)
    signal = ground.roads.signals[0]
    links = len(signal.intervals[0][1])
    seen = audit.watch([signal], ground.rules, links)
    meets = np.argwhere(seen.meets[0])
    one, other = next((i, j) for i, j in meets if seen.yellow_s[0, i] > 0 and seen.yellow_s[0, j] > 0)

    def show(greens, now_s):
        letters = np.full((1, links), ord("r"), np.uint8)
        letters[0, list(greens)] = ord("G")
        audit.look(seen, letters, float(now_s))
        return seen.counts.tolist()

    assert show((), 1) == [0, 0, 0]
    assert show((one,), 2) == [0, 0, 0]
    assert show((one, other), 3)[0] >= 1
    assert show((), 4)[1:] == [2, 2 + seen.counts[2] - 2]  # both greens were cut, neither had a yellow
    assert seen.counts[2] >= 2


def test_what_is_seen_agrees_with_what_sumo_counts(config):
    totals = {"passed": 0.0, "veh": 0.0, "stop": 0.0, "foot": 0.0, "seconds": 0}

    def look(network, seen, memory, now_s, settings):
        totals["passed"] += float(seen.passed_veh.sum())
        totals["veh"] = max(totals["veh"], float(seen.cell_veh.sum()))
        totals["stop"] = max(totals["stop"], float(seen.stop_occupancy_share.max()))
        totals["foot"] = max(totals["foot"], float(seen.foot_waiting_persons.max()))
        assert seen.cell_occupancy_share.min() >= 0.0
        assert seen.cell_occupancy_share.max() <= 1.0
        return nobody_answers(network, seen, memory, now_s, settings)

    loops = try_planner(config, 1, Conditions(cadence="1s", sensing="loops"), start, look)
    passed_by_loops = totals["passed"]
    assert totals["veh"] == 0.0
    assert totals["stop"] == pytest.approx(1.0)
    assert totals["foot"] >= 1.0
    totals["passed"] = 0.0
    radar = try_planner(config, 1, Conditions(cadence="1s"), start, look)
    assert totals["passed"] == passed_by_loops
    assert totals["veh"] > 5
    assert radar["delay_s"] == loops["delay_s"]
    # everybody passes one stop line, who goes through both junctions two
    assert radar["finished"] < passed_by_loops <= 2 * radar["total"]


def test_lost_detectors_are_silent_and_the_same_each_time(config):
    def look(network, seen, memory, now_s, settings):
        assert not seen.cell_veh[~seen.alive].any()
        assert not seen.passed_veh[~seen.alive].any()
        assert 0 < seen.alive.sum() < len(seen.alive)
        return nobody_answers(network, seen, memory, now_s, settings)

    try_planner(config, 1, Conditions(cadence="1s", lost_share=0.5), start, look)
    assert np.array_equal(lost_lanes(20, 0.25, 3), lost_lanes(20, 0.25, 3))
    assert lost_lanes(20, 0.25, 3).sum() == 5


def test_nothing_is_written_beside_the_scenario(config):
    before = {path.name for path in config.parent.iterdir()}
    run_arm(config, "actuated", 1, Conditions(cadence="1s"))
    assert {path.name for path in config.parent.iterdir()} == before


def test_the_command_writes_a_table_and_json(config, tmp_path):
    result = CliRunner().invoke(
        evaluate_sumo,
        ["--sumo", str(config), "--arms", "own,maxwave", "--seeds", "1", "--json", str(tmp_path / "a.json"), "--jobs", "1"],
    )
    assert result.exit_code == 0, result.output
    assert "delay, mean (s)" in result.output
    import json

    numbers = json.loads((tmp_path / "a.json").read_text())
    assert numbers["header"]["seeds"] == [1]
    assert set(numbers["scenarios"]["small"]) == {"own", "maxwave"}
    assert numbers["scenarios"]["small"]["own"]["1"]["total"] > 100
    assert numbers["against_own"]["maxwave"]["runs"] == 1
    assert "that is no promise" in result.output


def test_a_run_without_an_end_stops_when_nobody_has_arrived_for_an_hour(tmp_path):
    endless = small_scenario(tmp_path)
    text = endless.read_text()
    endless.write_text(text.replace('<end value="240"/>', ""))
    stays = '<vehicle id="s" depart="0"><route edges="left0A0 A0B0"/><stop lane="A0B0_1" duration="90000"/></vehicle>'
    (tmp_path / "small.rou.xml").write_text(f"<routes>{stays}</routes>")
    found = run_arm(endless, "own", 1, Conditions(cadence="1s"))
    assert (found["finished"], found["total"]) == (0, 1)
    assert trial.STOOD_S <= found["duration_s"] <= trial.STOOD_S + 60


def test_a_run_without_an_end_waits_for_its_first_vehicle_however_late_that_comes(tmp_path):
    endless = small_scenario(tmp_path)
    endless.write_text(endless.read_text().replace('<end value="240"/>', ""))
    late = '<vehicle id="s" depart="7200"><route edges="left0A0 A0B0"/></vehicle>'
    (tmp_path / "small.rou.xml").write_text(f"<routes>{late}</routes>")
    found = run_arm(endless, "own", 1, Conditions(cadence="1s"))
    assert (found["finished"], found["total"]) == (1, 1)


def test_worse_than_own_is_counted_run_by_run_and_bounded():
    def runs(*delays_s):
        return {seed: {"delay_s": delay_s} for seed, delay_s in enumerate(delays_s)}

    same = {"a": {"own": runs(40.0, 40.0, 400.0), "adaptive": runs(30.0, 40.5, 403.9)}, "b": {"own": runs(9.0), "adaptive": {}}}
    found = against_own(same, "adaptive")
    assert (found.worse_runs, found.runs) == (0, 3)
    assert found.bound_share == pytest.approx(1.0 - 0.05 ** (1.0 / 3.0))  # nobody of n: (1 - p)^n = 0.05
    worse = {"a": {"own": runs(40.0, 400.0, 10.0), "adaptive": runs(40.6, 404.1, 10.4)}}
    found = against_own(worse, "adaptive")
    assert (found.worse_runs, found.runs) == (2, 3)
    p = found.bound_share
    assert (1 - p) ** 3 + 3 * p * (1 - p) ** 2 + 3 * p * p * (1 - p) == pytest.approx(0.05)
    assert against_own({"a": {"own": runs(1.0), "adaptive": runs(9.0)}}, "adaptive").bound_share == 1.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--arms", "magic"], "choose from own"),
        (["--sumo-version", "0.1"], "SUMO 0.1 is unknown"),
        (["--seeds", "one"], "whole numbers"),
        (["--sumo", "nowhere.sumocfg"], "no such file"),
    ],
)
def test_errors_say_what_to_mend(config, arguments, said):
    result = CliRunner().invoke(evaluate_sumo, ["--sumo", str(config), *arguments])
    assert result.exit_code != 0
    assert said in result.output


def test_loops_lie_where_vehicles_stand_also_where_the_lane_before_the_line_is_shorter_than_a_car():
    pieces = (Piece("stub_0", 0.0, 1.0), Piece(":in_0", 0.9, 1.0), Piece("one_0", 1.4, 1.0), Piece("two_0", 41.4, 0.5))
    laid = sensing.loops(
        ("stub_0", "short_0", "long_0"),
        (
            Strand(pieces, 200.0, False),
            Strand((Piece("short_0", 0.0, 1.0),), 12.0, True),
            Strand((Piece("long_0", 0.0, 1.0),), 90.0, True),
        ),
        {"stub_0": 0.9, ":in_0": 0.5, "one_0": 40.0, "two_0": 100.0, "short_0": 12.0, "long_0": 90.0},
    )
    at = {(loop.row, loop.role): (loop.lane, pytest.approx(loop.position_m), loop.share) for loop in laid}
    assert at[0, sensing.STOP_LINE] == ("stub_0", 0.8, 1.0)
    assert at[0, sensing.STOP] == ("one_0", 1.4 + 40.0 - 2.5, 1.0)
    assert at[0, sensing.ADVANCE] == ("one_0", 1.4 + 40.0 - 30.0, 1.0)
    assert at[1, sensing.ADVANCE] == ("short_0", 0.5, 1.0), "nothing leads there"
    assert at[2, sensing.ADVANCE] == ("long_0", 60.0, 1.0)
    assert len(laid) == 9


def test_loops_before_a_fork_count_by_the_share_that_comes():
    fork = (Piece("left_0", 0.0, 1.0), Piece("before_0", 20.0, 0.3))
    (_, _, advance) = sensing.loops(("left_0",), (Strand(fork, 120.0, True),), {"left_0": 20.0, "before_0": 100.0})
    assert (advance.lane, advance.position_m, advance.share) == ("before_0", pytest.approx(90.0), 0.3)


def test_a_broken_network_and_a_missing_file_are_named(tmp_path):
    (tmp_path / "a.sumocfg").write_text('<configuration><input><net-file value="a.net.xml"/></input></configuration>')
    with pytest.raises(ScenarioError, match=r"a\.net\.xml"):
        find_scenario(tmp_path)
    (tmp_path / "a.net.xml").write_text("<net><edge")
    with pytest.raises(ScenarioError, match="not a complete network"):
        ground_of(tmp_path / "a.sumocfg", "1s", False)


def test_delay_counts_unfinished_and_never_inserted(tmp_path):
    (tmp_path / "trips.xml").write_text(
        '<tripinfos><tripinfo id="a" depart="10.00" departDelay="4.00" arrival="50.00" duration="40.00" waitingTime="5.00" '
        'timeLoss="6.00" vType="car"/><tripinfo id="b" depart="30.00" departDelay="0.00" arrival="-1.00" duration="70.00" '
        'waitingTime="60.00" timeLoss="64.00" vType="car"/><tripinfo id="c" depart="-1.00" departDelay="20.00"/></tripinfos>'
    )
    trips = measure.read_trips(tmp_path / "trips.xml")
    found = measure.summed(trips, measure.NeverInserted((20.0,), (20.0,)))
    assert found["delay_s"] == pytest.approx((6 + 4 + 64 + 20) / 3)
    assert (found["finished"], found["total"], found["never_inserted"]) == (1, 3, 1)
    assert found["duration_s"] == pytest.approx(55.0)


def test_names_are_found_again_by_their_hash():
    names = [f"edge{n}_{n % 3}" for n in range(500)]
    assert len({int(sensing.hash_of(name)) for name in names}) == 500


@pytest.mark.slow
@pytest.mark.parametrize(("name", "published_s"), [("cologne1", 56.6), ("ingolstadt1", 39.4)])
def test_fixed_time_reproduces_the_published_delay(name, published_s):
    if not (SHARED / name).is_dir():
        pytest.skip(f"{name}: the published scenario is not on this machine (it may not be shipped)")
    found = [run_arm(SHARED / name, "own", seed, Conditions(version="1.9.0"))["delay_s"] for seed in (1, 2)]
    assert np.mean(found) == pytest.approx(published_s, rel=0.05)


def test_published_settings():
    assert (rules_of("arterial4x4", "resco", False).step_s, rules_of("arterial4x4", "1s", False).yellow_s) == (5, 2)
    assert (rules_of("cologne1", "resco", False).green_min_s, rules_of("cologne1", "1s", False).green_min_s) == (7, 5)
