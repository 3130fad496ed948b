# SPDX-License-Identifier: Apache-2.0
"""The certified minimum: against the closed form, against drawn outputs, and against its own bound."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.services.lighting.optimum import certificate, least, rows
from lamplighter.services.lighting.optimum.least import Optimum, Task, Unreachable
from lamplighter.services.lighting.photometry import changes, classes, columns, luminaires, quality, streets, verdict
from lamplighter.services.lighting.photometry.distribution import Distribution
from lamplighter.services.lighting.photometry.field import RoadField
from lamplighter.services.lighting.photometry.streets import Street

LIGHTS = [luminaires.luminaire("street", 9000.0), luminaires.luminaire("path", 2500.0)]
OPTICS = (columns.lights_of(LIGHTS), columns.surfaces_of(["R3"]))
MAINTENANCE = 0.8


def street(spacing_m: float, jitter: float, lamps: int, seed: int = 0, walk: bool = False, tilt_deg: float = 0.0) -> Street:
    gap = spacing_m * np.random.default_rng(seed).uniform(1 - jitter, 1 + jitter, lamps)
    x, one = np.concatenate(([0.0], np.cumsum(gap)[:-1])), np.ones(lamps, dtype=np.int64)
    width, lanes, height = (5.0, 1, 5.0) if walk else (7.0, 2, 8.0)
    return Street(x, np.zeros(lamps), one, one * int(walk), float(gap.sum()), width, lanes, height, tilt_deg, 0)


def task(of: Street, name: str, dead: int | None = None, optics: tuple[columns.Lights, columns.Surfaces] = OPTICS) -> Task:
    kind, lamps = classes.code(name), len(of.x_m)
    fields, poles, field_street = streets.fields_of_streets([of], [name.startswith("M")])
    wanted = verdict.blocks_for(np.full(len(field_street), kind))
    high, low = np.ones(lamps), np.full(lamps, 0.05)
    if dead is not None:
        high[dead] = low[dead] = 0.0
    stored = verdict.store(fields, poles, optics, wanted, np.float64)
    return Task(stored, np.full(lamps, 60.0), low, high, kind, MAINTENANCE)


def sure(found: Optimum | Unreachable) -> Optimum:
    assert isinstance(found, Optimum), found
    return found


def test_a_street_of_even_spacing_is_the_endless_road() -> None:
    fields, poles, _ = streets.fields_of_streets([street(30.0, 0.0, 5)], [True])
    got = verdict.cold_figures(fields, poles, OPTICS, verdict.every_block(5))
    q = quality.evaluate(RoadField("single", 30.0, 7.0, 2, 8.0), LIGHTS[0], "R3", 1.0)
    assert got == pytest.approx(np.tile([getattr(q, n) for n in quality.Quality.__dataclass_fields__], (5, 1)), rel=1e-6)


def test_on_even_spacing_nothing_beats_dimming_alike() -> None:
    asked = task(street(30.0, 0.0, 8), "M4")
    alike, each = sure(least.uniform(asked)), sure(least.per_lamp(asked))
    q = quality.evaluate(RoadField("single", 30.0, 7.0, 2, 8.0), LIGHTS[0], "R3", MAINTENANCE)
    assert alike.dimming_level == pytest.approx(0.75 / q.luminance_cd_m2, rel=1e-6)
    assert each.power_w == pytest.approx(alike.power_w, rel=1e-4)
    assert each.bound_w <= alike.power_w * (1 + 1e-9)


@pytest.mark.parametrize(("name", "walk"), [("M4", False), ("M3", False), ("C3", False), ("P3", True), ("P2", True)])
@pytest.mark.parametrize("jitter", [0.1, 0.2])
def test_each_lamp_its_own_output_saves_on_uneven_streets_and_proves_it(name: str, walk: bool, jitter: float) -> None:
    asked = task(street(18.0 if walk else 30.0, jitter, 12, seed=3, walk=walk), name)
    each = least.per_lamp(asked)
    alike = least.uniform(asked)
    if isinstance(each, Unreachable):
        assert isinstance(alike, Unreachable)
        assert each.missed
        return
    assert each.gap_ratio() <= 0.005
    assert each.margin_ratio >= 1.0
    if isinstance(alike, Optimum):
        assert each.power_w <= alike.power_w * (1 + 1e-4)


def test_the_saving_on_streets_uneven_by_a_tenth_is_what_is_known() -> None:
    saved = [
        1.0 - sure(least.per_lamp(asked)).power_w / sure(least.uniform(asked)).power_w
        for asked in (task(street(30.0, 0.1, 12, seed), "M4") for seed in range(4))
    ]
    assert min(saved) > 0.03
    assert max(saved) < 0.15


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_no_lawful_output_lies_below_the_bound(seed: int) -> None:
    dice = np.random.default_rng(seed)
    asked = task(street(28.0, 0.15, 3, seed=1), "M5")
    best = sure(least.per_lamp(asked))
    kind = np.full(3, asked.lighting_class)
    for output in dice.uniform(0.05, 1.0, (60, 3)):
        lawful = verdict.margins(asked.stored, output, kind, np.full(3, MAINTENANCE)).min() >= 1.0
        assert not lawful or output @ asked.power_w >= best.bound_w
    near = np.clip(best.dimming_level * 0.999, asked.low, 1.0)
    assert verdict.margins(asked.stored, near, kind, np.full(3, MAINTENANCE)).min() < 1.0


@given(st.lists(st.floats(-5, 5), min_size=40, max_size=40))
def test_any_weights_give_a_bound_and_never_a_wrong_one(weights: list[float]) -> None:
    asked = task(street(18.0, 0.1, 3, walk=True), "P3")
    best = sure(least.per_lamp(asked))
    found, _ = rows.rows_of(asked.stored, 3, asked.lighting_class, MAINTENANCE)
    weight = np.resize(np.array(weights), len(found.right))
    assert certificate.bound_w(found, asked.power_w, asked.low, asked.high, weight) <= best.power_w


def test_glare_enters_by_tangents_and_binds() -> None:
    shape = luminaires.shape(luminaires.OPTICS["street"].lobes, 84.0) * 9.0  # little cut-off: much light into the eyes
    glaring = Distribution("glaring", shape, luminaires.C_STEP_DEG, luminaires.GAMMA_STEP_DEG, 60.0)
    asked = task(street(30.0, 0.1, 12, seed=4), "M5", optics=(columns.lights_of([glaring]), columns.surfaces_of(["R3"])))
    each = sure(least.per_lamp(asked))
    dazzle = verdict.figures(asked.stored, each.dimming_level)[:, 3]
    assert each.cuts > 0
    assert 14.99 < dazzle.max() <= 15.0
    assert each.margin_ratio >= 1.0
    assert each.gap_ratio() <= 0.005


def test_a_tangent_never_forbids_what_glare_allows() -> None:
    asked = task(street(30.0, 0.1, 4), "M4")
    _, glare = rows.rows_of(asked.stored, 4, asked.lighting_class, MAINTENANCE)
    assert glare is not None
    every = np.arange(len(glare.field))
    for at in (0.3, 0.9375, 3.0):
        cut = rows.tangents(glare, asked.lighting_class, np.full(len(every), at), every, 0)
        for output in np.random.default_rng(1).uniform(0.2, 1.0, (200, 4)):
            mean = glare.mean_cd_m2 @ output
            allowed = 65.0 * (glare.veil_cd_m2 @ output) <= 15.0 * mean**0.8
            assert (cut.matrix[allowed] @ output >= cut.right[allowed] - 1e-12).all()


def test_a_dead_lamp_is_not_mended_by_its_neighbours_and_the_reason_is_named() -> None:
    found = least.per_lamp(task(street(30.0, 0.0, 10), "M4", dead=4))
    assert isinstance(found, Unreachable)
    assert {m.criterion for m in found.missed} >= {"lengthwise uniformity"}
    assert {m.field for m in found.missed} <= {2, 3, 4, 5}
    for missed in found.missed:
        assert missed.observed < missed.limit or missed.criterion in ("glare", "over-lighting")


def test_more_light_than_there_is_is_named_as_such() -> None:
    for found in (least.per_lamp(task(street(30.0, 0.0, 6), "M1")), least.uniform(task(street(30.0, 0.0, 6), "M1"))):
        assert isinstance(found, Unreachable)
        assert any(m.criterion == "average luminance" and m.limit == 2.0 and m.observed < 2.0 for m in found.missed)


def test_a_change_of_lamps_touches_the_fields_that_they_light() -> None:
    made = [street(30.0, 0.1, 20, seed) for seed in range(3)]
    kind = np.full(60, classes.code("M4"))
    fields, poles, _ = streets.fields_of_streets(made, [True] * 3)
    stored = verdict.store(fields, poles, OPTICS, verdict.blocks_for(kind))
    touch = changes.touch_of(stored, 60)
    share = np.full(60, 0.8)
    before = verdict.margins(stored, share, kind, np.full(60, MAINTENANCE))
    share[[5, 47]] = 0.5
    after = verdict.margins(stored, share, kind, np.full(60, MAINTENANCE))
    changed = changes.touched(touch, np.array([5, 47]))
    assert set(np.flatnonzero(before != after)) <= set(changed.tolist())
    assert not (changed >= 20).all() or not (changed < 20).all()
    assert not set(range(20, 40)) & set(changed.tolist())


@pytest.mark.parametrize(
    ("x", "period", "said"),
    [
        ([], 30.0, "one luminaire or more"),
        ([0.0, 40.0], 30.0, "is its length"),
        ([0.0], float("nan"), "period_m"),
        ([0.0], 900.0, "apart"),
    ],
)
def test_impossible_streets_are_refused(x: list[float], period: float, said: str) -> None:
    count = len(x)
    one = np.ones(count, dtype=np.int64)
    with pytest.raises(ValueError, match=said):
        Street(np.array(x), np.zeros(count), one, one * 0, period, 7.0, 2, 8.0, 0.0, 0)
