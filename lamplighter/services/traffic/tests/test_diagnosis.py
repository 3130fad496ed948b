# SPDX-License-Identifier: Apache-2.0
"""A log says the same however it is cut, shuffled within the slack, or said twice; rubbish is told and costs nothing."""

import gzip
import json
import re
import resource
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.services.traffic.diagnosis import measures as m
from lamplighter.services.traffic.diagnosis.codes import ADVANCE, PRESENCE, YELLOW_RED
from lamplighter.services.traffic.diagnosis.command import diagnose
from lamplighter.services.traffic.diagnosis.diagnosing import BoxSums, Diagnosis, Settings
from lamplighter.services.traffic.diagnosis.events import DetectorTable, Events
from lamplighter.services.traffic.diagnosis.files import Reader, read_tables
from lamplighter.services.traffic.diagnosis.findings import findings
from lamplighter.services.traffic.diagnosis.health import Health, judge, new_watched, watch
from lamplighter.services.traffic.diagnosis.tally import B, D, G

NOON_MS = 1_713_182_400_000  # 2024-04-15 12:00, as a box would write it
TABLE = DetectorTable(np.array([1, 2, 3, 3]), np.array([2, 2, 2, 4]), np.array([ADVANCE, YELLOW_RED, PRESENCE, PRESENCE]))
HEADER = "TimeStamp,DeviceId,EventId,Parameter"


def made(seed: int, minutes: int = 40, torn: float = 0.03) -> Events:
    """Return a plausible log of one box: two signal_groups, a crossing, three detectors; a share of it lost."""
    dice = np.random.default_rng(seed)
    rows: list[tuple[int, int, int]] = []
    for cycle in range(minutes):
        begin = NOON_MS + cycle * 60_000
        for group, first, length in ((2, 0, 30_000), (4, 34_000, 20_000)):
            start, stop = begin + first, begin + first + length
            rows += [(start, 0, group), (start, 1, group), (stop, int(dice.integers(4, 7)), group), (stop, 7, group)]
            rows += [(stop, 8, group), (stop + 3000, 9, group), (stop + 3000, 10, group), (stop + 4000, 11, group)]
            rows += [(start - int(dice.integers(1, 250)) * 100, 43, group), (start + 2000, 44, group)]
        rows += [(begin + 40_000, 90, 2), (begin + 60_000, 21, 2), (begin + 67_000, 22, 2), (begin + 75_000, 23, 2)]
        for detector in (1, 2, 3):
            times = np.sort(dice.choice(600, 24, replace=False)) * 100 + begin
            rows += [(int(time), 82 - n % 2, detector) for n, time in enumerate(times)]
    kept = [row for row in rows if dice.random() > torn]
    if minutes > 30:
        kept.append((NOON_MS + 1_200_000, 181, 0))
    columns = np.array(sorted(kept), np.int64).T
    return Events(columns[0].copy(), np.zeros(len(kept), np.int64), columns[1].copy(), columns[2].copy())


def measured(pieces: list[Events], how: Settings | None = None) -> BoxSums:
    under_way = Diagnosis(how or Settings(), {0: TABLE})
    for piece in pieces:
        under_way.add(piece)
    return under_way.finish()[0]


def alike(one: BoxSums, other: BoxSums) -> None:
    assert one.first_ms == other.first_ms
    first, second = m.measures(one, 1), m.measures(other, 1)
    for name, table in first.items():
        for column, values in table.items():
            np.testing.assert_array_equal(values, second[name][column], err_msg=f"{name}.{column}")
    np.testing.assert_array_equal(one.tally.coordination.sum(axis=1), other.tally.coordination.sum(axis=1))


def cut(events: Events, at: list[int]) -> list[Events]:
    edges = [0, *sorted(at), len(events.box)]
    return [Events(*(column[a:b] for column in events)) for a, b in pairwise(edges)]


@given(seed=st.integers(0, 5), at=st.lists(st.integers(0, 5000), max_size=12), ahead=st.sampled_from([30.0, 300.0]))
@settings(max_examples=25)
def test_a_log_says_the_same_however_it_is_cut(seed: int, at: list[int], ahead: float) -> None:
    events = made(seed)
    how = Settings(ahead_s=ahead, slack_s=60.0, latency_s=1.5)
    alike(measured([events], how), measured(cut(events, [place % len(events.box) for place in at]), how))


@given(seed=st.integers(0, 5), shuffle=st.integers(0, 10_000))
@settings(max_examples=15)
def test_order_within_the_slack_and_repetition_change_nothing(seed: int, shuffle: int) -> None:
    events, dice = made(seed), np.random.default_rng(shuffle)
    twice = np.concatenate((np.arange(len(events.box)), dice.choice(len(events.box), 200)))
    order = np.argsort(events.time_ms[twice] + dice.integers(0, 250_000, len(twice)), kind="stable")
    jumbled = events.take(twice[order].astype(np.int64))
    again = measured(cut(jumbled, [1000, 1001, 3000]))
    assert again.dropped["late"] == 0
    assert again.dropped["twice"] >= 200
    alike(measured([events]), again)


def test_what_comes_too_late_is_told_and_does_not_count() -> None:
    events = made(1)
    late = Events(events.time_ms[:50], events.box[:50], events.event[:50], events.parameter[:50])
    found = measured([events, late])
    assert found.dropped["late"] == 50
    alike(measured([events]), found)
    assert any("50 events came too late" in sentence for sentence in findings(found))


@pytest.mark.parametrize("stray_ms", [0, 4_000_000_000_000])
@pytest.mark.parametrize("place", [0, 700, -1])
def test_a_stray_clock_takes_nothing_else_with_it(stray_ms: int, place: int) -> None:
    events = made(2)
    where = len(events.box) if place < 0 else place
    columns = [np.insert(column, where, value) for column, value in zip(events, (stray_ms, 0, 82, 1), strict=True)]
    found = measured([Events(*columns)])
    assert found.dropped["stray"] + found.dropped["late"] == 1
    alike(measured([events]), found)


def test_days_laid_over_one_another_add_up_and_take_no_more_room() -> None:
    day = made(3)
    days = [Events(day.time_ms + n * 86_400_000, *day[1:]) for n in range(3)]
    folded, single = measured(days, Settings(fold=True)), measured([day], Settings(fold=True))
    assert folded.tally.group.nbytes == single.tally.group.nbytes
    for column in (G.GREENS, G.ARRIVALS, G.FAILED, G.WAITS, G.WAIT_MS, G.WALKS):
        np.testing.assert_array_equal(folded.tally.group[:, :, column], 3 * single.tally.group[:, :, column])
    np.testing.assert_allclose(m.platoons(folded, 1)["green_ratio"], m.platoons(single, 1)["green_ratio"])


def test_several_boxes_in_one_log_are_kept_apart() -> None:
    one, other = made(1), made(2)
    both = Events(*(np.concatenate(pair) for pair in zip(one, other, strict=True)))
    both = both._replace(box=np.repeat([0, 7], [len(one.box), len(other.box)]))
    order = np.argsort(both.time_ms, kind="stable").astype(np.int64)
    under_way = Diagnosis(Settings(), {0: TABLE, 7: TABLE})
    for piece in cut(both.take(order), [100, 2000, 2001]):
        under_way.add(piece)
    found = under_way.finish()
    alike(found[0], measured([one]))
    alike(found[7], measured([other]))


def test_memory_does_not_grow_with_the_log() -> None:
    events = made(4, 60)
    under_way = Diagnosis(Settings(fold=True), {0: TABLE})
    peaks: list[int] = []
    for hour in range(600):  # two and a half million events
        under_way.add(Events(events.time_ms + hour * 3_600_000, *events[1:]))
        if hour in (100, 599):
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    sums = under_way.finish()[0]
    assert float(sums.tally.box[:, B.EVENTS].sum()) > 0.9 * 600 * len(events.box)
    assert peaks[1] - peaks[0] < 10_000  # kB; the events themselves would take 60 MB


def test_split_failures_and_platoon_ratio_are_those_of_the_definition() -> None:
    rows: list[tuple[int, int, int]] = []
    for cycle in range(15):
        begin = NOON_MS + cycle * 60_000
        rows += [(begin, 1, 2), (begin + 20_000, 8, 2), (begin + 23_000, 10, 2)]
        occupied_ms = 20_000 + 3_000 + 4_500 if cycle % 3 == 0 else 10_000  # every third: all green, 90 % of early red
        rows += [(begin - 1_000, 82, 3), (begin + occupied_ms, 81, 3)]
        rows += [(begin + at, 82, 1) for at in (2_000, 10_000, 40_000)]  # two of three arrive on green
        rows += [(begin + at + 300, 81, 1) for at in (2_000, 10_000, 40_000)]
    columns = np.array(sorted(rows), np.int64).T
    found = measured([Events(columns[0], np.zeros(len(rows), np.int64), columns[1], columns[2])])
    table = m.split_failures(found)
    assert table["cycles"][0] == 15
    assert table["failed"][0] == 5
    assert table["red_occupied_share"][0] == pytest.approx(0.9 / 3)
    ratio = m.platoons(found)
    assert ratio["platoon_ratio"][0] == pytest.approx((2 / 3) / (20 / 60))
    assert ratio["arrival_type"][0] == 5


def test_findings_name_the_approach_the_time_and_the_detector_that_lies() -> None:
    events = made(5, 240, torn=0.0)
    kept = (events.parameter != 3) | (events.event < 81)
    stuck = [np.append(column[kept], value) for column, value in zip(events, (NOON_MS - 1000, 0, 82, 3), strict=True)]
    found = measured([Events(*stuck).take(np.argsort(stuck[0], kind="stable").astype(np.int64))])
    said = " ".join(findings(found))
    assert "signal_group 2 fails 100% of its greens between 12:00 and 16:00" in said
    assert "Do not believe it before this is mended: detector 3 has been on for 4.0 h." in said
    table = judge(found)
    assert table["health"][table["detector"] == 3][0] == Health.STUCK_ON


def test_health_from_what_boxes_report_second_by_second() -> None:
    watched = new_watched(5)
    health = np.zeros(5, np.int64)
    fresh = np.array([True, True, True, True, False])
    for second in range(1200):
        passes = float(second % 4 == 0)
        count = np.array([passes, 0.0, 0.0, 3.0, 0.0])
        share = np.array([0.3 * passes, 1.0, 0.0, 0.5, 0.0])
        watched, health = watch(watched, count, share, fresh, np.full(5, passes), 1.0)
    assert health.tolist() == [Health.SOUND, Health.STUCK_ON, Health.STUCK_OFF, Health.CHATTERING, Health.SILENT]


def write(path: Path, events: Events, form: str = "%Y-%m-%d %H:%M:%S.%f", separator: str = ",") -> None:
    moments = [np.datetime64(int(ms), "ms").astype(object) for ms in events.time_ms]
    lines = [
        separator.join((t.strftime(form), "J07", str(e), str(p)))
        for t, e, p in zip(moments, events.event, events.parameter, strict=True)
    ]
    text = "\n".join([separator.join(HEADER.split(",")), *lines]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


@pytest.mark.parametrize(
    ("name", "form", "separator"),
    [
        ("a.csv", "%Y-%m-%d %H:%M:%S.%f", ","),
        ("b.csv", "%m/%d/%Y %I:%M:%S.%f %p", ";"),
        ("c.csv.gz", "%Y-%m-%dT%H:%M:%S.%fZ", "\t"),
    ],
)
def test_logs_of_several_makes_say_the_same(tmp_path: Path, name: str, form: str, separator: str) -> None:
    events = made(1, 20)
    write(tmp_path / name, events, form, separator)
    reader = Reader([tmp_path / name])
    pieces = list(reader.pieces())
    assert reader.names == ["J07"]
    assert reader.unread == 0
    for piece, column in zip(zip(*pieces, strict=True), events, strict=True):
        np.testing.assert_array_equal(np.concatenate(piece), column)


def test_parquet_is_read_in_pieces_without_pyarrow(tmp_path: Path) -> None:
    import duckdb

    events = made(1, 30)
    write(tmp_path / "a.csv", events)
    database = duckdb.connect()
    database.execute(
        f"COPY (SELECT * FROM read_csv('{tmp_path / 'a.csv'}')) TO '{tmp_path / 'a.parquet'}' (FORMAT parquet)"
    ).fetchall()
    database.close()
    found = [list(Reader([tmp_path / name]).pieces()) for name in ("a.csv", "a.parquet")]
    alike(measured(found[0]), measured(found[1]))


@given(
    junk=st.lists(
        st.one_of(st.text(max_size=40), st.sampled_from(["2024-13-40 99:00,J,1,2", ",,,", "x,J,1,1", "2024-04-15,J,,"])),
        max_size=30,
    )
)
@settings(max_examples=60)
def test_rubbish_lines_are_counted_and_do_no_harm(tmp_path_factory: pytest.TempPathFactory, junk: list[str]) -> None:
    path = tmp_path_factory.mktemp("rubbish") / "log.csv"
    good = ["2024-04-15 12:00:00.0,J,1,2", "2024-04-15 12:00:30.0,J,8,2"]
    lines = [line.replace("\n", " ").replace("\r", " ") for line in junk]
    path.write_text("\n".join([HEADER, good[0], *lines, good[1]]) + "\n", encoding="utf-8")
    reader = Reader([path])
    pieces = list(reader.pieces())
    times = np.concatenate([piece.time_ms for piece in pieces])
    assert NOON_MS in times
    assert NOON_MS + 30_000 in times
    blank = sum(1 for line in lines if line == "" or line == "\r")
    assert reader.unread + len(times) + blank >= len(lines) + 2 - sum(len(line.strip()) == 0 for line in lines)


@given(st.binary(max_size=400))
@settings(max_examples=60)
def test_any_bytes_end_in_a_sentence_and_not_in_a_trace(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "log.csv"
    path.write_bytes(content)
    done = CliRunner().invoke(diagnose, [str(path)])
    assert done.exit_code == 1
    assert str(path) in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["absent.csv"], "there is no such file"),
        (["log.csv", "--quarter", "1"], "5 or more"),
        (["log.csv", "--detectors", "bad.csv"], "row 2"),
        (["log.csv", "--detectors", "no.csv"], "no column for detector"),
        (["broken.parquet"], "cannot be read as Parquet"),
        (["broken.csv.gz"], "cannot be read to its end"),
        ([], "one of these"),
        (["log.csv", "--latency", "-1"], "latency_s"),
    ],
)
def test_what_cannot_be_done_is_told_with_place_value_and_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "log.csv", made(1, 5))
    (tmp_path / "bad.csv").write_text("DeviceId,Phase,Parameter,Function\nJ07,two,5,Advance\n")
    (tmp_path / "no.csv").write_text("DeviceId,Phase,Function\nJ07,2,Advance\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and then nothing")
    whole = gzip.compress((tmp_path / "log.csv").read_bytes())
    (tmp_path / "broken.csv.gz").write_bytes(whole[: len(whole) // 2])
    done = CliRunner().invoke(diagnose, arguments)
    assert done.exit_code == 1, done.output
    assert said in " ".join(done.output.split())


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.pictures: list[dict[str, str | None]] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "svg":
            self.pictures.append(found)
        if tag in ("script", "link", "img") or "src" in found or str(found.get("href", "")).startswith("http"):
            self.outside.append(tag)


def test_the_page_stands_alone_and_every_picture_has_a_name_and_a_place_in_the_order_of_keys(tmp_path: Path) -> None:
    write(tmp_path / "log.csv", made(1, 60))
    (tmp_path / "table.csv").write_text("DeviceId,Phase,Parameter,Function\nJ07,2,1,Advance\nJ07,2,3,Presence\n")
    out = [str(tmp_path / name) for name in ("out.json", "out.html")]
    arguments = [str(tmp_path / "log.csv"), "--detectors", str(tmp_path / "table.csv"), "--json", out[0], "--html", out[1]]
    done = CliRunner().invoke(diagnose, arguments)
    assert done.exit_code == 0, done.output
    page = _Page()
    text = Path(out[1]).read_text()
    page.feed(text)
    assert page.outside == []
    assert len(page.pictures) >= 4
    assert all(picture["role"] == "img" and picture["tabindex"] == "0" and picture["aria-label"] for picture in page.pictures)
    assert "SIMULATED" not in text
    document = json.loads(Path(out[0]).read_text())
    assert document["boxes"]["J07"]["measures"]["arrivals"]["group"] == [2, 2, 2, 2]
    assert "TimeStamp" not in Path(out[0]).read_text()


def test_few_vehicles_are_not_written_for_one_approach() -> None:
    rows = [(NOON_MS, 1, 2), (NOON_MS + 1000, 82, 1), (NOON_MS + 1300, 81, 1), (NOON_MS + 2000, 82, 1), (NOON_MS + 2300, 81, 1)]
    columns = np.array(rows, np.int64).T
    found = measured([Events(columns[0], np.zeros(len(rows), np.int64), columns[1], columns[2])])
    assert len(m.arrivals(found)["group"]) == 0
    assert len(m.arrivals(found, 1)["group"]) == 1
    assert m.withheld(found) == 1


def test_a_detector_table_may_be_parquet_and_tells_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("DeviceId,Phase,Parameter,Function\nJ07,2,1,stop bar count\n")
    with pytest.raises(ValueError, match="no row says"):
        read_tables(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("DeviceId,Phase,Parameter,Function\nJ07,2,300,Advance\n")
    with pytest.raises(ValueError, match="to 256"):
        read_tables(tmp_path / "t.csv")


def test_detectors_that_flicker_or_lose_events_are_found() -> None:
    flicker = [(NOON_MS + n * 2000 + half * 50, 82 - half, 1) for n in range(300) for half in (0, 1)]
    losing = [(NOON_MS + n * 3000 + 700, 82 if n % 3 else 81, 3) for n in range(200)]
    columns = np.array(sorted(flicker + losing), np.int64).T
    found = measured([Events(columns[0], np.zeros(columns.shape[1], np.int64), columns[1], columns[2])])
    table = judge(found)
    verdict = dict(zip(table["detector"].tolist(), table["health"].tolist(), strict=True))
    assert verdict == {1: Health.CHATTERING, 2: Health.SILENT, 3: Health.LOSING}
    assert float(found.tally.detector[found.quarters][:, 1, D.SHORT].sum()) == 300


def test_the_example_of_the_how_to_page_says_what_the_page_says(tmp_path: Path, repository: Path) -> None:
    text = (repository / "docs" / "how-to" / "diagnose-a-signal.md").read_text(encoding="utf-8")
    log, table = re.findall(r"```csv\n(.*?)```", text, re.DOTALL)
    said = re.findall(r"```text\n(.*?)```", text, re.DOTALL)[-1]
    (tmp_path / "log.csv").write_text(log)
    (tmp_path / "detectors.csv").write_text(table)
    done = CliRunner().invoke(diagnose, [str(tmp_path / "log.csv"), "--detectors", str(tmp_path / "detectors.csv")])
    assert done.exit_code == 0, done.output
    assert " ".join(said.split()) in " ".join(done.output.split())
