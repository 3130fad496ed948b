# SPDX-License-Identifier: Apache-2.0
from time import process_time

import numpy as np
import pytest

from lamplighter import privacy, safety
from lamplighter.services.lighting import SERVICE, adaptive, interlock
from lamplighter.services.lighting.terms import ACTIONS, BOUNDARY_S, DIM, LUMINAIRE
from lamplighter.services.lighting.tests.small import EVENING_S
from lamplighter.terms.decision import InForce
from lamplighter.terms.snapshot import Column, Snapshot


@pytest.mark.slow
def test_a_million_lamps_are_decided_and_checked_in_time() -> None:
    synthetic = SERVICE.synthetic(1.0, 1)
    city = synthetic.city
    assert int(city.assets.of_kind(LUMINAIRE).sum()) == 1_000_000
    layout = SERVICE.prepare(city)
    size = layout.size
    names = [column.name for column in ACTIONS[0].columns]
    idle = InForce(np.zeros(size, dtype=np.bool_), {n: np.zeros(size) for n in names}, np.zeros(size), np.zeros(size))
    seen = Column(np.ones(size), np.full(size, EVENING_S), np.ones(size, dtype=np.bool_))
    snapshot = Snapshot(
        EVENING_S, city.assets, city.span, {"dimming_level": seen}, {}, {DIM: idle}, np.ones(size, dtype=np.bool_),
        city.vocabulary, {},
    )  # fmt: skip
    tables, memory = adaptive.decide(snapshot, adaptive.start(layout), layout)
    took: list[float] = []
    checked: list[float] = []
    for _ in range(5):
        begun = process_time()
        tables, memory = adaptive.decide(snapshot, memory, layout)
        took.append(process_time() - begun)
        begun = process_time()
        assert interlock.in_class(snapshot, tables, layout).ok.all()
        checked.append(process_time() - begun)
    assert len(tables[0]) == 100_000
    assert min(took) < 0.1
    assert min(checked) < 0.1
    verdict = safety.examine(SERVICE, snapshot, tables, layout, np.zeros(size, dtype=np.bool_))
    assert len(verdict.permits[0]) == 100_000


def test_made_up_frames_are_admitted_at_every_minute() -> None:
    synthetic = SERVICE.synthetic(0.001, 1)
    registry = privacy.register(SERVICE, synthetic.city.assets, synthetic.city.vocabulary)
    for now_s in (EVENING_S, EVENING_S + 60.0, EVENING_S + 20.0 + BOUNDARY_S):
        _, rejected = privacy.admit(synthetic.frames(now_s), registry, now_s)
        assert len(rejected) == 0
