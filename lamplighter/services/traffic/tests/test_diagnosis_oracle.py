# SPDX-License-Identifier: Apache-2.0
"""Our measures are those of `atspm`, on its own real log; where its definition differs, the test says how."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamplighter.services.traffic.diagnosis import measures as m
from lamplighter.services.traffic.diagnosis.codes import Interval
from lamplighter.services.traffic.diagnosis.diagnosing import BoxSums, Diagnosis, Settings
from lamplighter.services.traffic.diagnosis.files import Reader, read_tables
from lamplighter.services.traffic.diagnosis.tally import OFFSET_BINS, OFFSET_FIRST_S, I
from lamplighter.services.traffic.tests import oracle

CLASSES = {
    "Green": Interval.GREEN, "Yellow": Interval.YELLOW, "Red": Interval.RED_CLEARANCE, "Split": Interval.SPLIT,
    "Phase Call": Interval.CALL, "Phase Omit": Interval.OMIT, "Ped Omit": Interval.FOOT_OMIT,
    "Ped Service": Interval.FOOT_SERVICE, "Overlap Green": Interval.OVERLAP_GREEN, "Overlap Yellow": Interval.OVERLAP_YELLOW,
    "Overlap Red": Interval.OVERLAP_RED, "Phase Hold": Interval.HOLD, "Preempt": Interval.PREEMPT,
    "Stuck On": Interval.DETECTOR_STUCK_ON, "Stuck Off": Interval.DETECTOR_STUCK_OFF, "Overlap Ped": Interval.FOOT_OVERLAP,
}  # fmt: skip
SINGLE = 2e-6  # atspm keeps shares and means in single precision


def diagnose(log: Path, table: Path, settings: Settings | None = None) -> BoxSums:
    reader = Reader([log])
    tables = read_tables(table)
    pieces = list(reader.pieces())
    known = {number: tables[name] for number, name in enumerate(reader.names) if name in tables}
    under_way = Diagnosis(settings or Settings(run_cycle=True), known)
    for piece in pieces:
        under_way.add(piece)
    return under_way.finish()[0]


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def keyed(rows: list[dict[str, Any]], number: str, *names: str) -> dict[tuple[float, int], tuple[float, ...]]:
    return {(seconds(row["TimeStamp"]), int(row[number])): tuple(float(row[name] or 0) for name in names) for row in rows}


def ours(table: Mapping[str, Any], number: str, *names: str) -> dict[tuple[float, int], tuple[float, ...]]:
    columns = zip(*(np.asarray(table[name], np.float64).tolist() for name in names), strict=True)
    return dict(zip(zip(table["begin_s"].tolist(), table[number].tolist(), strict=True), columns, strict=True))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[BoxSums, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("atspm")
    log, table, out = folder / "log.csv", folder / "detectors.csv", folder / "out.json"
    oracle.ask("sample", log, table, out)
    return diagnose(log, table), oracle.ask("measure", log, table, out)


def check_counts(found: BoxSums, said: dict[str, Any]) -> None:
    counted = ours(m.detectors(found), "detector", "actuations")
    assert counted == keyed(said["actuations"], "Detector", "Total")
    complete = m.box(found)
    assert set(complete["begin_s"][complete["complete"]].tolist()) == {seconds(row["TimeStamp"]) for row in said["has_data"]}
    ended: dict[tuple[float, int], list[float]] = {}
    for row in said["terminations"]:
        key = (seconds(row["TimeStamp"]), int(row["Phase"]))
        place = ("GapOut", "MaxOut", "ForceOff").index(row["PerformanceMeasure"])
        ended.setdefault(key, [0.0, 0.0, 0.0])[place] += row["Total"]
    assert ours(m.terminations(found), "group", "gap_out", "max_out", "force_off") == {k: tuple(v) for k, v in ended.items()}


def check_arrivals(found: BoxSums, said: dict[str, Any]) -> None:
    arrivals = ours(m.arrivals(found, 1), "group", "arrivals_veh", "on_green_share")
    theirs = keyed(said["arrival_on_green"], "Phase", "Total_Actuations", "Percent_AOG")
    # atspm leaves out a quarter in which nobody arrives on green, rather than saying 0 %
    assert {key: row for key, row in arrivals.items() if row[1] > 0} == {
        key: (row[0], pytest.approx(row[1], abs=SINGLE)) for key, row in theirs.items()
    }


def check_split_failures(found: BoxSums, said: dict[str, Any], left_out: tuple[int, ...] = ()) -> None:
    names = ("Split_Failure", "Green_Time", "Green_Occupancy", "Red_Occupancy")
    theirs = {key: row for key, row in keyed(said["split_failures"], "Phase", *names).items() if key[1] not in left_out}
    columns = ("failed", "green_s", "green_occupied_share", "red_occupied_share")
    mine = {key: row for key, row in ours(m.split_failures(found), "group", *columns).items() if key[1] not in left_out}
    assert mine.keys() == theirs.keys()
    for key, row in mine.items():
        assert row == pytest.approx(theirs[key], abs=1e-4), key


def check_yellow_red(found: BoxSums, said: dict[str, Any]) -> None:
    shown: dict[tuple[float, int], list[float]] = {}
    offsets = np.zeros((65, OFFSET_BINS))
    for row in said["yellow_red"]:
        key = (seconds(row["TimeStamp"]), int(row["Phase"]))
        shown.setdefault(key, [0.0, 0.0, 0.0])[(1, 8, 10).index(row["Signal_State"])] += row["Count"]
        place = round((row["Red_Offset"] - OFFSET_FIRST_S) * 2)
        if 0 <= place < OFFSET_BINS:
            offsets[int(row["Phase"]), place] += row["Count"]
    assert ours(m.yellow_red(found, 1), "group", "green_veh", "yellow_veh", "red_veh") == {k: tuple(v) for k, v in shown.items()}
    np.testing.assert_array_equal(found.tally.crossing, offsets[: len(found.tally.crossing)])


def check_waits(found: BoxSums, said: dict[str, Any]) -> None:
    theirs = keyed(said["phase_wait"], "Phase", "AvgPhaseWait", "MaxPhaseWait", "TotalSkips")
    mine = ours(m.waits(found), "group", "wait_mean_s", "wait_max_s", "skipped")
    assert mine.keys() == theirs.keys()
    for key, row in mine.items():
        assert row == pytest.approx(theirs[key], abs=1e-3), key


def check_pedestrians(found: BoxSums, said: dict[str, Any]) -> None:
    on_foot = m.pedestrians(found)
    mine = ours(on_foot, "group", "walks", "pushes")
    assert mine == keyed(said["full_ped"], "Phase", "PedServices", "PedActuation")
    waited = {key: row for key, row in ours(on_foot, "group", "waits", "wait_mean_s").items() if row[0]}
    assert waited == {
        key: (row[0], pytest.approx(row[1], abs=1e-3))
        for key, row in keyed(said["ped_delay"], "Phase", "Samples", "AvgPedDelay").items()
    }


def check_intervals(found: BoxSums, said: dict[str, Any]) -> None:
    assert {row["EventClass"] for row in said["timeline"]} <= set(CLASSES), "a class of interval that is not compared"
    for row in said["timeline"]:
        mine = found.tally.interval_group[CLASSES[row["EventClass"]], int(row["EventValue"])]
        assert mine[I.COUNT] == row["n"], row
        assert mine[I.MS] / 1000 == pytest.approx(row["s"], abs=0.01), row
    counted = sum(float(found.tally.interval_group[kind, :, I.COUNT].sum()) for kind in set(CLASSES.values()))
    assert counted == sum(row["n"] for row in said["timeline"])


def test_actuations_complete_quarters_and_terminations_are_those_of_atspm(sample: tuple[BoxSums, dict[str, Any]]) -> None:
    check_counts(*sample)


def test_arrivals_on_green_are_those_of_atspm(sample: tuple[BoxSums, dict[str, Any]]) -> None:
    check_arrivals(*sample)


def test_platoon_ratios_are_those_of_atspm(sample: tuple[BoxSums, dict[str, Any]]) -> None:
    found, said = sample
    names = ("Green_Seconds", "Green_Ratio", "Platoon_Ratio", "Arrival_Type")
    theirs = keyed(said["platoon_ratio"], "Phase", *names)
    mine = ours(m.platoons(found, 1), "group", "green_s", "green_ratio", "platoon_ratio", "arrival_type")
    assert mine.keys() == theirs.keys()
    torn = {key for key, row in ours(m.splits(found), "group", "incomplete").items() if row[0]}
    last = max(begin for begin, _ in mine)
    for key, row in mine.items():
        if key in torn:
            # a green that began twice: the log lost its end. atspm counts it as green up to its second beginning, we do not
            assert row[0] <= theirs[key][0], key
            continue
        # where the log ends within a green, atspm lets it last to the end of the quarter, we to the last event (1.5 s here)
        assert row == pytest.approx(theirs[key], abs=1.6 if key[0] == last else 1e-4), key


def test_split_failures_are_those_of_atspm(sample: tuple[BoxSums, dict[str, Any]]) -> None:
    check_split_failures(*sample)


def test_actuations_on_yellow_and_red_are_those_of_atspm(sample: tuple[BoxSums, dict[str, Any]]) -> None:
    check_yellow_red(*sample)


def test_waits_from_call_to_green_are_those_of_atspm(sample: tuple[BoxSums, dict[str, Any]]) -> None:
    check_waits(*sample)


def test_people_on_foot_wait_as_atspm_says(sample: tuple[BoxSums, dict[str, Any]]) -> None:
    check_pedestrians(*sample)
    found, said = sample
    # atspm never counts the first caller of a log: with nothing before it, there is no distance to compare
    theirs = sum(row["Unique_Actuations"] for row in said["full_ped"])
    assert float(m.pedestrians(found)["callers"].sum()) == theirs + 1


def test_every_kind_of_interval_has_the_count_and_length_of_atspm(sample: tuple[BoxSums, dict[str, Any]]) -> None:
    check_intervals(*sample)


def test_splits_cycles_and_offsets_that_the_box_says_are_those_of_atspm(sample: tuple[BoxSums, dict[str, Any]]) -> None:
    found, said = sample
    theirs = {
        (seconds(row["TimeStamp"]), row["EventId"] - 299): (row["Services"], pytest.approx(row["Average_Split"], abs=1e-4))
        for row in said["splits"]
        if row["EventId"] <= 315  # 316 is the cycle; atspm's table of splits holds it too
    }
    mine = ours(m.splits(found), "group", "splits_said", "split_said_s")
    assert {key: row for key, row in mine.items() if row[0]} == theirs
    box = m.box(found)
    plans = {seconds(row["TimeStamp"]): (row["ActualCycleLength"], row["ActualOffset"]) for row in said["coordination_agg"]}
    columns = zip(box["run_cycle_s"].tolist(), box["offset_s"].tolist(), strict=True)
    assert dict(zip(box["begin_s"].tolist(), columns, strict=True)) == plans
    assert not box["pattern_known"].any()  # atspm says pattern 0 where none was ever said


def test_what_the_box_says_of_its_line_is_what_atspm_says(sample: tuple[BoxSums, dict[str, Any]]) -> None:
    found, said = sample
    theirs = keyed(said["communications"], "EventId", "Average")
    mine = ours(m.line_quality(found), "event", "mean")
    assert mine == {key: pytest.approx(row, abs=1e-4) for key, row in theirs.items()}


def test_the_sample_is_the_one_that_is_meant(sample: tuple[BoxSums, dict[str, Any]]) -> None:
    found, _ = sample
    assert found.dropped == {"late": 0, "stray": 0, "strange": 0, "twice": 4}
    assert float(found.tally.box.sum(axis=0)[0]) == 37_152 - 4
