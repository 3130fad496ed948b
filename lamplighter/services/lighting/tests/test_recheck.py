# SPDX-License-Identifier: Apache-2.0
"""What is kept of a field decides as all of it does: against every influence in long floats, and against one field at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.services.lighting.photometry import changes, classes, columns, luminaires, quality, recheck, streets, verdict
from lamplighter.services.lighting.photometry.field import RoadField
from lamplighter.services.lighting.photometry.influence import SEEN
from lamplighter.services.lighting.photometry.streets import Street
from lamplighter.services.lighting.tests.test_many_fields import OPTICS, ROADS
from lamplighter.terms.columns import FloatArray

CLASSES = [classes.code(name) for name in ("M1", "M4", "M6", "C2", "P1", "P4")]


def odd_street(dice: np.random.Generator, lamps: int, lanes: int, height_m: float) -> Street:
    x = np.cumsum(dice.uniform(5.0, 45.0, lamps)) - 5.0
    side = np.where(dice.random(lamps) < 0.7, 1, -1)
    width = 3.5 * lanes
    light = dice.integers(0, 2, lamps)
    return Street(
        x, np.where(side > 0, 0.0, width), side, light, float(x[-1]) + 20.0, width, lanes, height_m, float(dice.uniform(0, 10)), 0
    )


def some_outputs(dice: np.random.Generator, lamps: int, kind: str) -> FloatArray:
    if kind == "alike":
        return np.full(lamps, float(dice.uniform(0.1, 1.0)))
    if kind == "on or off":
        return dice.integers(0, 2, lamps).astype(np.float64)
    return dice.uniform(0.0, 1.0, lamps) if kind == "each its own" else np.zeros(lamps)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(3, 14),
    st.integers(1, 4),
    st.sampled_from(CLASSES),
    st.sampled_from(["alike", "on or off", "each its own", "dark"]),
)
def test_what_is_kept_of_irregular_streets_judges_as_all_of_it(
    seed: int, lamps: int, lanes: int, kind: int, outputs: str
) -> None:
    dice = np.random.default_rng(seed)
    street = odd_street(dice, lamps, lanes, float(dice.uniform(4.0, 12.0)))
    fields, poles, _ = streets.fields_of_streets([street], [bool(classes.LUMINANCE_CD_M2[kind] > 0)])
    every = np.full(len(fields.begin_m), kind)
    wanted = verdict.blocks_for(every)
    whole, kept = verdict.store(fields, poles, OPTICS, wanted, np.float64), recheck.keep(fields, poles, OPTICS, wanted)
    share = some_outputs(dice, lamps, outputs)
    assert recheck.figures(kept, share) == pytest.approx(verdict.figures(whole, share), rel=3e-6, abs=1e-9)
    factor = np.full(len(every), 0.8)
    judged = recheck.margins(kept, share, every, factor)
    assert judged == pytest.approx(verdict.margins(whole, share, every, factor), rel=3e-6, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(ROADS, st.integers(0, 1), st.sampled_from(CLASSES))
def test_what_is_kept_has_the_figures_of_one_field_computed_by_itself(asked: RoadField, light: int, kind: int) -> None:
    fields, poles = columns.fields_of([asked], np.zeros(1, np.int64), np.array([light]))
    wanted = verdict.blocks_for(np.array([kind]))
    row = recheck.figures(recheck.keep(fields, poles, OPTICS, wanted), np.ones(int(poles.lamp.max()) + 1))[0]
    optic, flux = (("street", 6000.0), ("avenue", 9000.0))[light]
    q = quality.evaluate(asked, luminaires.luminaire(optic, flux), "R3", 1.0)
    one = np.array([getattr(q, name) for name in q.__dataclass_fields__])
    mine = slice(0, 5) if wanted[0, SEEN] else slice(5, 7)
    assert row[mine] == pytest.approx(one[mine], rel=3e-6, abs=1e-7)


def test_no_point_is_left_out_that_some_outputs_make_the_darkest() -> None:
    """Whichever point is the darkest, whichever glare position the worst, at any of many outputs: it is among those kept."""
    dice = np.random.default_rng(7)
    street = odd_street(dice, 9, 2, 8.0)
    kind = np.full(len(streets.field_ends(street)[0]), classes.code("M3"))
    fields, poles, _ = streets.fields_of_streets([street], [True])
    wanted = verdict.blocks_for(kind)
    whole, kept = verdict.store(fields, poles, OPTICS, wanted, np.float64), recheck.keep(fields, poles, OPTICS, wanted)
    assert kept.values.nbytes * 4 < whole.values.nbytes  # half by short floats, and less than half of the rest stays
    for share in (*dice.uniform(0.0, 1.0, (300, 9)) ** 4, *np.eye(9)):
        assert recheck.figures(kept, share) == pytest.approx(verdict.figures(whole, share), rel=3e-6, abs=1e-9)


def test_few_fields_judged_are_those_of_all() -> None:
    dice = np.random.default_rng(3)
    made = [odd_street(dice, 12, 2, 8.0) for _ in range(40)]
    luminance = [n % 2 == 0 for n in range(40)]
    fields, poles, of = streets.fields_of_streets(made, luminance)
    kind = np.where(np.array(luminance)[of], classes.code("M4"), classes.code("P2"))
    kept = recheck.keep(fields, poles, OPTICS, verdict.blocks_for(kind))
    assert len(kind) > verdict.CHUNK  # in more than one piece
    share, factor = dice.uniform(0.2, 1.0, 480), np.full(len(kind), 0.8)
    every = recheck.margins(kept, share, kind, factor)
    touch = changes.touch_of(kept, 480)
    share[[5, 200]] = 0.9
    which = changes.touched(touch, np.array([5, 200]))
    after = recheck.margins(kept, share, kind, factor)
    assert set(np.flatnonzero(after != every).tolist()) <= set(which.tolist())
    assert (recheck.margins(kept, share, kind, factor, which) == after[which]).all()


def test_a_field_is_judged_by_luminance_or_by_illuminance() -> None:
    fields, poles = columns.fields_of([RoadField("single", 30.0, 7.0, 2, 8.0)], np.zeros(1, np.int64), np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="both are wanted"):
        recheck.keep(fields, poles, OPTICS, verdict.every_block(1))
