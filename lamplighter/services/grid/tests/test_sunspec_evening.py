# SPDX-License-Identifier: Apache-2.0
"""An evening short of voltage in which the town's inverters are steered over Modbus: from what meters say to the registers."""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from lamplighter.runtime import loop
from lamplighter.services.grid.sunspec.talks import Expected
from lamplighter.services.grid.tests.small import Evening, low_city
from lamplighter.services.grid.tests.sunspec_field import Peer, Wire, inverter, of_model
from lamplighter.services.grid.wire import INVERTERS, SETS
from lamplighter.terms.reading import Message
from lamplighter.terms.simulation import Advance

ASKED_AT_S = (5.0, 15.0, 35.0, 55.0)  # of each minute


class Town:
    """The simulated town, whose inverters report over Modbus alone. What they are told is supplied in the simulation too."""

    def __init__(self, town: Any, wire: Wire, peers: Sequence[Peer]) -> None:
        self.town, self.wire, self.peers = town, wire, peers

    def ask(self, now_s: float) -> None:
        """Let it be a certain second, and ask all that is due then."""
        for peer in self.peers:
            peer.lives(now_s)
        self.wire.run(now_s)

    def advance(self, to_s: float, messages: Sequence[Message], world: Any) -> Advance:
        """Send set-points over Modbus, read inverters through a minute, and tell what they told."""
        begun_s = to_s - 60.0
        self.wire.dialect.order([message for message in messages if message.topic == SETS], begun_s)
        for after_s in ASKED_AT_S:
            self.ask(begun_s + after_s)
        advance = self.town.advance(to_s, messages, world)
        others = [reading for reading in advance.readings if reading.topic != INVERTERS]
        return Advance([*others, *self.wire.dialect.readings(to_s)], advance.exports, advance.truth)


@contextmanager
def steered() -> Generator[tuple[Evening, Wire, list[Peer]], None, None]:
    """Return the town short of voltage, with an inverter in software of its own for each of its table."""
    evening = Evening(low_city(), "adaptive")
    table = evening.run.prepared.grid.inverters
    numbers = {
        str(name): (number, Expected(float(most), float(rated)))
        for number, (name, most, rated) in enumerate(zip(table.id, table.q_max_kvar, table.sn_kva, strict=True))
    }
    with ExitStack() as stack:
        peers: list[Peer] = []
        for expected in (expected for _, expected in numbers.values()):
            able = {f"VarMax{way}": round(expected.q_max_kvar * 10) + 1 for way in ("Inj", "Abs")}
            rated = of_model(702, VAMaxRtg=round(expected.sn_kva * 100))
            peers.append(stack.enter_context(inverter(habit="follows", VarSet_SF=1, **able, **rated)))
        wire = Wire(*(peer.port for peer in peers), numbers=numbers)
        stack.callback(wire.close)
        evening.field = Town(evening.field, wire, peers)  # pyright: ignore[reportAttributeAccessIssue] - it advances as the town does
        yield evening, wire, peers


def held_kvar(peers: Sequence[Peer]) -> list[float]:
    """Return the set-points that count, as pysunspec2 reads them."""
    return [vars_set / 1000.0 if enabled else 0.0 for enabled, vars_set in (p.points(704, "VarSetEna", "VarSet") for p in peers)]


def test_what_was_permitted_stands_in_the_registers_and_does_not_stay_there() -> None:
    """Permits and registers agree to one count; handing back empties all of them, and so does falling silent."""
    with steered() as (evening, wire, peers):
        evening.minutes(40)
        assert evening.tick is not None
        prepared, force = evening.run.prepared, evening.tick.snapshot.in_force["supply_reactive"]
        assert force.active[prepared.inverter_at].any()
        wire.dialect.order([m for m in evening.messages if isinstance(m, Message) and m.topic == SETS], evening.now_s)
        wire.run(evening.now_s)
        assert wire.dialect.fault() == ""
        permitted = np.where(force.active, force.values["q_kvar"], 0.0)[prepared.inverter_at]
        held = held_kvar(peers)
        assert np.abs(held).max() > 1.0
        np.testing.assert_allclose(held, permitted, atol=0.011)
        assert (np.abs(held) <= np.abs(permitted) + 1e-9).all()
        seen = evening.tick.snapshot.latest["inverter_set_kvar"]
        assert seen.present[prepared.inverter_at].all()
        messages, boxes = loop.hand_back(evening.run, evening.now_s + 2.0)
        assert boxes > 0
        assert wire.dialect.order([message for message in messages if message.topic == SETS], evening.now_s + 2.0)
        wire.run(evening.now_s + 2.0)
        assert not any(held_kvar(peers))
        assert wire.dialect.order([m for m in evening.messages if isinstance(m, Message) and m.topic == SETS], evening.now_s)
        wire.run(evening.now_s + 3.0)
        assert any(held_kvar(peers))
        for peer in peers:  # nobody asks any more
            peer.lives(evening.now_s + 4.0 + prepared.settings.lease_s)
        assert not any(held_kvar(peers))
