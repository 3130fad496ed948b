# SPDX-License-Identifier: Apache-2.0
"""When it was: a moment in the city's own time, as people say it, to POSIX seconds; clocks that change are not guessed at."""

import re
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

FIRST_YEAR, LAST_YEAR = 1980, 2500
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")


class MomentError(ValueError):
    """The text is no moment, or one that the city's clocks showed twice or never."""


def moment(text: str, timezone: str, latest_s: float | None) -> float:
    """Return the POSIX second of a local moment.

    text: `2026-01-13 17:42`, with an offset behind it where the clock was set back (`2026-10-25 02:30+01:00`), or `17:42` for
    the last day on record. latest_s: when the record ends, or None.
    """
    zone = ZoneInfo(timezone)
    wanted = text.strip()
    if _CLOCK.fullmatch(wanted):
        at = _time(wanted)
        if latest_s is None:
            raise MomentError(
                f"{wanted} is a time without a day, and nothing is recorded yet. Give the day: 2026-01-13 {wanted}."
            )
        last = datetime.fromtimestamp(latest_s - 1, zone)
        wanted = datetime.combine(last.date(), at).isoformat()
    try:
        said = datetime.fromisoformat(wanted)
    except ValueError as error:
        raise MomentError(f"{text!r} is no moment; write 2026-01-13 17:42, or 17:42 for the last day on record.") from error
    if not FIRST_YEAR <= said.year <= LAST_YEAR:
        raise MomentError(f"{text!r} lies outside the years {FIRST_YEAR} to {LAST_YEAR}.")
    if said.tzinfo is not None:
        return said.timestamp()
    first, second = (said.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first.timestamp()
    there = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == said
    if not there:
        raise MomentError(f"{said:%Y-%m-%d %H:%M} did not happen in {timezone}: the clocks were set forward over it.")
    stamps = " or ".join(f"{one:%Y-%m-%d %H:%M}{_offset(one)}" for one in (first, second))
    raise MomentError(f"{said:%Y-%m-%d %H:%M} happened twice in {timezone}: the clocks were set back. Say which one: {stamps}.")


def _time(clock: str) -> time:
    try:
        return time.fromisoformat(clock.zfill(5) if clock.count(":") == 1 else clock.zfill(8))
    except ValueError as error:
        raise MomentError(f"{clock!r} is no time of the day.") from error


def _offset(at: datetime) -> str:
    text = at.strftime("%z")
    return f"{text[:3]}:{text[3:5]}"


def clock(posix_s: float, timezone: str) -> str:
    """Return the local time of the day."""
    return datetime.fromtimestamp(posix_s, ZoneInfo(timezone)).strftime("%H:%M")


def day(posix_s: float, timezone: str) -> str:
    """Return the local day in words, the same in every language setting of the machine."""
    at = datetime.fromtimestamp(posix_s, ZoneInfo(timezone))
    weekday = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")[at.weekday()]
    months = "January February March April May June July August September October November December".split()
    return f"{weekday}, {at.day} {months[at.month - 1]} {at.year}"
