# SPDX-License-Identifier: Apache-2.0
"""What a running city answers to operators and residents, by whatever its services declare."""

from dataclasses import replace
from typing import Any

import pytest

from lamplighter.history.reading import Found
from lamplighter.runtime import loop
from lamplighter.runtime.answering import Answering, loaded
from lamplighter.runtime.operators import HOLD, read_wish
from lamplighter.runtime.view import Asked
from lamplighter.services import discover
from lamplighter.terms.asking import Finding, Letter, Question, Watch
from lamplighter.terms.service import Service

SERVICES = discover()
TRAFFIC = next(service for service in SERVICES if service.name == "traffic")
MADE = TRAFFIC.synthetic(0.0005, 3)  # five intersections
BOX = str(MADE.city.assets.id[0])


class Empty:
    """A record in which nothing stands."""

    def rows(self, table: str, begin_s: float, end_s: float) -> Found:
        raise AssertionError("nothing was to be read")

    def span(self, table: str) -> tuple[int, int] | None:
        return None


class Seen:
    """A watcher that finds its first tick."""

    ticks = 0

    def follow(self, snapshot: Any) -> None:
        Seen.ticks += 1

    def found(self) -> tuple[Finding, ...]:
        return (Finding(0, 0.0, 900.0, "It was seen."),)


def seen(city: Any, prepared: Any) -> Seen:
    return Seen()


def broken(city: Any, prepared: Any) -> Seen:
    raise RuntimeError("no eyes")


def letter(record: Empty, city: Any, prepared: Any, question: Question) -> Letter:
    if question.at == "never":
        raise ValueError("'never' is no moment")
    return Letter(f"{city.assets.id[question.asset]} at {question.at}: {record.span('accounts')}", "unknown", (question.part,))


def answering(service: Service = TRAFFIC) -> tuple[Answering, loop.ServiceRun]:
    run = loop.open_run(service, MADE.city, True)
    return Answering([run], Empty()), run


@pytest.mark.parametrize("service", SERVICES, ids=lambda one: one.name)
def test_what_services_declare_can_be_asked(service: Service) -> None:
    actions = {action.name for action in service.actions if action.by == "operator"}
    for request in service.requests:
        assert request.action in {HOLD, *actions}, "only what operators may ask for is offered to them"
        assert request.durations_s
        assert all(1.0 <= length_s <= 900.0 for length_s in request.durations_s)
        assert service.box_of is not None
    for dotted in [one.answer for one in (service.inquiry,) if one] + [one.open for one in (service.watch,) if one]:
        assert callable(loaded(dotted))


def test_every_offer_can_be_put_to_the_gate_as_it_stands() -> None:
    answers, run = answering()
    assert {box.asset for box in answers.boxes()} == {
        str(one) for one in MADE.city.assets.id[MADE.city.assets.kind == "intersection"]
    }
    offers = answers.offers(BOX)
    assert [offer.action for offer in offers] == ["clear_way", HOLD]
    for offer in offers:
        for choice in offer.choices:
            asked = Asked(offer.action, ((offer.asset, choice.values),), offer.durations_s[0], "exercise")
            assert len(read_wish(run.service, MADE.city.assets, asked, 1, 0.0).asset) == 1
    assert len({choice.words for choice in offers[0].choices}) == len(offers[0].choices) > 1


def test_a_signal_leads_to_its_box_and_a_stranger_to_none() -> None:
    answers, _ = answering()
    group = str(MADE.city.assets.id[MADE.city.assets.kind == "signal_group"][0])
    assert answers.offers(group)[0].asset == BOX
    with pytest.raises(KeyError, match="no asset 'nothing'"):
        answers.offers("nothing")


def test_an_account_is_asked_of_the_box_and_read_from_the_record_alone() -> None:
    assert TRAFFIC.inquiry is not None
    asked = replace(TRAFFIC, inquiry=replace(TRAFFIC.inquiry, answer=f"{__name__}:letter"))
    answers, _ = answering(asked)
    group = str(MADE.city.assets.id[MADE.city.assets.kind == "signal_group"][0])
    assert answers.account(group, "17:42", "here") == Letter(f"{BOX} at 17:42: None", "unknown", ("here",))
    with pytest.raises(ValueError, match="no moment"):
        answers.account(BOX, "never", "")
    with pytest.raises(KeyError, match="gives no account"):
        answering(replace(TRAFFIC, inquiry=None))[0].account(BOX, "17:42", "")


def test_a_watcher_sees_every_tick_and_one_that_fails_is_told_and_stops_nothing() -> None:
    answers, run = answering(replace(TRAFFIC, watch=Watch("", "", f"{__name__}:seen")))
    done = loop.tick_frames(run, [run], MADE.frames(1_768_321_501.0), 1_768_321_501.0, 0.0)
    answers.follow(run, done)  # not open yet: nothing is missed that matters
    assert (Seen.ticks, answers.found()) == (0, ())
    answers.open_watchers()
    answers.follow(run, done)
    assert Seen.ticks == 1
    assert [(one.service, one.asset, one.text) for one in answers.found()] == [("traffic", BOX, "It was seen.")]
    blind, run = answering(replace(TRAFFIC, watch=Watch("", "", f"{__name__}:broken")))
    blind.open_watchers()
    blind.follow(run, done)
    assert "cannot be watched (RuntimeError: no eyes). Control goes on." in blind.fault
