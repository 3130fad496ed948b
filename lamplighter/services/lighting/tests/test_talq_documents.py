# SPDX-License-Identifier: Apache-2.0
"""The parts of TALQ without a socket: shapes, refusals, programmes, timetables, logs, and answers to anything at all."""

import gzip
import json
import uuid
import zlib
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.services.lighting.layout import calendar_output, local_s
from lamplighter.services.lighting.talq import announced, intake, programme, protocol, registry, timetable
from lamplighter.services.lighting.talq import documents as docs
from lamplighter.services.lighting.talq import vocabulary as words
from lamplighter.services.lighting.talq.box import TalqGateway
from lamplighter.services.lighting.talq.outbox import Job, Outbox
from lamplighter.services.lighting.talq.programme import Moment
from lamplighter.services.lighting.talq.shape import faults, moment_s
from lamplighter.services.lighting.tests.small import EVENING_S, Small
from lamplighter.services.lighting.tests.talq_cms import LAMPS, SERVICES, A, B, ask, bootstrapped, cms, gateway, kept, lamp
from lamplighter.terms.exchange import Answered, Asked

# Bootstrap -----------------------------------------------------------------------------------------------------------------


def test_before_its_bootstrap_is_through_a_gateway_may_ask_for_nothing_else() -> None:
    side = cms()
    assert ask(side, "GET", "/devices", b"").status == 403
    ask(side, "POST", "/devices", [gateway()], words.NOBODY)
    assert ask(side, "POST", "/services", SERVICES).status == 403
    assert ask(side, "POST", "/devices", [lamp(7)]).status == 403
    assert ask(side, "POST", "/log-reports", {}).status == 403


@pytest.mark.parametrize("uri", ["https://elsewhere.example/", "http://169.254.169.254/", "https://gw.example.evil.example/"])
def test_a_gateway_that_wants_to_be_spoken_to_elsewhere_is_refused(uri: str) -> None:
    side = cms()
    answer = ask(side, "POST", "/devices", [gateway(uri)], words.NOBODY)
    assert answer.status == 422
    assert b"as the wiring file has it" in answer.body
    assert ask(bootstrapped(), "PATCH", f"/devices/{B}", {**gateway(uri), "address": B}).status == 422


def test_a_gateway_that_brings_its_own_address_is_refused() -> None:
    member = gateway()
    member["functions"][0]["gatewayAddress"] = {"type": "AttributeString", "value": B}
    assert ask(cms(), "POST", "/devices", [member], words.NOBODY).status == 422


# Logs -----------------------------------------------------------------------------------------------------------------------


def entry(address: str, value: Any, name: str = "actualLightState", kind: str = "AttributeLevelState") -> dict[str, Any]:
    attribute = {"type": kind, "value": value, "timestamp": "2026-01-13T17:00:00Z"}
    return {
        "data": {"type": "AttributeLogData", "srcAddress": f"{address}/a", "attributeName": name, "attributeValue": attribute}
    }


def test_a_log_is_taken_whole_or_not_at_all() -> None:
    side = bootstrapped()
    ask(side, "POST", "/devices", [lamp(1)])
    taken = side.taken
    before = len(taken)
    good = entry(str(uuid.UUID(int=1)), {"name": "LevelState", "value": 50})
    for bad in (
        entry(str(uuid.UUID(int=1)), {"name": "LevelState", "value": "fifty"}),
        entry(str(uuid.UUID(int=1)), {"name": "LevelState", "value": 101}),
        entry(str(uuid.UUID(int=9)), {"name": "LevelState", "value": 50}),
        entry(str(uuid.UUID(int=1)), 50, kind="AttributeInteger"),
    ):
        assert ask(side, "POST", "/log-reports", {"entries": [good, bad]}).status == 422
    assert len(taken) == before
    assert ask(side, "POST", "/log-reports", {"entries": [good]}).status == 201
    assert taken[-1].taken[0].value == 50.0


def test_a_value_from_the_future_is_left() -> None:
    one = entry(A, {"name": "LevelState", "value": 50})
    one["data"]["attributeValue"]["timestamp"] = "2030-01-01T00:00:00Z"
    assert intake.log_of({"entries": [one]}, EVENING_S) == intake.Log((), (), 1)


# Answers to anything --------------------------------------------------------------------------------------------------------


PATHS = [
    "/devices",
    f"/devices/{B}",
    "/log-reports",
    "/services",
    "/groups/x",
    "/override-commands",
    "/%2e%2e/%00",
    "",
    "/devices//",
]
anything = st.builds(
    Asked,
    st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "X" * 100]),
    st.sampled_from(PATHS) | st.text(max_size=40),
    st.sampled_from([f"clientAddress={B}&talqRequestId={A}", "", "&&=;%ff"]) | st.text(max_size=30),
    st.dictionaries(
        st.sampled_from(["talq-api-version", "content-type", "content-encoding"]),
        st.text(max_size=20) | st.sampled_from(["2.7.1", "application/json", "gzip", "deflate"]),
    ),
    st.binary(max_size=60) | st.sampled_from([b"[]", b"[[[", b"{}", b"[" * 100_000, b"1" * 5000, b'"\xff"', b"NaN", b"1e999"]),
)  # fmt: skip


@given(anything)
def test_whatever_comes_is_answered_and_changes_nothing(asked: Asked) -> None:
    side = bootstrapped()
    held = side.held
    answer = protocol.answer(asked, side.routes, EVENING_S)
    assert 200 <= answer.status < 500
    if asked.method not in ("GET", "DELETE"):
        assert side.held is held or answer.status < 300


@given(anything)
def test_whatever_comes_to_a_gateway_is_answered_and_reaches_no_lamp(small: Small, asked: Asked) -> None:
    side = TalqGateway(small.layout, "small", ("http://127.0.0.1/", "http://127.0.0.1/"), lambda: A)
    side.side.cms, side.side.address = B, A
    assert 200 <= side.answer(asked, EVENING_S).status < 500
    assert side.messages() == []


@pytest.mark.parametrize("packed", ["gzip", "deflate", "raw"])
def test_packed_requests_are_read_and_answered_packed(packed: str) -> None:
    body = json.dumps([lamp(1)]).encode()
    raw = zlib.compressobj(wbits=-15)
    sent = {"gzip": gzip.compress(body), "deflate": zlib.compress(body), "raw": raw.compress(body) + raw.flush()}[packed]
    encoding = "gzip" if packed == "gzip" else "deflate"
    answer = ask(bootstrapped(), "POST", "/devices", sent, **{"content-encoding": encoding})
    assert answer.status == 201
    assert answer.headers["content-encoding"] == encoding
    assert protocol.answer_document(answer)[0]["name"] == "lamp-1"


def test_what_unpacks_beyond_measure_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(b" " * (protocol.BODY_MAX_BYTES + 1))
    assert ask(bootstrapped(), "POST", "/devices", bomb, **{"content-encoding": "gzip"}).status == 413
    assert ask(bootstrapped(), "POST", "/devices", bomb[:-9], **{"content-encoding": "gzip"}).status in (400, 413)


def test_what_is_nested_without_measure_is_refused() -> None:
    deep: Any = 1
    for _ in range(900):
        deep = {"value": deep}
    command = {"state": {"name": "LevelState", "value": 50}, "value": deep}
    one = lamp(1, targetLightCommand={"type": "AttributeCommand", "value": command})
    side = bootstrapped()
    answer = ask(side, "POST", "/devices", [one])
    assert answer.status in (201, 400)
    assert kept(side) == ({} if answer.status == 400 else {one["address"]: lamp(1)})


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)), st.integers(-23 * 60, 23 * 60))
def test_moments_are_read_as_the_library_reads_them(at: datetime, minutes: int) -> None:
    there = at.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert moment_s(there.isoformat()) == pytest.approx(there.timestamp(), abs=1e-5)
    assert moment_s(there.isoformat().replace("T", " ")) is None


# Programmes and timetables -----------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 86_399), st.integers(10, 100)), min_size=1, max_size=8, unique_by=lambda p: p[0]), st.data()
)
def test_a_programme_asks_for_what_its_last_point_said(points: list[tuple[int, int]], data: st.DataObject) -> None:
    one = programme.programme_of("p", A, points)
    assert list(programme.programme_faults(one, "", 10)) == []
    assert faults(one, docs.PROGRAM) == []
    calendar = programme.calendar_of("c", A, "p", "p")
    second = data.draw(st.integers(0, 86_399))
    now = Moment(date(2026, 1, 13), second, 57_600, 28_800)
    dark = second >= 57_600 or second < 28_800
    before = [percent for at_s, percent in sorted(points) if at_s <= second]
    wanted = (before[-1] if before else max(points)[1]) if dark else None
    assert programme.percent_at(calendar, {"p": one}, now) == wanted


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ({"condition": {"type": "ccDay", "days": [{"start": 6, "end": 7}]}}, {3, 4, 10, 11, 17, 18, 24, 25, 31}),
        ({"condition": {"type": "ccDay", "days": [{"start": 1}], "occurrences": ["1", "L"]}}, {5, 26}),
        ({"condition": {"type": "ccDate", "dates": [{"start": "---10", "end": "---12"}]}}, {10, 11, 12}),
        ({"condition": {"type": "ccDate", "dates": [{"start": "--01-20"}, {"start": "--02-20"}]}}, {20}),
        ({"startDate": "2026-01-30"}, {30, 31}),
        ({"startDate": "--12-20", "endDate": "--01-02"}, {1, 2}),
        ({"startDate": "2025-01-01", "endDate": "2025-12-31"}, set()),
    ],
)
def test_calendar_rules_hold_on_the_days_that_they_say(rule: dict[str, Any], days: set[int]) -> None:
    held = {name: programme.programme_of(name, A, [(0, percent)]) for name, percent in (("x", 50), ("y", 60))}
    calendar = {"id": "c", "ownerCMS": A, "rules": [{**rule, "program": "x"}], "defaultProgram": "y"}
    assert faults(calendar, docs.CALENDAR) == []
    assert list(programme.calendar_faults(calendar, "", held)) == []
    found = {d for d in range(1, 32) if programme.percent_at(calendar, held, Moment(date(2026, 1, d), 0, 57_600, 28_800)) == 50}
    assert found == days


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"dynamicControls": [{"effect": {}}]}, "answers a detector"),
        ({"type": "ControlProgramTwo"}, "ControlProgramOne"),
        ({"fixedTimeControls": []}, "one time or more"),
        ({"activePeriods": [{"name": "SensorActivePeriod"}]}, "AbsoluteActivePeriod"),
        ({"activePeriods": [{"name": "AbsoluteActivePeriod", "startTime": "25:00:00", "endTime": "06:00:00"}]}, "pattern"),
    ],
)
def test_a_programme_that_cannot_be_run_is_refused(change: dict[str, Any], told: str) -> None:
    one = {**programme.programme_of("p", A, [(0, 50)]), **change}
    assert told in str(list(map(str, programme.programme_faults(one, "", 10))))
    dark = programme.programme_of("p", A, [(0, 5)])
    assert "not made dark" in str(list(map(str, programme.programme_faults(dark, "", 10))))


@given(st.lists(st.integers(10, 100), min_size=96, max_size=96), st.integers(1, 12))
def test_fewer_points_are_never_darker(percents: list[int], most: int) -> None:
    points = timetable._points(percents, most)
    assert 1 <= len(points) <= most
    assert points[0][0] == 0
    for k, percent in enumerate(percents):
        assert [p for at_s, p in points if at_s <= k * 900][-1] >= percent
    assert timetable._points(percents, 96)[0] == (0, percents[0])


def test_the_timetable_in_the_lamps_is_the_city_s_own_at_every_quarter_of_any_day(small: Small) -> None:
    for limits in (timetable.Limits(100, 100, 96, False), timetable.Limits(2, 1, 3, False), timetable.Limits(100, 100, 96, True)):
        made = timetable.programmes(small.layout, limits)
        for hour in range(0, 24 * 8, 5):
            at_s = EVENING_S + hour * 3600.0 + 60.0
            own = calendar_output(at_s, small.layout)
            there_s = local_s(at_s, small.layout.local)
            weekend = datetime.fromtimestamp(there_s, UTC).isoweekday() > 5
            for segment, share in enumerate(own.tolist()):
                points = made.days[made.of_segment[segment]][weekend]
                given_ = [p for at, p in points if at <= there_s % 86_400][-1]
                assert given_ >= share * 100.0 - 1e-6
                if limits.points == 96 and not limits.noon:
                    assert given_ == np.ceil(share * 100.0 - 1e-6)


# Waiting requests --------------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60), st.sampled_from([None, 200, 422, 503])), max_size=12))
def test_a_request_is_done_once_in_order_and_never_after_its_time(rows: list[tuple[bool, int, int | None]]) -> None:
    box, done = Outbox(), []
    for k, (urgent, not_after, _) in enumerate(rows):
        box.add(
            Job(Asked("POST", str(k), "", {}, b""), lambda a, k=k: done.append((k, a and a.status)), float(not_after)), urgent
        )
    for now in range(200):
        asked = box.next(float(now))
        if asked is not None:
            k = int(asked.path)
            assert now <= rows[k][1]
            status = rows[k][2]
            box.answered(None if status is None else Answered(status, {}, b""), float(now))
    assert sorted(k for k, _ in done) == list(range(len(rows)))
    assert all(status is None or status == rows[k][2] for k, status in done)
    assert len(box) == 0


# Checks of somebody's documents ------------------------------------------------------------------------------------------------


def test_documents_are_told_apart_and_judged() -> None:
    assert announced.verdict(SERVICES).sound
    assert announced.verdict(SERVICES[:1]).missing == ("service ControlService", "service DataCollectService")
    assert announced.verdict([LAMPS]).kind == "device classes"
    assert "calendarID" in announced.verdict([LAMPS]).missing[0]
    assert announced.verdict([lamp(1)]).sound
    assert announced.verdict({"entries": []}).kind == "log report"
    assert announced.verdict({"targetCommand": {"state": {"name": "LevelState", "value": 50}}}).refused
    assert announced.verdict({"targetCommand": {"state": {"name": "levelState", "value": 50}}}).wrong
    assert announced.verdict("nothing").kind == "unknown"
    assert announced.strangers([[lamp(1), lamp(2)]], frozenset(("lamp-1",))) == (1, ("lamp-2",))
    assert registry.asset_of(lamp(1)) == "lamp-1"
