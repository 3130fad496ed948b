# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

from lamplighter.services.lighting import design, grouping, stretches
from lamplighter.services.lighting.design import Road
from lamplighter.services.lighting.photometry import classes, judgement, quality
from lamplighter.services.lighting.photometry.luminaires import luminaire
from lamplighter.services.lighting.prepared import distinct_fields
from lamplighter.services.lighting.terms import CELL_LAMPS_MIN, Settings
from lamplighter.services.lighting.tests.small import PLACE, Small, made, small_streets

# Inventory of downtown Washington, DC (3,963 lamps): mounting heights mostly 16, 20 and 30 ft, sodium lamps of 100 to 400 W.
REAL_HEIGHT_M = (4.9, 9.1)
SODIUM_W = (100.0, 400.0)
LED_FOR_SODIUM = 0.41  # networked LED against sodium, San Diego: 58.6 % less


def test_both_directions_are_one_stretch_and_junctions_end_it() -> None:
    found = stretches.stretches_of(small_streets(), PLACE)
    main = [s for s in found if s.width_m == 12.8]
    assert len(main) == 12
    assert all(len(s.streets) == 2 and s.lanes == 4 for s in main)
    assert sum(s.length_m for s in found) == pytest.approx(12 * 200 + 12 * 300 + 12 * 180 + 11 * 200, rel=1e-3)


def test_pieces_without_a_junction_between_are_joined() -> None:
    streets = small_streets()
    keep = np.char.startswith(streets.id, "path")
    only = replace(streets, lit=keep)
    found = stretches.stretches_of(only, PLACE)
    assert max(len(s.streets) for s in found) == 2
    assert max(s.length_m for s in found) == pytest.approx(400.0, rel=1e-3)


def test_every_segment_meets_its_design_class_and_no_lamp_stands_in_a_junction(small: Small) -> None:
    table = small.city.tables["segments"]
    roads, which = distinct_fields(table)
    for k, name in enumerate(table["lighting_class"]):
        road, optic, surface = roads[which[k]]
        found = quality.evaluate(road, luminaire(optic, float(table["rated_flux_lm"][k])), surface, 0.8)
        assert judgement.meets(found, str(name))
    lamps = small.layout.lamp_asset
    x, y = stretches.metres(small.city.assets.lon_deg[lamps], small.city.assets.lat_deg[lamps], PLACE)
    near = np.hypot(x[:, None] - np.arange(1, 12) * 200.0, y[:, None]).min()
    assert near > 6.0


def test_cells_have_64_lamps_whole_cabinets_and_one_area(small: Small) -> None:
    segments = small.layout.segments
    assert small.layout.cell_lamps.min() >= CELL_LAMPS_MIN
    assert len(small.layout.cell_lamps) >= 3
    for cabinet in range(len(small.layout.cabinet_asset)):
        assert len(set(segments.cell[segments.cabinet == cabinet])) == 1
    for cell in range(len(small.layout.cell_asset)):
        assert len(set(segments.area[segments.cell == cell])) == 1
    lamps = np.bincount(segments.cabinet, weights=segments.lamps)
    assert 20 <= np.median(lamps) <= 80


def test_a_city_with_too_few_lamps_has_one_cell() -> None:
    few = grouping.group(np.arange(3.0), np.zeros(3), np.array([5, 5, 5]), np.array(["a", "b", "c"]))
    assert few.cells == 1
    assert few.cabinets == 1


def test_the_curve_visits_neighbours_one_after_the_other() -> None:
    grid = np.mgrid[0:16, 0:16].reshape(2, -1).astype(np.float64)
    order = np.argsort(grouping.curve_position(grid[0], grid[1]))
    assert (np.abs(np.diff(grid[:, order], axis=1)).sum(axis=0) == 1.0).all()


def test_the_same_seed_gives_the_same_city_and_another_seed_another() -> None:
    one, two, other = (made(Settings(), seed) for seed in (1, 1, 2))
    assert (one.assets.lon_deg[one.span] == two.assets.lon_deg[two.span]).all()
    spacing = [city.tables["segments"]["spacing_m"] for city in (one, other)]
    assert len(spacing[0]) == len(spacing[1])
    assert not (spacing[0] == spacing[1]).all()


@pytest.mark.parametrize(
    ("road", "name"),
    [
        (Road("highway.primary", False, False, 50.0, 12.8, 4, False), "M3"),
        (Road("highway.unclassified", False, False, 50.0, 6.4, 2, False), "M4"),
        (Road("highway.unclassified", False, True, 50.0, 6.4, 2, False), "C4"),
        (Road("highway.residential", False, False, 30.0, 5.0, 2, False), "P2"),
        (Road("highway.path", True, False, 5.0, 2.0, 1, False), "P4"),
        (Road("highway.footway", True, False, 5.0, 2.0, 1, False), "P6"),
    ],
)
def test_design_classes_of_usual_roads(road: Road, name: str) -> None:
    assert design.design_class(road) == name


def test_the_made_up_lamps_are_spread_as_real_ones_are(small: Small) -> None:
    table = small.city.tables["segments"]
    share = table["spacing_m"] / table["height_m"]
    usual = table["luminaires"] > 2
    assert (share[usual] >= 2.0).all()
    assert (share[usual] <= 5.0).all()
    low, high = REAL_HEIGHT_M
    assert ((table["height_m"] >= 0.9 * low) & (table["height_m"] <= 1.35 * high)).all()
    assert len(np.unique(table["height_m"])) >= 3
    moving = np.isin(table["lighting_class"], [n for n in classes.CLASSES if n[0] in "MC"])
    watts = table["rated_power_w"][moving]
    assert 0.4 * SODIUM_W[0] * LED_FOR_SODIUM <= np.median(watts) <= SODIUM_W[1] * LED_FOR_SODIUM
    over = small.layout.class_share[:, 0]
    assert 1.0 <= np.mean(1.0 / over) <= 1.4  # product steps over-light by 10 to 40 per cent as a rule
