# SPDX-License-Identifier: Apache-2.0
"""From what was typed or clicked to an answer: finds the place, the moment and the record, and writes the paragraph."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lamplighter.city.directory import record_folder
from lamplighter.history.reading import OnDisk, Reader
from lamplighter.services.traffic.complaint.evidence import Evidence, gather
from lamplighter.services.traffic.complaint.letter import Answer, Asked, write
from lamplighter.services.traffic.complaint.moment import moment
from lamplighter.services.traffic.complaint.place import Approach, PlaceError, approaches, find_approaches, find_intersection
from lamplighter.services.traffic.complaint.programme import installed
from lamplighter.services.traffic.prepared import Prepared
from lamplighter.services.traffic.telling import box_row
from lamplighter.terms.asking import Letter
from lamplighter.terms.asking import Question as Put
from lamplighter.terms.city import CityData


@dataclass(frozen=True)
class Question:
    """What was asked, as it was typed."""

    junction: str
    at: str
    approach: str | None
    record: str | None


def answer(city: CityData, prepared: Prepared, question: Question) -> tuple[Evidence, Answer, tuple[Approach, ...]]:
    """Return what the record says and the answer; PlaceError or MomentError where the question cannot be understood."""
    folder = _folder(question.record or city.name)
    if question.record and Path(question.record).name != question.record and not Path(question.record).expanduser().is_dir():
        raise PlaceError(
            f"--record {question.record}: there is no such folder. Give the folder that holds history/, or a city by name."
        )
    box = find_intersection(question.junction, city, prepared)
    known = approaches(box, city, prepared)
    meant = find_approaches(question.approach, known) if question.approach else known
    evidence, given = _answered(OnDisk(folder / "history"), city, prepared, (box, known, meant, question.at))
    return evidence, given, meant


def letter(record: Reader, city: CityData, prepared: Prepared, put: Put) -> Letter:
    """Return the answer to a question put on the page; PlaceError or MomentError where it cannot be understood."""
    box = box_row(prepared.layout, put.asset - prepared.layout.start)
    if box is None:
        raise PlaceError(f"{city.assets.id[put.asset]} is no intersection, so there is no account of it.")
    known = approaches(box, city, prepared)
    meant = tuple(one for one in known if one.words == put.part) if put.part else known
    _, given = _answered(record, city, prepared, (box, known, meant or find_approaches(put.part, known), put.at))
    simulated = "\n\nSIMULATED: this city and its people are made up." if city.simulated else ""
    return Letter(given.paragraph + simulated, given.verdict, tuple(one.words for one in known))


def _answered(
    record: Reader, city: CityData, prepared: Prepared, asked: tuple[int, tuple[Approach, ...], tuple[Approach, ...], str]
) -> tuple[Evidence, Answer]:
    """Return evidence and answer for a box, its approaches, those that are meant, and when."""
    box, known, meant, at = asked
    span = record.span("accounts")
    at_s = moment(at, city.place.timezone, None if span is None else float(span[1]))
    evidence = gather(record, box, at_s, prepared)
    return evidence, write(evidence, Asked(known, meant, lambda one: installed(one.cell, prepared), city.place.timezone))


def as_json(evidence: Evidence, given: Answer, meant: tuple[Approach, ...], simulated: bool) -> dict[str, Any]:
    """Return the answer and all that it rests on, for programs."""
    approach = [{"kind": one.kind, "street": one.name, "words": one.words} for one in meant]
    return {**asdict(given), "simulated": simulated, "approaches": approach, "evidence": asdict(evidence)}


def _folder(record: str) -> Path:
    """Return the folder of a record, given as a path or as a city by name."""
    path = Path(record).expanduser()
    return path if (path / "history").is_dir() else record_folder(record)
