# SPDX-License-Identifier: Apache-2.0
import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from lamplighter.services.lighting import design
from lamplighter.services.lighting.commands import lighting
from lamplighter.services.lighting.design import Road
from lamplighter.services.lighting.mounting import candidates, catalogue, inventory, judging, ranking, shortfall
from lamplighter.services.lighting.mounting.candidates import Choices, Section
from lamplighter.services.lighting.mounting.judging import Asked
from lamplighter.services.lighting.mounting.ranking import Prices
from lamplighter.services.lighting.photometry import classes, judgement, luminaires, quality
from lamplighter.services.lighting.photometry.field import RoadField
from lamplighter.services.lighting.tests.small import Small

ROAD = Section(7.0, 2, "R3")
FEW = Choices(("single", "staggered"), (26.0, 30.0, 34.0), (8.0, 9.0), (0.0, 1.0), (0.0,))
M4 = classes.code("M4")


def search(name: str, choices: Choices = FEW, section: Section = ROAD, full_glare: bool = False) -> tuple:
    k = classes.code(name)
    families = [catalogue.own(optic) for optic in luminaires.OPTICS]
    ways = candidates.ways_of(section, choices)
    unit = candidates.unit_figures(ways, [f.light for f in families], k)
    asked = Asked(k, 0.8, ((k, 4000.0),), full_glare)
    return families, ways, unit, asked, judging.judged(unit, families, asked)


@pytest.mark.parametrize("name", ["M3", "M5", "C4", "P3"])
def test_what_meets_a_class_is_what_the_other_computation_says(name: str) -> None:
    families, ways, _, _, found = search(name)
    for f, family in enumerate(families):
        for n in range(len(ways)):
            share = float(found.share[f, n])
            lit = candidates.scaled(family.light, float(family.flux_lm[found.product[f, n]]) * share)
            met = quality.evaluate(ways.road(n), lit, "R3", 0.8)
            assert judgement.meets(met, name) == bool(found.meets[f, n]) or not np.isfinite(found.needed_lm[f, n])
            if found.meets[f, n]:
                darker = quality.evaluate(ways.road(n), candidates.scaled(lit, lit.flux_lm() * 0.99), "R3", 0.8)
                assert not judgement.meets(darker, name)  # the dimming is the deepest there is


def test_the_best_design_takes_least_energy_of_all_by_brute_force() -> None:
    families, ways, _, asked, found = search("M4")
    best = ranking.ranked(found, ways, asked, "energy", None)
    least = np.inf
    for family in families:
        for n in range(len(ways)):
            road = ways.road(n)
            for flux, power in zip(family.flux_lm.tolist(), family.power_w.tolist(), strict=True):
                whole = quality.evaluate(road, candidates.scaled(family.light, flux), "R3", 0.8)
                share = max(0.75 / whole.luminance_cd_m2 * judging.SURE, 0.1)
                lit = quality.evaluate(road, candidates.scaled(family.light, flux * share), "R3", 0.8)
                if share <= 1.0 and judgement.meets(lit, "M4"):
                    gear = luminaires.GEAR_W
                    least = min(least, (gear + (power - gear) * share) * 4.0 * 1000.0 / road.spacing_m * road.rows())
    assert best.energy_kwh_km.min() == pytest.approx(least, rel=1e-6)
    assert best.energy_kwh_km[0] <= least * ranking.ALIKE
    poles = best.poles_per_km[best.energy_kwh_km <= least * 1.00999]
    assert best.poles_per_km[0] == poles.min()


def test_other_objectives_put_poles_or_cost_first() -> None:
    _, ways, _, asked, found = search("M4")
    fewest = ranking.ranked(found, ways, asked, "poles", None)
    assert fewest.poles_per_km[0] == fewest.poles_per_km.min()
    dear = ranking.ranked(found, ways, asked, "cost", Prices(1e6, 0.0, 0.0, 8760.0))
    assert dear.poles_per_km[0] == dear.poles_per_km.min()
    assert dear.cost_per_km[0] == pytest.approx(dear.poles_per_km[0] * 1e6)
    with pytest.raises(ValueError, match="no prices"):
        ranking.ranked(found, ways, asked, "cost", None)


def test_flux_scales_light_and_glare_as_the_standard_says() -> None:
    _, ways, unit, _, _ = search("M4")
    for flux in (4000.0, 60_000.0):  # the second lies above 5 cd/m2, where fTI follows another power
        lit = candidates.scaled(luminaires.luminaire("street", 1000.0), flux)
        whole = quality.evaluate(ways.road(0), lit, "R3", 1.0)
        assert unit[0, 0, judging.LUMINANCE] * flux / 1000.0 == pytest.approx(whole.luminance_cd_m2, rel=1e-6)
        glare = judging.glare_percent(unit[0, 0], np.array(flux))
        assert float(glare) == pytest.approx(whole.glare_percent, rel=0.03 if flux > 50_000 else 1e-6)


def test_a_central_column_carries_two_luminaires() -> None:
    ways = candidates.ways_of(ROAD, Choices(("single", "opposite", "central"), (25.0,), (8.0,), (0.0,), (0.0,)))
    assert ways.luminaires_per_km().tolist() == [40.0, 80.0, 80.0]
    assert ways.poles_per_km().tolist() == [40.0, 80.0, 40.0]


def test_the_nearest_design_names_what_cannot_be_reached_and_by_how_much() -> None:
    families, ways, unit, asked, found = search("M1", Choices(("single",), (40.0, 50.0), (6.0,), (0.0,), (0.0,)))
    assert not found.meets.any()
    near = shortfall.nearest(unit, families, found, asked)
    lit = candidates.scaled(families[near.family].light, near.flux_lm)
    whole = quality.evaluate(ways.road(near.way), lit, "R3", 0.8)
    named = {miss.criterion: miss for miss in near.missing}
    assert {"Uo", "Ul", "fTI"} & set(named)
    figure = {"Uo": whole.uniformity_ratio, "Ul": whole.lengthwise_ratio, "fTI": whole.glare_percent, "REI": whole.edge_ratio}
    for name, miss in named.items():
        if name in figure:
            assert miss.observed == pytest.approx(figure[name], rel=1e-5)
            assert miss.short_percent() == pytest.approx(abs(figure[name] - miss.limit) / miss.limit * 100.0, rel=1e-4)


def test_a_citys_lamps_are_the_least_flux_that_this_search_finds() -> None:
    road = Road("highway.tertiary", False, False, 50.0, 6.4, 2, False)
    name, spacing = design.design_class(road), 30.0
    made = design.plan(road, name, spacing, "R3", 0.8)
    overhang, tilt = (tuple(sorted({m[k] for m in design.MOUNTINGS})) for k in (0, 1))
    choices = Choices((made.road.arrangement,), (spacing,), (made.road.height_m,), overhang, tilt)
    *_, found = search(name, choices, Section(6.4, 2, "R3"), full_glare=True)
    assert made.meets
    assert made.rated_flux_lm >= found.needed_lm[:2][found.meets[:2]].min()
    assert judgement.meets(quality.evaluate(made.road, luminaires.luminaire(made.optic, made.rated_flux_lm), "R3", 0.8), name)


def test_made_up_lamps_beside_a_real_inventory(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    ours, theirs = asdict(inventory.spread_of(small.city.tables["segments"])), asdict(inventory.WASHINGTON)
    with capsys.disabled():
        for name in ours:
            sys.stdout.write(f"\n{name}: ours {np.round(ours[name], 1).tolist()}, Washington {list(theirs[name])}")
    for name in ("spacing_m", "height_m", "spacing_ratio"):
        assert 0.6 <= ours[name][2] / theirs[name][2] <= 1.5  # the median lamp
        assert ours[name][1] >= 0.9 * theirs[name][0]  # and the middle half within what is built
        assert ours[name][3] <= 1.1 * theirs[name][4]
    with pytest.raises(ValueError, match="no segment"):
        inventory.spread_of({"luminaires": np.array([1, 2])})


def run(*arguments: str) -> tuple[int, str]:
    usual = ["--width", "7", "--lanes", "2", "--spacing", "30,34", "--height", "8,9", "--overhang", "0,1", "--tilt", "0"]
    done = CliRunner().invoke(lighting, ["design", *usual, *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, " ".join(done.output.split())


def test_design_prints_the_best_and_writes_them(tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    code, said = run("--class", "M4", "--relaxed", "M6:1500", "--best", "4", "--json", str(file))
    assert code == 0, said
    assert "least energy, then fewest poles" in said
    assert "With the fewest poles" in said
    found = json.loads(file.read_text())
    assert len(found["designs"]) == 4
    one = found["designs"][0]
    light = candidates.scaled(
        luminaires.luminaire(one["luminaire"].split(":")[0], 1000.0), one["flux_lm"] * one["dimming_level"][0]
    )
    met = quality.evaluate(RoadField(**one["road"]), light, "R3", 0.8)
    assert judgement.meets(met, "M4")
    assert one["dimming_level"][1] == pytest.approx(one["dimming_level"][0] * 0.3 / 0.75, rel=0.01)
    drawn = [luminaires.GEAR_W + (one["power_w"] - luminaires.GEAR_W) * share for share in one["dimming_level"]]
    lamps = 1000.0 / one["road"]["spacing_m"] * (1 if one["road"]["arrangement"] == "single" else 2)
    assert one["energy_kwh_km"] == pytest.approx((drawn[0] * 2.5 + drawn[1] * 1.5) * lamps, rel=1e-6)
    assert one["D_E_kwh_m2"] == pytest.approx(one["energy_kwh_km"] / 7000.0)


def test_files_and_folders_are_picked_from(shared_data: Path, tmp_path: Path) -> None:
    good = next((shared_data / "photometry").glob("Outdoor*"))
    (tmp_path / "good.ies").write_bytes(good.read_bytes())
    (tmp_path / "cut.ies").write_bytes(good.read_bytes()[:900])
    (tmp_path / "notes.txt").write_text("nothing")
    code, said = run("--class", "M4", "--photometry", str(tmp_path), "--prices", "1500:350:0.25:25", "--objective", "cost")
    assert code == 0, said
    assert "cut.ies" in said
    assert "Not used" in said
    assert "cost/km" in said
    code, said = run("--class", "M4", "--photometry", str(tmp_path / "cut.ies"))
    assert code == 2
    assert "cut short" in said


def test_what_cannot_be_reached_is_an_error_with_its_reason(tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    code, said = run("--class", "C0", "--photometry", "street:2000", "--json", str(file))
    assert code == 1
    assert "no design of 24 meets C0" in said
    assert "Eav would be" in said
    assert "needs 50" in said
    missed = json.loads(file.read_text())["out_of_reach"]
    assert missed[0]["criterion"] == "Eav"
    assert missed[0]["short_percent"] > 50.0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--class", "M7"], "M7"),
        (["--class", "M4", "--surface", "R9"], "known are"),
        (["--class", "M4", "--maintenance", "1.5"], "maintenance factor"),
        (["--class", "M4", "--spacing", "30:20:1"], "numbers are needed"),
        (["--class", "M4", "--spacing", "nan"], "numbers are needed"),
        (["--class", "M4", "--spacing", "20:60:0.01", "--tilt", "0:40:0.1"], "at most are tried"),
        (["--class", "M4", "--height", "1000"], "height_m is 1000"),
        (["--class", "M4", "--lanes", "0"], "lanes is 0"),
        (["--class", "M4", "--width", "nan"], "width_m"),
        (["--class", "M4", "--relaxed", "P5:100"], "own family"),
        (["--class", "M4", "--relaxed", "M5"], "a class and hours"),
        (["--class", "M4", "--relaxed", "M5:3000", "--relaxed", "M6:3000"], "the year has"),
        (["--class", "M4", "--hours", "9000"], "at most 8760"),
        (["--class", "M4", "--objective", "cost"], "--prices"),
        (["--class", "M4", "--prices", "1:2"], "four numbers"),
        (["--class", "M4", "--photometry", "street:1"], "lumens"),
        (["--class", "M4", "--photometry", "nowhere.ldt"], "cannot be read"),
    ],
)
def test_mistakes_are_told_without_a_traceback(more: list[str], said: str) -> None:
    code, output = run(*more)
    assert code == 2
    assert said in output
