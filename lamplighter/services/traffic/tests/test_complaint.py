# SPDX-License-Identifier: Apache-2.0
"""Why did I wait? Golden paragraphs over records written by hand, and the ways in which a question can be misunderstood."""

import re
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from lamplighter.history import History
from lamplighter.history.reading import read_rows
from lamplighter.services.traffic.complaint import MomentError, PlaceError, approaches, find_approaches, find_intersection, moment
from lamplighter.services.traffic.complaint.command import Question, answer, as_json
from lamplighter.services.traffic.complaint.letter import Answer
from lamplighter.services.traffic.complaint.place import alike
from lamplighter.services.traffic.prepared import Prepared, prepare
from lamplighter.services.traffic.terms import REASONS
from lamplighter.services.traffic.tests import crossroads
from lamplighter.terms.city import CityData

BLOCK_S = int(crossroads.BEGIN_S)
QUIET: dict[str, float] = {"watched_s": 300, "ours_s": 300, "leased_s": 300, "own_s": 0, "fault_s": 0, "silent_s": 0}
JARGON = re.compile(
    r"\b(stage|signal_group|lease|arm|interlock|intergreen|phase|controller|proposal|permit|twin|asset|quantile|adaptive)\b"
)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> tuple[CityData, Prepared]:
    made = crossroads.make_city(tmp_path_factory.mktemp("one") / "city")
    return made, prepare(made)


class Book:
    """A record written by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.history = History.open(folder / "history")

    def account(self, group: tuple[str, str, str, int], when: tuple[int, int], users: int, values: dict[str, float]) -> None:
        """group: kind, name, part, members; when: window start and length."""
        rows = len(values)
        self.history.append("accounts", {
            "run": np.full(rows, "r"), "service": np.full(rows, "traffic"), "account": np.array(list(values)),
            "part": np.full(rows, group[2]), "group_kind": np.full(rows, group[0]), "group_name": np.full(rows, group[1]),
            "members": np.full(rows, group[3]), "window_start_s": np.full(rows, when[0]), "window_s": np.full(rows, when[1]),
            "users": np.full(rows, users), "value": np.array(list(values.values()), np.float64),
        })  # fmt: skip

    def box(self, changed: dict[str, float] | None = None, windows: tuple[int, ...] = (0, 1, 2)) -> "Book":
        for window in windows:
            values = {**QUIET, "detectors_silent_s": 0.0, **(changed or {})}
            self.account(("box", "J", "", 1), (BLOCK_S + 300 * window, 300), 0, values)
        return self

    def street(self, name: str, users: int, wait_s: float, over_s: float = 0.0, shape: tuple[float, ...] = ()) -> "Book":
        values = {"users_count": float(users), "wait_s": wait_s, "over_bound_s": over_s}
        values |= dict(zip(("green_s", "greens_count", "red_longest_s", "wait_longest_s"), shape, strict=False))
        self.account(("approach", f"J/{name}", "", 1), (BLOCK_S, 900), users, values)
        return self

    def together(self, kind: str, of: str, users: int, wait_s: float) -> "Book":
        values = {"users_count": float(users), "wait_s": wait_s, "over_bound_s": 0.0}
        self.account((kind, "J" if kind == "zone" else "middle", of, 3), (BLOCK_S, 900), users, values)
        return self

    def decided(self, kind: str, action: str, reason: str, times: int, group: tuple[str, str] = ("box", "J")) -> "Book":
        one = {
            "run": "r", "service": "traffic", "kind": kind, "action": action, "reason": reason, "group_kind": group[0],
            "group_name": group[1], "members": 2, "window_start_s": BLOCK_S, "window_s": 900, "count": times,
        }  # fmt: skip
        self.history.append("decisions", {name: np.array([value]) for name, value in one.items()})
        return self

    def ask(self, city: tuple[CityData, Prepared], approach: str | None = None, at: str = "2026-01-13 16:07") -> Answer:
        self.history.close()
        _, given, _ = answer(*city, Question("J", at, approach, str(self.folder)))
        assert not JARGON.search(given.paragraph), given.paragraph
        assert "\n" not in given.paragraph
        return given


OPENING = "You asked about the signals at West Street / South Street on Tuesday, 13 January 2026, around 16:07. "
BASIS = (
    "This answer rests on the quarter of an hour from 16:00 to 16:15 in the city's record, which holds sums of what was counted "
    "there and nothing about a single vehicle or person. "
)
FINE = (
    "Nothing is broken, so nothing has to be mended. How long a wait may be is set by the city for each signal; whoever finds it "
    "too long can ask the city to lower it there."
)


def test_a_street_under_lamplighter(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    book = Book(tmp_path).box().street("we1", 150, 1500).street("sn1", 40, 1200, 0.0, (180.0, 12.0, 84.0, 71.0))
    book.decided("permit", "start_stage", REASONS[0], 14).decided("permit", "start_stage", REASONS[1], 11)
    book.decided("permit", "hold_stage", REASONS[3], 12).decided("permit", "hold_stage", REASONS[0], 10)
    given = book.ask(city, "South Street")
    assert given.paragraph == (
        OPENING + BASIS + "All that time the signals followed lamplighter, which gives green by what is counted. "
        "On South Street 40 vehicles were counted; on average each stood for 30 s, green came 12 times and lasted 20% "
        "of the time; the longest time without green was 84 s, and nobody stood there for more than 71 s. "
        "The green moved on mostly because more traffic was waiting on another street (14 times) and because somebody on another "
        "street had waited as long as is allowed (11 times). "
        "It was kept where it was mostly because the street that had green was still emptying (12 times). "
        "The longest wait allowed at red is 100 s here, and nobody was counted who waited longer. " + FINE
    )
    assert (given.verdict, given.follows, given.bound_s) == ("within", "none", 100.0)


def test_a_wait_beyond_what_is_allowed_is_a_case_for_the_engineers(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    given = Book(tmp_path).box().street("sn1", 40, 3000, 35.0, (90.0, 6.0, 140.0, 130.0)).ask(city, "South Street")
    assert (given.verdict, given.follows) == ("beyond", "bound")
    assert "for 35 s in all, somebody waited longer" in given.paragraph
    assert "a case for the city's signal engineers" in given.paragraph


def test_the_own_programme_because_nobody_else_was_in_charge(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    own = {"ours_s": 0.0, "leased_s": 0.0, "own_s": 300.0}
    given = Book(tmp_path).box(own).street("sn1", 40, 800).ask(city, "South Street")
    assert given.paragraph == (
        OPENING
        + BASIS
        + "All that time the signals ran their own fixed programme, because they were not under lamplighter then. "
        "On South Street 40 vehicles were counted; on average each stood for 20 s. "
        "The fixed programme gives South Street green for about 30 s in every 60 s; its longest time without green is about "
        "30 s. "
        "The longest wait allowed at red is 100 s here, and nobody was counted who waited longer. " + FINE
    )


def test_greens_that_are_not_kept_are_said_not_to_be(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    text = Book(tmp_path).box().street("sn1", 40, 800).ask(city, "South Street").paragraph
    assert "When which street had green is not kept for this time" in text


def test_silent_detectors(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    silent = {"leased_s": 0.0, "own_s": 300.0, "detectors_silent_s": 300.0}
    given = Book(tmp_path).box(silent).street("sn1", 40, 800).ask(city)
    assert "because 1 detector in the road was silent, and without them lamplighter does not steer" in given.paragraph
    assert given.follows == "detectors"


def test_a_power_cut(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    book = Book(tmp_path).box(windows=(0,)).box({"leased_s": 0.0, "silent_s": 300.0}, (1,))
    given = book.box({"leased_s": 0.0, "fault_s": 30.0, "own_s": 270.0}, (2,)).ask(city)
    assert "For about 5 minutes nothing was heard of the signals, which as a rule is a power cut" in given.paragraph
    assert "For about 5 minutes the signals followed lamplighter" in given.paragraph
    assert (given.verdict, given.follows) == ("unknown", "power")


def test_what_operators_asked_for_is_said_without_whom_they_let_through(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    book = Book(tmp_path).box().street("sn1", 40, 800)
    book.decided("operator", "set_arm", "baseline", 1, ("area", "elsewhere"))
    book.decided("operator", "clear_way", "ambulance", 1, ("area", "middle"))
    book.decided("operator", "hold", "police", 1, ("area", "elsewhere"))
    text = book.ask(city).paragraph
    assert "an operator switched lamplighter on or off" in text
    assert "let somebody through at signals in this part of the city" in text
    assert "ambulance" not in text
    assert "kept signals" not in text, "that was in another part of the city"


def test_quiet_streets_and_crossings_are_told_as_they_are_kept(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    book = Book(tmp_path).box().together("zone", "approach", 21, 210).together("rest", "crossings", 12, 240)
    book.decided("permit", "start_stage", REASONS[2], 13, ("rest", "middle"))
    text = book.ask(city).paragraph
    assert "the 3 quietest streets of this intersection are kept as one: 21 vehicles were counted, and the mean wait was" in text
    assert "together with those of quiet neighbours in middle (3 intersections in all): 12 requests for green" in text
    assert "here and at its quiet neighbours taken together, mostly because people wanted to cross" in text


def test_a_night_of_which_nothing_is_kept(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    given = Book(tmp_path).box().ask(city)
    assert "Fewer than 10 vehicles were counted here, and so that nobody can be told" in given.paragraph
    assert "cannot be told from what is kept" in given.paragraph
    assert given.verdict == "unknown"


@pytest.mark.parametrize(
    ("at", "missing", "follows"),
    [("2026-01-13 15:00", "the record begins later", "unknown"), ("2026-01-13 18:00", "the record ends before it", "later"),
     ("2026-01-13 16:20", "did not run here through a whole five minutes", "unknown"),
     ("2024-11-13 16:20", "is erased after 400 days", "unknown")],
)  # fmt: skip
def test_where_nothing_is_on_record(city: tuple[CityData, Prepared], tmp_path: Path, at: str, missing: str, follows: str) -> None:
    given = Book(tmp_path).box().box(windows=(6,)).ask(city, at=at)
    assert missing in given.paragraph
    assert "The record goes from Tuesday, 13 January 2026, 16:00 to Tuesday, 13 January 2026, 16:35." in given.paragraph
    assert "What remains is what is installed. The fixed programme gives" in given.paragraph
    assert given.follows == follows


def test_a_city_without_a_record(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    _, given, _ = answer(*city, Question("J", "2026-01-13 16:07", None, str(tmp_path)))
    assert "Nothing is on record for this city" in given.paragraph
    with pytest.raises(MomentError, match="without a day"):
        answer(*city, Question("J", "16:07", None, str(tmp_path)))


def test_an_evening_lived_twice_is_told_once_as_it_was_last(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    given = Book(tmp_path).box().street("sn1", 90, 90).box().street("sn1", 40, 800).ask(city, "South Street", "16:07")
    assert "On South Street 40 vehicles were counted; on average each stood for 20 s" in given.paragraph


def test_the_record_of_a_running_city_is_read_from_its_sealed_hours(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    book = Book(tmp_path).box().street("sn1", 40, 800)
    with book.history:
        book.history.flush()
        before = read_rows(tmp_path / "history", "accounts", BLOCK_S, BLOCK_S + 900)
        _, given, _ = answer(*city, Question("J", "2026-01-13 16:07", None, str(tmp_path)))
        assert (len(before), before.sealed_only) == (0, True)
        assert "can be read when the hour is over" in given.paragraph
        book.history.seal(BLOCK_S + 3600)
        _, given, _ = answer(*city, Question("J", "2026-01-13 16:07", None, str(tmp_path)))
        assert "On South Street 40 vehicles were counted" in given.paragraph


def test_the_answer_for_programs_holds_the_same(city: tuple[CityData, Prepared], tmp_path: Path) -> None:
    book = Book(tmp_path).box().street("sn1", 40, 800)
    book.history.close()
    evidence, given, meant = answer(*city, Question("J", "16:07", "South Street", str(tmp_path)))
    said = msgspec.json.decode(msgspec.json.encode(as_json(evidence, given, meant, True)))
    assert said["simulated"] is True
    assert said["paragraph"] == given.paragraph
    assert said["evidence"]["heard"][0]["users_count"] == 40
    assert said["approaches"] == [{"kind": "approach", "street": "sn1", "words": "South Street"}]


# --- the moment -------------------------------------------------------------------------------------------------------

BERLIN = "Europe/Berlin"


def test_moments_are_local() -> None:
    assert moment("2026-01-13 16:00", BERLIN, None) == crossroads.BEGIN_S
    assert moment("2026-01-13T15:00+00:00", BERLIN, None) == crossroads.BEGIN_S
    assert moment("16:00", BERLIN, crossroads.BEGIN_S + 4000) == crossroads.BEGIN_S
    assert moment("9:30:15", BERLIN, crossroads.BEGIN_S) == crossroads.BEGIN_S - 6.5 * 3600 + 15


def test_an_hour_that_came_twice_must_be_named() -> None:
    with pytest.raises(MomentError, match=r"happened twice .* 2026-10-25 02:30\+02:00 or 2026-10-25 02:30\+01:00"):
        moment("2026-10-25 02:30", BERLIN, None)
    first, second = (moment(f"2026-10-25 02:30+0{n}:00", BERLIN, None) for n in (2, 1))
    assert second - first == 3600


def test_an_hour_that_never_came_is_refused() -> None:
    with pytest.raises(MomentError, match="did not happen"):
        moment("2026-03-29 02:30", BERLIN, None)


@pytest.mark.parametrize("text", ["yesterday", "25:00", "2026-13-01 10:00", ""])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(MomentError):
        moment(text, BERLIN, crossroads.BEGIN_S)


def test_no_time_of_the_day_is_told_as_such_before_anything_is_recorded() -> None:
    with pytest.raises(MomentError, match=r"'25:61' is no time of the day"):
        moment("25:61", BERLIN, None)


# --- the place --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "name"),
    [("Gross-Berliner Damm", "Groß-Berliner Damm"), ("grossberliner damm", "Groß-Berliner Damm"), ("Weerthstr.", "Weerthstraße"),
     ("Koepenicker Str.", "Köpenicker Straße"), ("Rudower", "Rudower Chaussee"), ("dorpfeld", "Dörpfeldstraße")],
)  # fmt: skip
def test_names_are_found_as_people_write_them(wanted: str, name: str) -> None:
    assert alike(wanted, name) >= 0.8
    assert alike(wanted, "Am Studio") < 0.5


def named(city: tuple[CityData, Prepared], names: tuple[str, ...]) -> tuple[CityData, Prepared]:
    """Return the city with its intersection repeated under other names."""
    made, prepared = city
    boxes = replace(prepared.layout.boxes, name=np.array(names))
    many = len(names)
    cells = replace(
        prepared.counting.cells, box_name=np.array([f"J{n}" for n in range(many)]), box_area=np.full(many, "middle")
    )  # fmt: skip
    layout = replace(prepared.layout, boxes=boxes)
    return made, replace(prepared, layout=layout, counting=prepared.counting._replace(cells=cells))


def test_an_intersection_is_found_by_its_streets_in_any_order(city: tuple[CityData, Prepared]) -> None:
    where = named(city, ("Groß-Berliner Damm / Rudower Chaussee", "Am Studio / Rudower Chaussee", "Crossing of Rudower Chaussee"))
    assert find_intersection("Rudower Chaussee / Gross-Berliner Damm", *where) == 0
    assert find_intersection("am studio", *where) == 1
    assert find_intersection("j2", *where) == 2
    with pytest.raises(PlaceError, match=r"More than one .* J0 .*; J1 .*; J2 .* Give the id"):
        find_intersection("Rudower Chaussee", *where)
    with pytest.raises(PlaceError, match="No intersection of One is called 'Unter den Linden'"):
        find_intersection("Unter den Linden", *where)


def test_an_approach_is_found_by_its_street_or_as_the_crossing(city: tuple[CityData, Prepared]) -> None:
    known = approaches(0, *city)
    assert [one.words for one in known] == ["South Street", "West Street", "the crossings"]
    assert [one.name for one in find_approaches("south", known)] == ["sn1"]
    assert [one.name for one in find_approaches("crossing", known)] == ["crossings"]
    with pytest.raises(PlaceError, match="No street is called 'North Road' here; there are: South Street; West Street"):
        find_approaches("North Road", known)
