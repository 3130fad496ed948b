# SPDX-License-Identifier: Apache-2.0
"""What one service tells of assets of the whole city reaches those that name it in `reads`, bounded, ageing, and nobody else."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from lamplighter.runtime import loop
from lamplighter.terms.service import Belief, Service
from lamplighter.terms.snapshot import Column, Snapshot
from tests.spine import CITY, NOW_S
from tests.water import SERVICE

WET = Belief("wet", "1", 0.0, 1.0, "1 where water stands")
Believe = Callable[[Snapshot, object], Mapping[str, Column]]


def telling(believe: Believe) -> Service:
    return replace(SERVICE, beliefs=(WET,), believe=believe)


def told(value: list[float], present: bool = True) -> Believe:
    """Return what tells these values of the first assets, and 1 of the others."""

    def believe(snapshot: Snapshot, prepared: object) -> Mapping[str, Column]:
        del prepared
        many = len(snapshot.assets)
        column = np.ones(many)
        column[: len(value)] = value
        return {"wet": Column(column, np.full(many, snapshot.now_s), np.full(many, present))}

    return believe


def reader(*names: str) -> loop.ServiceRun:
    return loop.open_run(replace(SERVICE, name="reader", reads=names), CITY, True)


def seen(teller: loop.ServiceRun, reading: loop.ServiceRun, now_s: float) -> Snapshot:
    return loop.tick(reading, [teller, reading], [], now_s).snapshot


def test_a_belief_reaches_who_reads_it_and_nobody_else() -> None:
    teller = loop.open_run(telling(told([0.0])), CITY, True)
    assert loop.tick(teller, [teller], [], NOW_S).fault == ""
    value, known = seen(teller, reader("wet"), NOW_S).citywide("wet", 200.0)
    assert known.all()
    assert value.tolist() == [0.0] + [1.0] * (len(CITY.assets) - 1)
    assert "wet" not in seen(teller, reader(), NOW_S).shared


def test_what_is_out_of_bounds_or_no_number_is_not_told() -> None:
    teller = loop.open_run(telling(told([2.0, -1.0, float("nan")])), CITY, True)
    loop.tick(teller, [teller], [], NOW_S)
    _, known = seen(teller, reader("wet"), NOW_S).citywide("wet", 200.0)
    assert known.tolist() == [False] * 3 + [True] * (len(CITY.assets) - 3)


def broken(snapshot: Snapshot, prepared: object) -> Mapping[str, Column]:
    """Fail."""
    raise ArithmeticError("no")


def short(snapshot: Snapshot, prepared: object) -> Mapping[str, Column]:
    """Tell of one asset alone."""
    return {"wet": Column(np.ones(1), np.ones(1), np.ones(1, np.bool_))}


@pytest.mark.parametrize("believe", [broken, short])
def test_a_belief_that_cannot_be_made_stops_nothing_and_grows_old(believe: Believe) -> None:
    teller = loop.open_run(telling(told([0.0])), CITY, True)
    loop.tick(teller, [teller], [], NOW_S)
    teller.service = telling(believe)
    done = loop.tick(teller, [teller], [], NOW_S + 60.0)
    assert "could not be worked out" in done.fault
    assert done.outcomes is not None or done.snapshot is not None
    reading = reader("wet")
    assert seen(teller, reading, NOW_S + 60.0).citywide("wet", 200.0)[1].all()
    assert not seen(teller, reading, NOW_S + 600.0).citywide("wet", 200.0)[1].any()
