# SPDX-License-Identifier: Apache-2.0
"""Control programmes and calendars: made from a timetable, checked, and read for what they ask of a lamp at a local moment.

A programme is taken where it says one thing only: fixed times of the day with light levels, in active periods by the clock or by
the sun. What reacts to a detector is refused: a lamp that brightens when somebody comes tells that somebody comes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

from lamplighter.services.lighting.talq import documents as docs
from lamplighter.services.lighting.talq.shape import Record, Rows, Text, Whole, Wrong, faults, record_of, rows_of

POINTS_MAX = 24
PERIODS_MAX = 4
RULES_MAX = 64
DAY_S = 86_400
_CLOCK = Text(pattern=r"^([01]\d|2[0-3]):[0-5]\d:[0-5]\d$")
_POINT = Record(("startTime", "command"), {"startTime": _CLOCK, "command": docs.COMMAND_START})
_ABSOLUTE = Record(("startTime", "endTime"), {"startTime": _CLOCK, "endTime": _CLOCK})
_ASTRO = Record(("sunsetOffset", "sunriseOffset"), {"sunsetOffset": Whole(-720, 720), "sunriseOffset": Whole(-720, 720)})
_ONE = Record(
    ("activePeriods", "fixedTimeControls"),
    {"activePeriods": Rows(docs.PERIOD, PERIODS_MAX), "fixedTimeControls": Rows(_POINT, POINTS_MAX)},
)
_DATES = Record(("dates",), {"dates": Rows(Record(("start",), {"start": docs.TEXT, "end": docs.TEXT}))})
_DAYS = Record(
    ("days",),
    {
        "days": Rows(Record(("start",), {"start": Whole(1, 7), "end": Whole(1, 7)}), 7),
        "occurrences": Rows(Text(pattern=r"^[1-5L]$"), 5, unlike=True),
    },
)


@dataclass(frozen=True)
class Moment:
    """A local moment, and the local times at which the sun sets and rises; second: of the local day."""

    day: date
    second_s: int
    sunset_s: int
    sunrise_s: int


def programme_of(name: str, owner: str, points: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Return a control programme, active from sunset to sunrise. points: (local second of the day, percent of full output)."""
    return {
        "type": "ControlProgramOne",
        "id": name,
        "ownerCMS": owner,
        "activePeriods": [{"name": "AstroClockActivePeriod", "sunsetOffset": 0, "sunriseOffset": 0}],
        "fixedTimeControls": [
            {"startTime": _clock(at_s), "command": {"state": {"name": "LevelState", "value": percent}}}
            for at_s, percent in sorted(points)
        ],
    }


def calendar_of(name: str, owner: str, work: str, rest: str, holidays: Sequence[str] = ()) -> dict[str, Any]:
    """Return a calendar that runs one programme from Monday to Friday and another on Saturdays, Sundays and holidays (dates)."""
    if work == rest:
        return {"id": name, "ownerCMS": owner, "rules": [], "defaultProgram": work}
    rules: list[dict[str, Any]] = [{"startDate": day, "endDate": day, "program": rest} for day in holidays]
    rules.append({"condition": {"type": "ccDay", "days": [{"start": 6, "end": 7}]}, "program": rest})
    return {"id": name, "ownerCMS": owner, "rules": rules, "defaultProgram": work}


def _clock(at_s: int) -> str:
    return f"{at_s // 3600:02d}:{at_s // 60 % 60:02d}:{at_s % 60:02d}"


def _second(text: str) -> int:
    hour, minute, second = text.split(":")
    return int(hour) * 3600 + int(minute) * 60 + int(second)


def programme_faults(one: Mapping[str, Any], at: str, percent_min: int) -> Iterator[Wrong]:
    """Yield what keeps a control programme from being run: what is not understood, and light below the least allowed."""
    if one.get("type") != "ControlProgramOne":
        yield Wrong(f"{at}/type", repr(str(one.get("type"))[:40]), "ControlProgramOne")
        return
    wrong = faults(one, _ONE)
    yield from (Wrong(at + w.where, w.said, w.allowed) for w in wrong)
    if wrong:
        return
    for name in ("dynamicControls", "astroClockTimeControls"):
        if rows_of(one.get(name)):
            yield Wrong(f"{at}/{name}", "there", "fixed times alone: light that answers a detector tells who comes by")
    for k, row in enumerate(rows_of(one["activePeriods"])):
        period = record_of(row)
        shape = {"AbsoluteActivePeriod": _ABSOLUTE, "AstroClockActivePeriod": _ASTRO}.get(str(period["name"]))
        here = f"{at}/activePeriods/{k}"
        if shape is None:
            yield Wrong(f"{here}/name", str(period["name"])[:40], "AbsoluteActivePeriod or AstroClockActivePeriod")
        else:
            yield from (Wrong(here + w.where, w.said, w.allowed) for w in faults(period, shape))
    points = [record_of(row) for row in rows_of(one["fixedTimeControls"])]
    times = [str(point["startTime"]) for point in points]
    if not points or any(a >= b for a, b in pairwise(times)):
        yield Wrong(f"{at}/fixedTimeControls", f"{len(times)} times", "one time or more, each later than the one before")
    for k, point in enumerate(points):
        yield from command_faults(record_of(point["command"]), f"{at}/fixedTimeControls/{k}/command", percent_min)


def command_faults(command: Mapping[str, Any], at: str, percent_min: int) -> Iterator[Wrong]:
    """Yield what keeps a command from being one for a lamp of a lit street."""
    state = record_of(command.get("state"))
    wrong = list(docs.state_faults(state, f"{at}/state"))
    yield from wrong
    if not wrong and state["value"] < percent_min:
        yield Wrong(f"{at}/state/value", f"{state['value']} %", f"{percent_min} to 100 %: a lit street is not made dark")
    for name in ("rampToLevelTime", "rampFromLevelTime"):
        ramp_s = command.get(name, 0)
        if not 0 <= ramp_s <= 120:
            yield Wrong(f"{at}/{name}", f"{str(ramp_s)[:20]} s", "0 to 120 s")


def calendar_faults(one: Mapping[str, Any], at: str, programmes: Mapping[str, Any]) -> Iterator[Wrong]:
    """Yield what keeps a calendar from being run."""
    rules = [record_of(row) for row in rows_of(one.get("rules"))]
    if len(rules) > RULES_MAX:
        yield Wrong(f"{at}/rules", f"a list of {len(rules)}", f"{RULES_MAX} at most")
    named = [(f"{at}/rules/{k}/program", rule.get("program")) for k, rule in enumerate(rules)]
    if one.get("defaultProgram"):
        named.append((f"{at}/defaultProgram", one["defaultProgram"]))
    for here, name in named:
        if name not in programmes:
            yield Wrong(here, repr(str(name)[:40]), "the id of a control programme that is held here")
    for k, rule in enumerate(rules):
        here = f"{at}/rules/{k}/condition"
        condition = record_of(rule.get("condition"))
        if condition:
            wrong = faults(condition, _DATES if condition["type"] == "ccDate" else _DAYS)
            yield from (Wrong(here + w.where, w.said, w.allowed) for w in wrong)
            if not wrong and condition["type"] == "ccDate":
                for m, row in enumerate(rows_of(condition["dates"])):
                    if not all(_is_day(text) for text in record_of(row).values() if isinstance(text, str)):
                        yield Wrong(f"{here}/dates/{m}", "no day", "days as ---dd or --mm-dd")


def _is_day(text: str) -> bool:
    return not faults(text, docs.MONTHLY) or not faults(text, docs.MONTH_DAY)


def percent_at(calendar: Mapping[str, Any], programmes: Mapping[str, Any], now: Moment) -> int | None:
    """Return what a calendar asks of a lamp, in percent; nothing where no programme is active."""
    programme = programmes.get(_programme_on(calendar, now.day))
    if programme is None:
        return None
    periods = [record_of(row) for row in rows_of(programme["activePeriods"])]
    if periods and not any(_active(period, now) for period in periods):
        return None
    points = [(_second(p["startTime"]), int(p["command"]["state"]["value"])) for p in rows_of(programme["fixedTimeControls"])]
    begun = [percent for at_s, percent in points if at_s <= now.second_s]
    return begun[-1] if begun else points[-1][1]


def _programme_on(calendar: Mapping[str, Any], day: date) -> str:
    for row in rows_of(calendar.get("rules")):
        rule = record_of(row)
        if _within(rule, day) and _holds(record_of(rule.get("condition")), day):
            return str(rule["program"])
    return str(calendar.get("defaultProgram", ""))


def _within(rule: Mapping[str, Any], day: date) -> bool:
    begin, end = str(rule.get("startDate", "")), str(rule.get("endDate", ""))
    yearly = f"--{day.month:02d}-{day.day:02d}"
    iso = day.isoformat()
    if begin.startswith("--") and end.startswith("--") and begin > end:  # over the turn of the year
        return yearly >= begin or yearly <= end
    after = not begin or (yearly if begin.startswith("--") else iso) >= begin
    return after and (not end or (yearly if end.startswith("--") else iso) <= end)


def _holds(condition: Mapping[str, Any], day: date) -> bool:
    if not condition:
        return True
    if condition["type"] == "ccDate":
        for row in rows_of(condition["dates"]):
            item = record_of(row)
            start, end = str(item["start"]), str(item.get("end", item["start"]))
            text = f"---{day.day:02d}" if start.startswith("---") else f"--{day.month:02d}-{day.day:02d}"
            if start <= text <= end:
                return True
        return False
    weekday = day.isoweekday()
    days = [record_of(row) for row in rows_of(condition["days"])]
    if not any(int(item["start"]) <= weekday <= int(item.get("end", item["start"])) for item in days):
        return False
    occurrences = [str(text) for text in rows_of(condition.get("occurrences"))]
    last = date.fromordinal(min(day.toordinal() + 7, date.max.toordinal())).month != day.month
    return not occurrences or str((day.day - 1) // 7 + 1) in occurrences or ("L" in occurrences and last)


def _active(period: Mapping[str, Any], now: Moment) -> bool:
    if period["name"] == "AbsoluteActivePeriod":
        begin, end = _second(period["startTime"]), _second(period["endTime"])
        if begin == end:
            return True
    else:
        begin = (now.sunset_s + int(period["sunsetOffset"]) * 60) % DAY_S
        end = (now.sunrise_s + int(period["sunriseOffset"]) * 60) % DAY_S
    return begin <= now.second_s < end if begin < end else now.second_s >= begin or now.second_s < end
