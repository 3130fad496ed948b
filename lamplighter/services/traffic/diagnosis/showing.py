# SPDX-License-Identifier: Apache-2.0
"""A diagnosis from the record as tables and sentences, and as values for programs."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Grid

from lamplighter.city.directory import record_folder
from lamplighter.history.reading import OnDisk
from lamplighter.history.tables import LOW_COUNT
from lamplighter.services.traffic.complaint.moment import MomentError, moment
from lamplighter.services.traffic.diagnosis.recorded import Clock, Diagnosed, Signals, Street, diagnose, standing_out
from lamplighter.services.traffic.prepared import Prepared
from lamplighter.terms.city import CityData

COLUMNS = (
    "from", "users", "mean\nwait s", "longest\ns", "over\nbound s", "green", "on\ngreen", "failed", "of\njudged", "on record",
)  # fmt: skip
DAY_S = 86400.0


def recorded(city: CityData, prepared: Prepared, begin: str | None, end: str | None, record: str | None) -> Diagnosed:
    """Return what the record of a city says between two moments as they were typed. ValueError says what cannot be understood,
    and where nothing is on record, what there is."""
    folder = Path(record).expanduser() if record else record_folder(city.name)
    folder = folder if (folder / "history").is_dir() else record_folder(record or city.name)
    if record and not (folder / "history").is_dir():
        raise ValueError(f"--record {record}: holds no record. Give the folder that holds history/, or a city by name.")
    reader = OnDisk(folder / "history")
    span = reader.span("accounts")
    last_s = None if span is None else float(span[1])
    begin_s, end_s = (_moment(option, text, city, last_s) for option, text in (("--from", begin), ("--to", end)))
    if begin_s is not None and (end_s if end_s is not None else last_s or begin_s + 1.0) <= begin_s:
        raise ValueError(f"--from {begin} --to {end or 'the end of the record'}: the end must lie behind the beginning.")
    done = diagnose(reader, city, prepared, begin_s, end_s)
    if not any(one.watched_s for one in done.signals):
        raise ValueError(_nothing(city, done))
    return done


def _moment(option: str, text: str | None, city: CityData, last_s: float | None) -> float | None:
    if text is None:
        return None
    try:
        return moment(text, city.place.timezone, last_s)
    except MomentError as wrong:
        raise ValueError(f"{option}: {wrong}") from wrong


def _nothing(city: CityData, done: Diagnosed) -> str:
    if done.first_s is None or done.last_s is None:
        running = " The city runs now: its hours can be read once they have ended." if done.sealed_only else ""
        return (
            f"Nothing is on record of {city.title}: it has not run here for a whole five minutes.{running} Run it with "
            f"`lamplighter run {city.name}`, or diagnose a simulated hour: `lamplighter traffic diagnose --city {city.name}`."
        )
    say = clock_of(city.place.timezone, True)
    running = " The city runs now: what is recorded since can be read when the hour is over." if done.sealed_only else ""
    return (
        f"Nothing is on record from {say(done.begin_s)} to {say(done.end_s)}; the record reaches from {say(done.first_s)} to "
        f"{say(done.last_s)}.{running} Choose with --from and --to."
    )


def clock_of(timezone: str, with_day: bool) -> Clock:
    """Return how moments are said: local time, with the day where more than one is meant."""
    zone = ZoneInfo(timezone)
    form = "%Y-%m-%d %H:%M" if with_day else "%H:%M"
    return lambda posix_s: datetime.fromtimestamp(posix_s, zone).strftime(form)


def show(console: Console, city: CityData, done: Diagnosed) -> None:
    """Print one table per intersection, and what stands out."""
    say, long = clock_of(city.place.timezone, True), clock_of(city.place.timezone, done.end_s - done.begin_s > DAY_S)
    console.print(f"From the record of {city.title}, {say(done.begin_s)} to {say(done.end_s)}.", highlight=False)
    if city.simulated:
        console.print("SIMULATED: these signals exist in software only.", highlight=False)
    for one in done.signals:
        if not one.watched_s:
            continue
        console.print(_grid(one))
        for sentence in notes(one):
            console.print(f"  {sentence}", highlight=False, style="dim")
        for sentence in standing_out(one, long) or ("Nothing stands out.",):
            console.print(f"- {sentence}", highlight=False)
    unseen = [one.asset for one in done.signals if not one.watched_s]
    if unseen:
        console.print(
            f"\nNothing is on record of {', '.join(unseen[:10])}{' and others' if len(unseen) > 10 else ''}.", highlight=False
        )
    console.print(
        f"\nSums over five minutes or more, only where {LOW_COUNT} or more were counted; - means not on record.", highlight=False
    )


def notes(one: Signals) -> Iterator[str]:
    """Give what a reader must know of one intersection's figures."""
    if one.merged:
        yield "Quiet streets are on record only together with others, and left out here."
    if one.streets and all(street.judged_count is None for street in one.streets):
        yield "Arrivals on green and split failures are not on record for this time."


def _grid(one: Signals) -> Grid:
    hours = f"{one.watched_s / 3600:.1f} h, {one.leased_s / max(one.watched_s, 1.0):.0%} as lamplighter asked"
    grid = Grid(title=f"{one.asset}  {one.title}  ({hours})", title_justify="left", box=SIMPLE_HEAD, collapse_padding=True)
    for column in COLUMNS:
        grid.add_column(column, justify="left" if column == "from" else "right", no_wrap=column != "from")
    for street in one.streets:
        grid.add_row(*_row(street))
    return grid


def _row(street: Street) -> tuple[str, ...]:
    def count(value: float | None) -> str:
        return "-" if value is None else f"{value:.0f}"

    def share(part: float | None, whole: float | None) -> str:
        return "-" if part is None or not whole else f"{part / whole:.0%}"

    return (
        street.words, count(street.users_count), f"{street.wait_s / max(street.users_count, 1.0):.0f}",
        count(street.wait_longest_s), count(street.over_bound_s), share(street.green_s, street.shaped_s),
        share(street.arrivals_green_count, street.arrivals_count), count(street.failed_count), count(street.judged_count),
        f"{street.kept_s / 60:.0f} min",
    )  # fmt: skip


def document(city: CityData, done: Diagnosed) -> dict[str, Any]:
    """Return the same for programs; what is not on record is null."""
    say = clock_of(city.place.timezone, done.end_s - done.begin_s > DAY_S)
    signals = [{**asdict(one), "findings": standing_out(one, say)} for one in done.signals]
    return {"city": city.name, "simulated": city.simulated, **asdict(done), "signals": signals}
