# SPDX-License-Identifier: Apache-2.0
"""A city's signals diagnosed from its own record: what is said follows from what was written down, and from nothing else."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from lamplighter.history import History
from lamplighter.services.traffic.diagnosis.command import diagnose, is_log
from lamplighter.services.traffic.diagnosis.recorded import Diagnosed, standing_out
from lamplighter.services.traffic.diagnosis.showing import clock_of, document, recorded, show
from lamplighter.services.traffic.prepared import Prepared, prepare
from lamplighter.services.traffic.tests import crossroads
from lamplighter.terms.city import CityData

BEGIN_S = int(crossroads.BEGIN_S)  # 16:00
FINE = {"users_count": 60.0, "wait_s": 600.0, "over_bound_s": 0.0, "green_s": 450.0, "wait_longest_s": 40.0}
SERVED = {"arrivals_count": 60.0, "arrivals_green_count": 30.0, "judged_count": 15.0, "failed_count": 0.0}


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> tuple[CityData, Prepared]:
    made = crossroads.make_city(tmp_path_factory.mktemp("one") / "city")
    return made, prepare(made)


class Book:
    """A record written by hand: one intersection, quarter by quarter of an hour."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.history = folder, History.open(folder / "history")

    def write(self, group: tuple[str, str], when: tuple[int, int], values: dict[str, float], run: str = "r") -> "Book":
        rows = len(values)
        self.history.append("accounts", {
            "run": np.full(rows, run), "service": np.full(rows, "traffic"), "account": np.array(list(values)),
            "part": np.full(rows, ""), "group_kind": np.full(rows, group[0]), "group_name": np.full(rows, group[1]),
            "members": np.full(rows, 2), "window_start_s": np.full(rows, when[0]), "window_s": np.full(rows, when[1]),
            "users": np.full(rows, 60), "value": np.array(list(values.values()), np.float64),
        })  # fmt: skip
        return self

    def quarter(self, number: int, street: dict[str, float], box: dict[str, float] | None = None, run: str = "r") -> "Book":
        begin_s = BEGIN_S + 900 * number
        state = {"watched_s": 900.0, "ours_s": 900.0, "leased_s": 900.0, "own_s": 0.0, "fault_s": 0.0, "silent_s": 0.0}
        self.write(("box", "J"), (begin_s, 900), {**state, "detectors_silent_s": 0.0, **(box or {})}, run)
        return self.write(("approach", "J/we1"), (begin_s, 900), street, run)

    def told(self, city: tuple[CityData, Prepared], begin: str | None = None, end: str | None = None) -> tuple[str, ...]:
        return standing_out(self.read(city, begin, end).signals[0], clock_of(city[0].place.timezone, False))

    def read(self, city: tuple[CityData, Prepared], begin: str | None = None, end: str | None = None) -> Diagnosed:
        self.history.close()
        return recorded(*city, begin, end, str(self.folder))


def test_where_all_is_well_nothing_stands_out(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    book = Book(tmp_path).quarter(0, {**FINE, **SERVED}).quarter(1, {**FINE, **SERVED})
    done = book.read(city)
    (street,) = done.signals[0].streets
    assert (street.users_count, street.kept_s, street.judged_count) == (120.0, 1800.0, 30.0)
    assert standing_out(done.signals[0], str) == ()
    console = Console(record=True, width=160)
    show(console, city[0], done)
    text = console.export_text()
    assert "Nothing stands out." in text
    assert "SIMULATED" in text
    assert document(city[0], done)["signals"][0]["findings"] == ()


def test_split_failures_name_their_worst_quarter(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    book = Book(tmp_path).quarter(0, {**FINE, **SERVED, "failed_count": 1.0}).quarter(1, {**FINE, **SERVED, "failed_count": 9.0})
    (said,) = book.told(city)
    assert "33% of its greens did not serve all who waited (10 of 30)" in said
    assert "worst from 16:15 to 16:30 (9 of 15)" in said


def test_few_failures_are_chance(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    assert Book(tmp_path).quarter(0, {**FINE, **SERVED, "failed_count": 2.0}).told(city) == ()


def test_platoons_that_meet_red_are_told_beside_the_share_of_green(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    (said,) = Book(tmp_path).quarter(0, {**FINE, **SERVED, "arrivals_green_count": 15.0}).told(city)
    assert "25% arrive on green, which shows 50% of the time (platoon ratio 0.50; 1 is chance)" in said


def test_waits_beyond_what_is_allowed_and_what_was_out_of_order(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    wait = {**FINE, "over_bound_s": 45.0, "wait_longest_s": 165.0}
    said = Book(tmp_path).quarter(0, wait, {"silent_s": 90.0, "fault_s": 60.0, "detectors_silent_s": 900.0}).told(city)
    assert said[0].startswith("Nothing was heard of the signals for 2 min of 15 min")
    assert said[1] == "The box reported a fault of its own for 1 min."
    assert "Detectors were silent" in said[2]
    assert "for 45 s in all; the longest wait was 165 s, in the window from 16:00" in said[3]
    assert len(said) == 4


def test_signals_that_run_their_own_programme_under_lamplighter_are_told(
    city: tuple[CityData, Prepared], tmp_path: Path
) -> None:  # fmt: skip
    (said,) = Book(tmp_path).quarter(0, FINE, {"leased_s": 100.0, "own_s": 800.0}).told(city)
    assert "Though under lamplighter" in said


def test_an_older_record_without_these_accounts_says_so(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    done = Book(tmp_path).quarter(0, FINE).read(city)
    console = Console(record=True, width=160)
    show(console, city[0], done)
    assert "Arrivals on green and split failures are not on record for this time." in console.export_text()


def test_an_evening_lived_twice_counts_once_as_it_was_last(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    book = Book(tmp_path).quarter(0, {**FINE, **SERVED}).quarter(0, {**FINE, "users_count": 70.0}, run="s")
    (street,) = book.read(city).signals[0].streets
    assert street.users_count == 70.0
    again = Book(tmp_path / "again").quarter(0, {**FINE, **SERVED})
    for n in range(3):
        again.write(("approach", "J/we1"), (BEGIN_S + 300 * n, 300), {"users_count": 25.0, "wait_s": 1.0, "over_bound_s": 0.0})
    (street,) = again.read(city).signals[0].streets
    assert (street.users_count, street.kept_s) == (75.0, 900.0)


def test_the_time_asked_for_is_kept_to(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    book = Book(tmp_path).quarter(0, FINE).quarter(1, FINE).quarter(2, FINE)
    done = book.read(city, "2026-01-13 16:15", "16:30")
    assert done.signals[0].streets[0].users_count == 60.0


@pytest.mark.parametrize(
    ("begin", "end", "says"),
    [
        ("2025-12-24 16:00", "2025-12-24 17:00", "Nothing is on record from 2025-12-24 16:00"),
        ("17 o'clock", None, "--from: .* is no moment"),
        ("16:30", "16:15", "the end must lie behind the beginning"),
    ],
)
def test_what_cannot_be_told_is_refused_with_what_there_is(
    city: tuple[CityData, Prepared], tmp_path: Path, begin: str, end: str | None, says: str
) -> None:  # fmt: skip
    with pytest.raises(ValueError, match=says):
        Book(tmp_path).quarter(0, FINE).read(city, begin, end)


def test_a_city_that_never_ran_and_a_folder_without_a_record(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    (tmp_path / "history").mkdir()
    with pytest.raises(ValueError, match="has not run here for a whole five minutes"):
        recorded(*city, None, None, str(tmp_path))
    with pytest.raises(ValueError, match="holds no record"):
        recorded(*city, None, None, str(tmp_path / "elsewhere"))


def test_the_command_tells_cities_from_logs(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("rubbish\n")
    assert is_log(str(tmp_path / "log"))
    assert is_log("gone.csv")
    assert not is_log("adlershof")
    run = CliRunner()
    for words, says in (
        ([], "name a CITY"),
        (["nowhere-at-all"], "a built city"),
        (["gone.csv"], "there is no such file"),
        ([str(tmp_path / "log")], "no column for time"),
        (["gone.csv", "--from", "16:00"], "belong to a CITY"),
        (["nowhere-at-all", "--html", "x.html", "--minutes", "5"], "--html, --minutes: not for a city's record"),
    ):
        done = run.invoke(diagnose, words)
        assert done.exit_code == 1, words
        assert says in done.output, (words, done.output)
