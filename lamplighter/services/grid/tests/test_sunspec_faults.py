# SPDX-License-Identifier: Apache-2.0
"""Inverters over SunSpec Modbus that are not as they should be: told in words, never sent anything, or barred and handed back."""

import re
import socket
import struct
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.connectors.modbus import path_of
from lamplighter.services.grid.sunspec.inverters import Inverters, boxes_of
from lamplighter.services.grid.tests.sunspec_field import NEW, NUMBERS, OLD, inverter, laid, served, sets, wired
from lamplighter.services.grid.wire import SETS
from lamplighter.terms.exchange import Answered, Asked
from lamplighter.terms.reading import Message

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"VarSetRvrtTms": None}, r"VarSetRvrtTms \(model 704\) is not there"),
    ({"VarSetRvrtRem": None}, r"VarSetRvrtRem \(model 704\) is not there"),
    ({"VarSetEnaRvrt": None}, r"VarSetEnaRvrt \(model 704\) is not there"),
    ({"VarSetEna": None}, r"VarSetEna \(model 704\) is not there"),
    ({"VarSet": None, "VarSetPct": None}, "no set-point in vars or in percent"),
    ({"VarSet_SF": None, "VarSetPct_SF": 11}, "no set-point in vars or in percent"),
    ({"VarMaxAbs": 90}, "can supply 18 and take 9 kvar, grid/inverters.csv says q_max_kvar 18"),
    ({"VAMaxRtg": 1000}, "nameplate says 10 kVA, grid/inverters.csv says sn_kva 30"),
]


@pytest.mark.parametrize(("changes", "why"), WRONG)
def test_what_is_not_fit_is_told_and_never_sent_anything(changes: dict[str, Any], why: str) -> None:
    """No timer, no way to set, another nameplate: told in words, no order taken, nothing written, nothing reported."""
    with inverter(**changes) as peer, wired(peer.port) as wire:
        wire.run(600.0)
        assert not wire.send(6.0, 601.0)
        assert wire.send(None, 601.0), "there is nothing to hand back"
        assert wire.run(601.0) == wire.run(640.0) == []
        assert wire.rows(660.0) == []
        assert re.search(why, wire.dialect.fault())
        with pytest.raises(ValueError, match="may not be written"):
            wire.client.ask(
                Asked("WRITE", path_of("127.0.0.1", peer.port, 1, "holding", peer.at["704.VarSetEna"][0], 1), "", {}, b"\0\1")
            )


@pytest.mark.parametrize(
    ("models", "why"),
    [
        ((1, 701, 702), "takes no set-points: neither model 704 nor 123"),
        ((1, 702, 704), "does not tell its reactive power"),
        ((1, 701, 704), "does not tell how much reactive power it can supply"),
        ((1, 701, 702, 704, 704), "model 704 more than once"),
    ],
)
def test_a_chain_that_lacks_a_model_is_told(models: tuple[int, ...], why: str) -> None:
    with inverter(models) as peer, wired(peer.port) as wire:
        wire.run(600.0)
        assert why in wire.dialect.fault()
        assert not wire.send(6.0, 601.0)


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"SunX" + bytes(400), "no SunSpec map begins"),
        (b"SunS" + struct.pack(">HH", 7, 0) * 300, "has no end"),
        (b"SunS" + struct.pack(">HH", 7, 65000) + bytes(40), "has no end"),
        (b"SunS" + struct.pack(">HH", 7, 300) + bytes(40), "refuses to be read"),
        (b"SunS" + struct.pack(">HH", 704, 57) + bytes(114) + b"\xff\xff\0\0", "does not tell its reactive power"),
        (b"SunS" + struct.pack(">HH", 701, 121) + bytes(242) + b"\xff\xff\0\0", "published are 153: another edition"),
    ],
)
def test_rubbish_is_told_and_ends(octets: bytes, why: str) -> None:
    """A wrong mark, a chain without end, a length that leads nowhere, another edition of a model."""
    with served(octets) as port, wired(port) as wire:
        assert wire.run(600.0) == []
        assert len(wire.asked) < 150
        assert why in wire.dialect.fault()


@contextmanager
def answering(reply: bytes) -> Generator[int, None, None]:
    """Answer every question with the transaction's head and these bytes, then hang up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                while True:
                    here, _ = listener.accept()
                    with here:
                        question = here.recv(260)
                        here.sendall(question[:2] + reply)
            except OSError:
                return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5.0)


@pytest.mark.parametrize(
    "reply",
    [
        b"\0\0\0\7\1\3\4Su",  # breaks off
        b"\0\0\0\5\1\3\2Su",  # fewer registers than were asked for
        b"\0\0\0\7\2\3\4SunS",  # of another unit
        b"\0\0\0\6\1\x10\x9c\x40\0\2",  # the confirmation of a write that was none
        b"",
    ],
)
def test_answers_that_break_off_or_answer_something_else_are_none(reply: bytes) -> None:
    with answering(reply) as port, wired(port) as wire:
        wire.run(600.0)
        assert "does not answer" in wire.dialect.fault()
        assert not wire.send(6.0, 601.0)
        assert wire.rows(660.0) == []


def test_numbers_that_mean_nothing_are_no_measurement() -> None:
    """0x8000 for vars or for their scale factor leaves the minute out; the set-point is told again once both are there."""
    with inverter(Var=None) as peer, wired(peer.port) as wire:
        wire.run(600.0)
        assert wire.rows(660.0) == []
        peer.put(701, Var=-1230)
        wire.run(660.0)
        assert wire.rows(720.0) == [(11, 0, -1.23, 0.0)]


def test_the_deaf_and_those_that_refuse_are_told_and_hold_nothing() -> None:
    """One confirms writes and forgets them, one refuses them, one is away: no set-point counts anywhere, each is named."""
    with inverter(habit="deaf") as deaf, inverter(habit="refuses") as locked, socket.create_server(("127.0.0.1", 0)) as unused:
        away = int(unused.getsockname()[1])
        unused.close()
        with wired(deaf.port, locked.port, away) as wire:
            wire.run(600.0)
            assert not wire.dialect.order((sets((0, 6.0, 900), (1, 6.0, 900), (2, 6.0, 900)),), 601.0)
            wire.run(601.0)
            told = wire.dialect.fault()
            assert "inverter I0 (127.0.0.1 unit 1) VarSetRvrtTms reads 0 s after 900 s were written" in told
            assert "inverter I1 (127.0.0.1 unit 1) it refuses the write to register" in told
            assert "is control over Modbus allowed" in told
            assert "inverter I2 (127.0.0.1 unit 1) does not answer" in told
            assert deaf.points(704, "VarSetEna") == locked.points(704, "VarSetEna") == [0]


def test_a_timer_that_does_not_end_what_it_should_costs_the_inverter_its_set_points() -> None:
    """One whose time runs out and that goes on, one whose timer never starts: handed back, barred, told; no further order."""
    with (
        inverter(habit="endless", speed=1000.0) as endless,
        inverter(habit="timeless") as timeless,
        wired(endless.port, timeless.port) as wire,
    ):
        wire.run(600.0)
        assert wire.dialect.order((sets((0, 6.0, 60), (1, 6.0, 60)),), 600.0)
        wire.run(600.0)
        time.sleep(0.3)
        for now_s in range(605, 645, 5):
            wire.run(float(now_s))
        told = wire.dialect.fault()
        assert told.count("its reversion timer was set to 60 s and does not run. It was handed back") == 2
        assert endless.points(704, "VarSetEna") == timeless.points(704, "VarSetEna") == [0]
        assert not wire.send(6.0, 650.0)
        assert wire.send(None, 650.0)


def test_an_order_that_could_not_be_sent_in_time_is_not_sent_later() -> None:
    """It waits for seconds at most; what is left of its time is what is written."""
    with inverter() as peer, wired(peer.port) as wire:
        wire.run(600.0)
        assert wire.send(6.0, 601.0)
        assert wire.run(622.0) == []
        assert "given up" in wire.dialect.fault()
        assert wire.send(6.0, 630.0)
        wire.run(645.0)
        assert peer.points(704, "VarSetRvrtTms") == [885]


def test_more_than_the_citys_table_is_never_sent() -> None:
    with inverter() as peer, wired(peer.port) as wire:
        wire.run(600.0)
        assert not wire.send(18.02, 601.0)
        assert not wire.dialect.order((Message(SETS, b"rubbish"),), 601.0)
        assert not wire.dialect.order((Message("grid/charging/limit", b""),), 601.0)
        assert wire.send(1.0, 601.0, number=7), "it is on another wire"
        assert wire.run(601.0) == []


def test_the_opposite_of_what_was_set_costs_the_inverter_its_set_points() -> None:
    """An inverter that takes where it should supply would lower what should be lifted."""
    with inverter(Var=-600) as peer, wired(peer.port) as wire:
        wire.run(600.0)
        assert wire.send(6.0, 600.0)
        for now_s in range(600, 700, 10):
            wire.run(float(now_s))
        assert "it measures -6 kvar while set to 6: the sign is wrong" in wire.dialect.fault()
        assert peer.points(704, "VarSetEna") == [0]


def test_an_inverter_that_supplies_less_than_is_set_is_told_and_stays() -> None:
    """A curve of its own may come first: what is measured is what counts, and nobody is barred for it."""
    with inverter(Var=100) as peer, wired(peer.port) as wire:
        wire.run(600.0)
        assert wire.send(6.0, 600.0)
        for now_s in range(600, 670, 10):
            wire.run(float(now_s))
        assert "measures 1 kvar while set to 6: is it in standby or at its limit, does a curve" in wire.dialect.fault()
        assert wire.send(6.0, 670.0)
        peer.put(701, Var=5900)
        wire.run(680.0)
        assert wire.dialect.fault() == ""


def test_an_older_inverter_that_outlasts_its_time_is_handed_back_and_barred() -> None:
    """Model 123 does not tell what is left; the clock does."""
    with inverter(OLD, habit="endless", VArMaxPct=None, VArWMaxPct=0, speed=1000.0) as peer, wired(peer.port) as wire:
        wire.run(600.0)
        assert wire.send(6.0, 600.0, duration_s=60)
        wire.run(600.0)
        assert peer.points(123, "VArPct_Ena", "VArPct_Mod", "VArWMaxPct") == [1, 1, pytest.approx(20.0)]
        for now_s in range(605, 690, 5):
            wire.run(float(now_s))
            assert peer.points(123, "VArPct_Ena") == [1]
        for now_s in range(690, 710, 5):
            wire.run(float(now_s))
        assert "still obeyed a set-point whose time was up" in wire.dialect.fault()
        assert peer.points(123, "VArPct_Ena") == [0]


def test_a_map_is_told_all_that_is_wrong_with_it_at_once() -> None:
    rows = [
        {"asset": "I0", "host": "a"}, {"asset": "I0", "host": "b"}, {"asset": "I1", "host": "a"},
        {"asset": "Home 7", "host": "", "port": 0, "unit": 0, "colour": "red"},
    ]  # fmt: skip
    with pytest.raises(ValueError, match="period_s is 60") as error:
        boxes_of({"inverter": rows, "period_s": 60, "meter": []}, NUMBERS)
    for part in (
        "meter is unknown", "I0: stands more than once", "a:502 unit 1: is addressed more than once", "colour is unknown",
        "asset is 'Home 7', allowed is an id of grid/inverters.csv", "port is 0", "unit is 0", "host is ''",
    ):  # fmt: skip
        assert part in str(error.value), part
    with pytest.raises(ValueError, match="at least one"):
        boxes_of({}, NUMBERS)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([NEW, OLD]),
    st.lists(st.tuples(st.integers(2, 420), st.integers(0, 0xFFFF)), max_size=12),
    st.lists(st.integers(0, 60), max_size=4),
    st.floats(-18.0, 18.0),
)
def test_whatever_the_registers_hold_no_set_point_is_without_an_end(
    models: Sequence[int], odd: list[tuple[int, int]], lost: list[int], kvar: float
) -> None:
    """Registers changed at random, answers lost at random: only named registers are written, and what counts has an end."""
    octets, _ = laid(models, 40000, {}, end=True)
    held = dict(enumerate((octets[at] << 8 | octets[at + 1] for at in range(0, len(octets), 2)), 40000))
    held |= {40000 + at: word for at, word in odd if 40000 + at in held}
    dialect = Inverters(*boxes_of({"inverter": [{"asset": "I0", "host": "a"}]}, NUMBERS))
    asked_s = 0
    for now_s in (600.0, 601.0, 606.0, 616.0):
        if now_s == 601.0:
            dialect.order((sets((0, kvar, 900)),), now_s)
        while (asked := dialect.next_request(now_s)) is not None:
            asked_s += 1
            assert asked_s < 2000
            at, count = (int(part) for part in asked.path.split("/")[5:7])
            if asked_s in lost:
                dialect.answered(None, now_s)
            elif any(register not in held for register in range(at, at + count)):
                dialect.answered(Answered(502, {"exception": "2"}, b""), now_s)
            elif asked.method == "READ":
                dialect.answered(Answered(200, {}, b"".join(held[r].to_bytes(2, "big") for r in range(at, at + count))), now_s)
            else:
                named = dialect.writable("a", 502, 1)
                assert all(register in named for register in range(at, at + count))
                held |= {at + n: int.from_bytes(asked.body[2 * n : 2 * n + 2], "big") for n in range(count)}
                dialect.answered(Answered(200, {}, b""), now_s)
                known = dialect._boxes[0].known  # pyright: ignore[reportPrivateUsage] - where it believes the timer to be
                assert known is not None
                timer = known.layout.timer
                if at == known.base + known.layout.enabled.at and asked.body == b"\0\1":
                    words = b"".join(held[known.base + timer.at + n].to_bytes(2, "big") for n in range(timer.count))
                    assert 0 < int.from_bytes(words, "big") <= 900
                    assert all(held[known.base + point.at] == 0 for point, _ in known.first)
            dialect.fault()


def test_what_was_mended_is_found_again() -> None:
    """A nameplate set anew counts five minutes later; an inverter that was silent is found anew at once."""
    with inverter(VarMaxAbs=90) as peer, wired(peer.port) as wire:
        wire.run(600.0)
        peer.put(702, VarMaxAbs=18000)
        wire.run(890.0)
        assert "gets no set-points" in wire.dialect.fault()
        wire.run(900.0)
        assert wire.dialect.fault() == ""
        assert wire.send(6.0, 901.0)
        wire.dialect.next_request(901.0)
        wire.dialect.answered(None, 901.0)
        assert "does not answer" in wire.dialect.fault()
        assert not wire.dialect.waiting(), "what could not be sent is not sent later"
        assert wire.run(910.0) == []
        assert wire.dialect.fault() == ""
        assert wire.send(6.0, 911.0)
