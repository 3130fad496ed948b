# SPDX-License-Identifier: Apache-2.0
"""Plans of a real district and of scenarios: what is read, what is searched, what is kept, and what is written."""

import csv
import io
import json
import os
import xml.etree.ElementTree as ET
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from lamplighter.services.traffic.planning import timeline
from lamplighter.services.traffic.retiming import checks, result, roads, search, sheet
from lamplighter.services.traffic.retiming.bench import Aims, Bench
from lamplighter.services.traffic.retiming.counts import Count, CountsError, counts_csv, read_counts, series
from lamplighter.services.traffic.retiming.demand import estimate
from lamplighter.services.traffic.retiming.installed import from_signal, street_names
from lamplighter.services.traffic.retiming.result import Retimed, Wishes
from lamplighter.services.traffic.retiming.scheme import Junction, Keeping, Programme, cycle_s, least_greens_s, seconds
from lamplighter.services.traffic.retiming.sheet import Verdict
from lamplighter.services.traffic.retiming.sumo_plan import programmes_xml
from lamplighter.services.traffic.tests import district
from lamplighter.services.traffic.tests.small_scenario import small_scenario
from lamplighter.services.traffic.tryout.command import COUNTS_FILE, PLAN_FILE, Trial, judged, retime, write_plan
from lamplighter.services.traffic.tryout.gain import gain
from lamplighter.services.traffic.tryout.measuring import Run, count, measure
from lamplighter.services.traffic.tryout.scenario import open_scenario

SHARED = Path(os.environ.get("LAMPLIGHTER_SHARED", Path(__file__).parents[4] / ".." / "shared")) / "data" / "sumo"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared SUMO scenarios are not beside the repository")


def told(what: str, share: float) -> None:
    """Hear nothing."""


@cache
def junctions() -> tuple[Junction, ...]:
    network = district.network()
    return tuple(from_signal(signal, street_names(network, signal)) for signal in network.signals[:5])


@cache
def model() -> roads.RoadModel:
    return roads.read_roads(district.network(), tuple(j.id for j in junctions()))


def counted(scale: float = 1.0) -> list[Count]:
    """Return counts that were made up: the farther a street's lane from the first, the fewer."""
    return [
        Count(street, lane, begin_s, begin_s + 900.0, float(round(scale * (30 + 25 * (n % 4)))))
        for n, (street, lane) in enumerate(model().lane_key)
        for begin_s in (57600.0, 58500.0, 59400.0, 60300.0)
    ]


@cache
def made() -> Retimed:
    return result.retime(junctions(), model(), series(model(), counted()), Wishes(2, 120.0, 60, told))


def test_own_programmes_are_read_as_they_run() -> None:
    for junction, signal in zip(junctions(), district.network().signals[:5], strict=True):
        shown = [state for duration_s, state in signal.intervals for _ in range(round(duration_s))]
        turn = round(junction.own.offset_s - signal.offset_s) % len(shown)
        assert seconds(junction, junction.own) == shown[turn:] + shown[:turn]
        assert checks.faults(junction, junction.own, 200.0) == ()


def test_every_plan_keeps_what_must_be_kept() -> None:
    for period in made().periods:
        for junction, programme in zip(junctions(), period.programmes, strict=True):
            assert checks.faults(junction, programme, 120.0) == () or programme == junction.own
            assert (np.asarray(programme.green_s) >= least_greens_s(junction, programme.order)).all()


def test_boxes_of_a_group_share_their_cycle_or_run_twice_in_it() -> None:
    for period in made().periods:
        for group in period.groups:
            if not group.kept:
                lengths = {cycle_s(junctions()[b], period.programmes[b]) for b in group.boxes}
                assert lengths <= {group.cycle_s, group.cycle_s / 2}
                assert group.found_veh < group.own_veh


@pytest.mark.parametrize("harm", ["green", "clearance", "yellow", "red"])
def test_the_check_sees_a_plan_that_was_spoilt(harm: str) -> None:
    junction = next(j for j in junctions() if len(j.own.order) >= 2)
    own = junction.own
    if harm == "green":
        spoilt, programme = junction, Programme(own.order, (1.0, *own.green_s[1:]), 0.0)
    elif harm == "red":
        spoilt, programme = junction, Programme(own.order, (own.green_s[0] + 200.0, *own.green_s[1:]), 0.0)
    else:
        part = slice(1, None) if harm == "clearance" else slice(0, 0)
        spoilt = replace(junction, changes={pair: states[part] for pair, states in junction.changes.items()})
        programme = own
        assert checks.faults(junction, own, 200.0) == ()
        found = checks.faults(replace(spoilt, own=own, keeping=junction.keeping), programme, 200.0)
        assert found
        return
    assert checks.faults(spoilt, programme, 400.0)


def test_equal_flows_at_a_crossing_get_equal_greens() -> None:
    states, change = ("Gr", "rG"), {(0, 1): ("yr", "yr", "yr"), (1, 0): ("ry", "ry", "ry")}
    conflict = ~np.eye(2, dtype=np.bool_)
    keeping = Keeping(np.full(2, 5.0), np.full(2, 120.0), np.where(conflict, 3.0, 0.0), conflict, np.zeros((2, 2), np.bool_))
    own = Programme((0, 1), (50.0, 10.0), 0.0)
    crossing = Junction("x", "x", states, change, keeping, ("motor", "motor"), (("a", (0,)), ("b", (1,))), own)
    zeros, two = np.zeros(0, np.int64), np.arange(2)
    lanes = roads.RoadModel(
        (("a", 0), ("b", 0)), np.zeros(2, np.int64), two, np.arange(3), np.zeros(2, np.int64), two, ("straight", "straight"),
        np.full(2, 0.5), ("c", "d"), np.zeros(3, np.int64), zeros, ("a", "b"), np.full(2, 200.0), np.full(2, 26.0),
        np.ones(2, np.bool_), zeros, zeros, np.zeros(0), np.zeros(0), np.zeros(0),
    )  # fmt: skip
    demand = estimate(lanes, np.full(2, 0.15), np.zeros(2), np.zeros(2, np.bool_))
    bench = Bench(lanes, demand, (crossing,), np.ones(1, np.bool_), Aims(4.0, 1.0))
    found = search.coordinate(bench, [bench], search.Effort(120.0, 500, lambda share: None))
    assert found is not None
    assert abs(found.programmes[0].green_s[0] - found.programmes[0].green_s[1]) <= 2.0
    assert found.cost_veh < bench.cost([own])


def test_flows_agree_with_the_counts() -> None:
    flow = series(model(), counted()).flow_veh_s[0]
    demand = estimate(model(), flow, np.zeros(len(model().move_link)), np.zeros(len(model().move_link), np.bool_))
    shares = np.add.reduceat(demand.move_share, model().lane_first[:-1])
    assert shares == pytest.approx(1.0)
    lane_of = np.repeat(np.arange(len(flow)), np.diff(model().lane_first))
    into = np.bincount(
        model().feed_edge, (demand.move_share * flow[lane_of])[model().feed_move] * demand.feed_share, len(model().edge)
    )
    street = np.bincount(model().lane_edge, flow, len(model().edge))
    assert (into <= street * 1.0001 + 1e-9).all()
    outside = np.bincount(model().lane_edge, demand.outside_veh_s, len(model().edge))
    assert into + outside == pytest.approx(street, abs=1e-6)


def test_counts_are_read_back_and_turning_counts_tell_the_turns() -> None:
    rows = counted()
    assert read_counts(counts_csv(rows), "x.csv") == rows
    street, lane = model().lane_key[0]
    exits = list(dict.fromkeys(model().move_exit[: int(model().lane_first[1])]))
    turning = [Count(street, lane, 0.0, 900.0, 30.0 * (n + 1), to) for n, to in enumerate(exits)]
    found = series(model(), turning)
    assert found.turning_counted[: int(model().lane_first[1])].all()
    assert found.flow_veh_s[0, 0] == pytest.approx(sum(c.total_veh for c in turning) / 900.0)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a,0,0,60,5", "interval of 60 s, at least 300 s"),
        ("a,0,0,300,-1", "-1 vehicles"),
        ("a,0,0,300,900", "no lane passes more than"),
        ("a,x,0,300,5", "lane is 'x'; a whole number is needed"),
        ("a,-1,0,300,5", "lane is '-1'"),
        (",0,0,300,5", "street is empty"),
        ("a,0,16:00,16:15,5", "begin_s is '16:00'; write seconds since midnight"),
        ("a,0,0,300,five", "vehicles is 'five'; write a number"),
        ("a,0,0,300,nan", "a finite number"),
        ("a,0,0,inf,5", "a finite number"),
        ("a,0,0", "ends before end_s"),
    ],
)
def test_bad_counts_are_refused_with_file_line_and_remedy(line: str, words: str) -> None:
    with pytest.raises(CountsError, match=words) as caught:
        read_counts(f"street,lane,begin_s,end_s,vehicles\n{line}\n", "counts.csv")
    assert "counts.csv line 2" in str(caught.value)


def test_missing_columns_and_empty_files_are_refused() -> None:
    with pytest.raises(CountsError, match="vehicles is missing"):
        read_counts("street,lane,begin_s,end_s\n", "c.csv")
    with pytest.raises(CountsError, match="no counts"):
        read_counts("street,lane,begin_s,end_s,vehicles\n", "c.csv")
    with pytest.raises(CountsError, match="the file is empty"):
        read_counts("", "c.csv")
    with pytest.raises(CountsError, match="stand apart by ';'; save it as CSV with commas"):
        read_counts("street;lane;begin_s;end_s;vehicles\na;0;0;300;5\n", "c.csv")


def test_what_is_counted_twice_is_refused_and_not_one_of_them_believed() -> None:
    with pytest.raises(CountsError, match=r"c\.csv line 3: 'a' was counted from 0 to 300 s in line 2 already"):
        read_counts("street,lane,begin_s,end_s,vehicles\na,0,0,300,5\na,0,0,300,7\n", "c.csv")


def test_the_sheet_says_the_same_in_every_form() -> None:
    texts = dict(sheet.files(made(), Verdict(sheet.KEEP_OWN, "Expected gain: 1 %.", ()), "district"))
    rows = list(csv.DictReader(io.StringIO(texts["plans.csv"])))
    told_json = json.loads(texts["plans.json"])
    for number, period in enumerate(made().periods):
        for box, programme in enumerate(period.programmes):
            ident = junctions()[box].id
            mine = [row for row in rows if row["intersection"] == ident and row["period"] == str(number)]
            assert [int(row["stage"]) for row in mine] == list(programme.order)
            assert sum(float(row["split_s"]) for row in mine) == pytest.approx(cycle_s(junctions()[box], programme))
            assert told_json["periods"][number]["intersections"][box]["seconds"] == seconds(junctions()[box], programme)
    assert "http" not in texts["plans.html"].replace("http://www.w3.org/2000/svg", "")
    assert texts["plans.html"].count("<svg") >= len(junctions())
    for part in texts["plans.html"].split("<svg")[1:]:
        ET.fromstring("<svg" + part.split("</svg>")[0] + "</svg>")
    assert "time, s" in texts["plans.html"]
    for name in ("plans.html", "summary.md"):
        assert 0 < texts[name].index("Do not install these plans") < texts[name].index("Expected gain: 1 %.")
    assert {row["advice"] for row in rows} == {"keep own"}
    assert told_json["advice"] == "keep own"
    assert "| intersection | plan |" in texts["summary.md"]


def run(seed: int, delay_s: float) -> Run:
    return Run(seed, delay_s, delay_s, 0.0, 0.0, 0.0, 10, 10, 0)


def test_a_plan_that_was_measured_worse_is_not_recommended() -> None:
    def words(own: list[float], planned: list[float], advice: str) -> str:
        trial = Trial(
            tuple(run(n, d) for n, d in enumerate(own)), tuple(run(n, d) for n, d in enumerate(planned)), gain(own, planned)
        )
        found = judged(made(), trial)
        assert found.advice == advice
        return found.words

    assert "keep the own programmes" in words([30.0, 31.0, 32.0], [33.0, 31.0, 35.0], "keep own")
    assert "not sure" in words([30.0, 31.0, 32.0], [20.0, 33.0, 31.0], "not sure")
    better = words([30.0, 31.0, 32.0], [20.0, 21.0, 22.5], "install")
    assert "keep" not in better
    assert "not sure" not in better


def test_the_interval_is_students() -> None:
    found = gain([10.0, 12.0, 14.0], [9.0, 10.0, 11.0])
    assert found.share == pytest.approx(2.0 / 12.0)
    assert found.high - found.low == pytest.approx(2 * 4.302653 * 1.0 / np.sqrt(3) / 12.0, rel=1e-5)


def test_the_sumo_file_holds_every_second() -> None:
    root = ET.fromstring(
        programmes_xml(junctions(), [(0.0, [j.own for j in junctions()]), (3600.0, made().periods[0].programmes)])
    )
    assert len(root.findall("tlLogic")) == 2 * len(junctions())
    assert len(root.findall("WAUT/wautSwitch")) == 1
    for logic in root.findall("tlLogic"):
        junction = next(j for j in junctions() if j.id == logic.get("id"))
        programme = (
            junction.own if logic.get("programID") == "retimed0" else made().periods[0].programmes[junctions().index(junction)]
        )
        shown = [p.get("state") for p in logic.findall("phase") for _ in range(int(p.get("duration", "0")))]
        assert shown == seconds(junction, programme)
    assert timeline.PROGRAMME == "own"


@needs_data
@pytest.mark.engine
def test_own_programmes_written_as_a_plan_run_exactly_as_before(tmp_path: Path) -> None:
    whole = open_scenario(SHARED / "cologne3")
    scenario = replace(whole, end_s=whole.begin_s + 600.0)
    path = tmp_path / "own.add.xml"
    path.write_text(programmes_xml(scenario.junctions, [(0.0, [j.own for j in scenario.junctions])]), encoding="utf-8")
    assert measure(scenario, 1, path) == measure(scenario, 1, None)


@pytest.mark.engine
def test_counts_of_a_run_are_what_sumo_says_left_each_street(tmp_path: Path) -> None:
    whole = open_scenario(small_scenario(tmp_path, 650))
    asked = tmp_path / "ask.add.xml"
    asked.write_text(f'<additional><edgeData id="e" file="{tmp_path / "left.xml"}" freq="300"/></additional>')
    rows = count(replace(whole, extra=(*whole.extra, asked)), 42)
    assert {(row.begin_s, row.end_s) for row in rows} == {(0.0, 300.0), (300.0, 600.0)}
    counted: dict[tuple[str, float], float] = {}
    for row in rows:
        counted[row.street, row.begin_s] = counted.get((row.street, row.begin_s), 0.0) + row.total_veh
    streets = {street for street, _ in counted}
    left = {
        (edge.get("id", ""), float(interval.get("begin", "0"))): float(edge.get("left", "0"))
        for interval in ET.parse(tmp_path / "left.xml").getroot().findall("interval")
        for edge in interval.findall("edge")
        if edge.get("id") in streets and float(interval.get("begin", "0")) < 600
    }
    assert sum(left.values()) > 150
    assert {key: veh for key, veh in counted.items() if veh} == {key: veh for key, veh in left.items() if veh}


def test_the_command_in_the_how_to_is_one_that_exists() -> None:
    page = Path(__file__).parents[4] / "docs" / "how-to" / "retime-signals.md"
    line = next(row for row in page.read_text(encoding="utf-8").splitlines() if row.startswith("lamplighter traffic retime"))
    context = retime.make_context("retime", line.split()[3:])
    assert context.params["measured"]
    assert context.params["seeds"] == "1,2,3"
    assert context.params["cycle_max_s"] == 120.0
    names = {name for name, _ in sheet.files(made(), Verdict(sheet.NOT_MEASURED, "", ()), "x")} | {PLAN_FILE, COUNTS_FILE}
    assert all(f"`{name}`" in page.read_text(encoding="utf-8") for name in names)


def test_a_folder_without_a_scenario_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="exactly one is needed"):
        open_scenario(tmp_path)
    (tmp_path / "x.sumocfg").write_text("<configuration><input><net-file value='gone.net.xml'/></input></configuration>")
    with pytest.raises(ValueError, match=r"gone\.net\.xml is not there"):
        open_scenario(tmp_path)


def test_counts_that_are_no_text_are_refused_by_name(tmp_path: Path) -> None:
    noise = tmp_path / "noise.csv"
    noise.write_bytes(bytes(range(256)))
    config = small_scenario(tmp_path)
    answer = CliRunner().invoke(retime, [str(config), "--out", str(tmp_path / "out"), "--counts", str(noise)])
    assert answer.exit_code == 1
    assert "noise.csv: is not text in UTF-8" in answer.output


def test_a_plan_file_is_written(tmp_path: Path) -> None:
    assert write_plan(made(), tmp_path).read_text(encoding="utf-8").startswith("<additional>")
    path = write_plan(made(), tmp_path, sheet.ADVICE[sheet.NOT_MEASURED])
    assert path.read_text(encoding="utf-8").startswith("<!-- Advice")
    assert ET.parse(path).getroot().tag == "additional"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--seeds", "1,1"], "each seed once"),
        (["--seeds", "42"], "is the seed that is counted"),
        (["--from", "25:99"], "no time of day"),
        (["--from", "17:00", "--to", "16:00"], "behind the beginning"),
    ],
)
def test_wishes_that_make_no_sense_are_refused_before_anything_is_read(tmp_path: Path, given: list[str], words: str) -> None:
    answer = CliRunner().invoke(retime, ["nowhere", "--out", str(tmp_path / "out"), *given])
    assert answer.exit_code == 1
    assert words in answer.output
    assert not (tmp_path / "out").exists()
