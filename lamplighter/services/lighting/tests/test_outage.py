# SPDX-License-Identifier: Apache-2.0
"""Light beside an area without power: who keeps the design class, at what price in messages, and what is told of it."""

from dataclasses import replace

import numpy as np

from lamplighter import safety
from lamplighter.services.lighting import SERVICE, adaptive, outage
from lamplighter.services.lighting.telling import explain
from lamplighter.services.lighting.terms import BESIDE_DARK, BOUNDARY_S
from lamplighter.services.lighting.tests.small import COUNTED, EVENING_S, NIGHT_S, Small
from lamplighter.terms.decision import Proposals
from lamplighter.terms.snapshot import Column, Shared, Snapshot

QUIET = dict.fromkeys(COUNTED, 40.0)


def told(small: Small, now_s: float, dark: tuple[int, ...], age_s: float = 30.0) -> Snapshot:
    """Return quiet streets, and a grid that tells which cabinets have no power."""
    base, many = small.snapshot(now_s, QUIET), len(small.city.assets)
    value = np.ones(many)
    value[small.layout.cabinet_asset[list(dark)]] = 0.0
    energised = Column(value, np.full(many, now_s - age_s), np.ones(many, np.bool_))
    return replace(base, shared={**base.shared, outage.ENERGISED: (Shared(0, energised),)})


def decided(small: Small, dark: tuple[int, ...], now_s: float = NIGHT_S) -> tuple[Snapshot, Proposals]:
    """Decide over three quarter-hours, the outage in the last."""
    memory, tables = adaptive.start(small.layout), ()
    for k in (-2, -1, 0):
        snapshot = told(small, now_s + k * BOUNDARY_S, dark if k == 0 else ())
        tables, memory = adaptive.decide(snapshot, memory, small.layout)
    return told(small, now_s, dark), tables[0]


def test_streets_beside_the_dark_ones_keep_their_design_class_and_the_gate_permits_it(small: Small) -> None:
    """Against the same night with power: brighter beside the dark cabinet, nowhere darker, and permitted."""
    _, before = decided(small, ())
    snapshot, after = decided(small, (1,))
    near = outage.beside(snapshot, small.layout)
    by_traffic = small.layout.segments.by_traffic
    assert near.any()
    assert not near[small.layout.segments.cabinet == 1].any()
    level = {int(a): float(v) for a, v in zip(after.asset, after.values["dimming_level"], strict=True)}
    usual = {int(a): float(v) for a, v in zip(before.asset, before.values["dimming_level"], strict=True)}
    rows = np.flatnonzero(near & by_traffic)
    design = small.layout.class_share[:, 0]
    moved = 0
    for row in rows:
        asset = int(small.layout.segments.asset[row])
        assert level[asset] >= design[row] - 1e-9
        moved += level[asset] > usual[asset] + 1e-9
    assert moved > 0
    assert all(level[asset] >= usual[asset] - 1e-9 for asset in level if asset in usual)
    assert set(after.because[np.isin(after.asset, small.layout.segments.asset[near])].tolist()) == {BESIDE_DARK}
    holds = np.zeros(small.layout.size, dtype=np.bool_)
    verdict = safety.examine(SERVICE, snapshot, (after,), small.layout, holds)
    assert len(verdict.permits[0]) == len(after)


def test_what_was_told_long_ago_raises_nothing(small: Small) -> None:
    assert not outage.beside(told(small, EVENING_S, (1,), age_s=900.0), small.layout).any()
    assert not outage.beside(told(small, EVENING_S, ()), small.layout).any()


def test_a_dark_cabinet_is_one_outage_in_words(small: Small) -> None:
    snapshot = told(small, NIGHT_S, (1,))
    cabinet = int(small.layout.cabinet_asset[1])
    lamp = int(small.layout.lamp_asset[np.flatnonzero(small.layout.segments.cabinet[small.layout.lamp_segment] == 1)[0]])
    for asset in (cabinet, lamp):
        said = explain(snapshot, small.layout, asset)
        assert "one outage" in said[0]
        assert not any("registers" in sentence for sentence in said)
    segment = int(small.layout.segments.asset[np.flatnonzero(outage.beside(snapshot, small.layout))[0]])
    assert "beside it are without power" in explain(snapshot, small.layout, segment)[0]
    assert "one outage" not in " ".join(explain(told(small, NIGHT_S, ()), small.layout, cabinet))
