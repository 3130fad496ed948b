# SPDX-License-Identifier: Apache-2.0
"""An operator's wish from the desk to the box: asked again while it lasts, never past the gate, and handed back."""

from dataclasses import replace

import numpy as np
import pytest

from lamplighter.runtime import loop
from lamplighter.runtime.loop import ServiceRun, Tick
from lamplighter.runtime.operators import BOXES_MAX, ENDED, HOLD, REFUSED, STANDS, Desk, Wish, WishError, read_wish, wished
from lamplighter.runtime.view import Asked
from lamplighter.services import discover
from lamplighter.terms.decision import HAND_BACK, Proposals
from lamplighter.terms.service import Service

TRAFFIC = next(service for service in discover() if service.name == "traffic")
BEGIN_S = 1_768_321_500.0
MADE = TRAFFIC.synthetic(0.0005, 3)  # five intersections
BOX = str(MADE.city.assets.id[0])


class Drive:
    """A made-up city slice driven second by second."""

    def __init__(self, service: Service = TRAFFIC, adaptive: bool = True) -> None:
        self.run: ServiceRun = loop.open_run(service, MADE.city, adaptive)
        self.now_s = BEGIN_S

    def second(self) -> Tick:
        self.now_s += 1
        return loop.tick_frames(self.run, [self.run], MADE.frames(self.now_s), self.now_s, 0.0)

    def ask(self, action: str, seconds: float, boxes: dict[str, float]) -> Wish:
        values = tuple((name, {} if action == HOLD else {"stage": stage}) for name, stage in boxes.items())
        asked = Asked(action, values, seconds, "exercise")
        wish = read_wish(TRAFFIC, MADE.city.assets, asked, 1, self.now_s)
        self.run.desk.take(wish)
        return wish

    def state(self, wish: Wish) -> list[str]:
        return [box.state for box in wished("traffic", MADE.city.assets.id, wish).boxes]


def asked_of(done: Tick, asset: int) -> list[tuple[str, str]]:
    return [
        (permit.proposals.action, permit.proposals.arm)
        for permit in done.verdict.permits
        if asset in permit.proposals.asset[permit.row]
    ]


def test_a_wish_is_asked_until_the_gate_permits_it_and_nobody_else_is_heard_meanwhile() -> None:
    drive = Drive()
    for _ in range(3):
        drive.second()
    wish = drive.ask("clear_way", 60.0, {BOX: 2.0})
    states: list[str] = []
    for _ in range(40):
        done = drive.second()
        states += drive.state(wish)
        assert {arm for _, arm in asked_of(done, 0)} <= {"operator"}
    # The made-up boxes obey nobody: between two greens and within a minimum green the gate refuses, else it permits.
    assert STANDS in states
    assert drive.run.holds[0]
    assert not drive.run.holds[1:].any()


def test_what_the_gate_refuses_is_told_with_its_rule() -> None:
    drive = Drive()
    drive.second()
    wish = drive.ask("clear_way", 60.0, {BOX: 31.0})
    drive.second()
    (box,) = wished("traffic", MADE.city.assets.id, wish).boxes
    assert box.state == REFUSED
    assert "refused, " in box.text
    assert "Nothing was sent" in box.text


def test_at_its_end_the_box_is_handed_back_and_deciders_may_have_it_again() -> None:
    drive = Drive()
    drive.second()
    wish = drive.ask("clear_way", 10.0, {BOX: 1.0})
    for _ in range(9):
        drive.second()
    done = drive.second()
    assert (HAND_BACK, "operator") in asked_of(done, 0)
    assert not drive.run.in_force["clear_way"].active.any()
    assert drive.state(wish) == [ENDED]
    heard = [arm for _ in range(20) for _, arm in asked_of(drive.second(), 0)]
    assert "adaptive" in heard


def test_a_hold_hands_the_box_back_and_keeps_deciders_away() -> None:
    drive = Drive()
    for _ in range(5):
        drive.second()
    drive.ask(HOLD, 30.0, {BOX: 0.0})
    assert asked_of(drive.second(), 0) == [(HAND_BACK, "operator")]
    assert not drive.run.in_force["hold_stage"].active[0]
    assert [asked_of(drive.second(), 0) for _ in range(20)] == [[]] * 20


def test_a_wish_stands_in_the_baseline_arm_too_and_handing_all_back_ends_it() -> None:
    drive = Drive(adaptive=False)
    drive.second()
    wish = drive.ask("clear_way", 60.0, {BOX: 1.0})
    heard = [arm for _ in range(60) for _, arm in asked_of(drive.second(), 0)]
    assert "operator" in heard
    loop.hand_back(drive.run, drive.now_s)
    assert drive.state(wish) == [ENDED]
    assert asked_of(drive.second(), 0) == []


def test_a_newer_wish_takes_over_the_boxes_that_it_names() -> None:
    desk = Desk()
    first, second = (
        Wish(n, "clear_way", "fire", np.array(assets), {"stage": np.zeros(len(assets))}, 99.0)
        for n, assets in ((1, [0, 1]), (2, [1, 2]))
    )
    desk.take(first)
    desk.take(second)
    assert [wish.asset.tolist() for wish in desk.standing()] == [[0], [1, 2]]
    desk.take(Wish(3, HOLD, "fire", np.array([0]), {}, 99.0))
    assert [wish.number for wish in desk.standing()] == [2, 3]


def test_a_decider_cannot_speak_as_an_operator() -> None:
    def posing(snapshot: object, state: object, prepared: object) -> tuple[tuple[Proposals, ...], object]:
        tables, after = TRAFFIC.adaptive(snapshot, state, prepared)  # type: ignore[arg-type]
        return tuple(replace(table, arm="operator") for table in tables), after

    drive = Drive(replace(TRAFFIC, adaptive=posing))
    done = drive.second()
    assert "spoke as an operator" in done.fault
    assert done.verdict.permitted_count == 0


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (Asked("start_stage", ((BOX, {"stage": 1.0}),), 60.0, "fire"), "no action 'start_stage' for operators"),
        (Asked("clear_way", ((BOX, {"stage": 1.0}),), 9999.0, "fire"), "outside 1 to 900 s"),
        (Asked("clear_way", (("J7", {"stage": 1.0}),), 60.0, "fire"), "'J7' is no intersection"),
        (Asked("clear_way", (("G000000", {"stage": 1.0}),), 60.0, "fire"), "'G000000' is no intersection"),
        (Asked("clear_way", ((BOX, {}),), 60.0, "fire"), "give stage"),
        (Asked("clear_way", ((BOX, {"stage": 1.0, "plate": 7.0}),), 60.0, "fire"), "give stage"),
        (Asked("clear_way", (), 60.0, "fire"), f"1 to {BOXES_MAX}"),
        (Asked("clear_way", ((BOX, {"stage": 1.0}), (BOX, {"stage": 2.0})), 60.0, "fire"), "each once"),
        (Asked(HOLD, ((BOX, {"stage": 1.0}),), 60.0, "fire"), "give no value"),
    ],
)
def test_what_cannot_be_put_to_the_gate_is_refused_aloud(asked: Asked, says: str) -> None:
    with pytest.raises(WishError, match=says):
        read_wish(TRAFFIC, MADE.city.assets, asked, 1, BEGIN_S)
