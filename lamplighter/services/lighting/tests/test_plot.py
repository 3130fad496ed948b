# SPDX-License-Identifier: Apache-2.0
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.services.lighting.commands import lighting
from lamplighter.services.lighting.commands.plot import of_segment
from lamplighter.services.lighting.obtrusive.facades import Facades
from lamplighter.services.lighting.photometry import field, quality
from lamplighter.services.lighting.photometry.field import RoadField
from lamplighter.services.lighting.photometry.luminaires import luminaire
from lamplighter.services.lighting.plots import colours, surface, svg
from lamplighter.services.lighting.plots.surface import Scene
from lamplighter.services.lighting.tests.small import Small

ROAD = ["--spacing", "30", "--width", "7", "--lanes", "2", "--height", "8"]
SCENE = Scene(RoadField("staggered", 30.0, 7.0, 2, 8.0, 0.5, 5.0), luminaire("street", 6000.0), "R3", 0.8, 0.7)


def test_equal_steps_of_value_are_equal_steps_of_colour_and_lightness() -> None:
    lab = colours.oklab(np.linspace(0.0, 1.0, 25))
    steps = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    assert steps == pytest.approx(steps.mean(), rel=1e-9)
    assert (np.diff(lab[:, 0]) > 0.02).all()
    shown = colours.srgb(lab)
    assert shown.min() > -0.03  # on every screen
    assert shown.max() < 1.01
    # Lightness alone (a person who sees no colour) still tells neighbours' neighbours apart.
    grey = shown @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(grey) > 0.0).all()
    assert len(set(colours.scale(svg.STEPS))) == svg.STEPS


def test_the_pictures_values_are_those_of_the_standard_at_its_grid() -> None:
    whole = quality.coefficients(SCENE.road, SCENE.light, "R3")
    seen = surface.luminance_cd_m2(SCENE, 1, field.grid_x(SCENE.road), field.luminance_y(SCENE.road))
    assert seen.transpose() == pytest.approx(whole.luminance_cd_m2[1] * 0.8 * 0.7, rel=1e-9)
    lit = surface.illuminance_lx(SCENE, field.grid_x(SCENE.road), field.illuminance_y(SCENE.road))
    assert lit.transpose() == pytest.approx(whole.illuminance_lx * 0.8 * 0.7, rel=1e-9)


def test_the_drawing_shows_each_cell_in_the_colour_of_its_value() -> None:
    panel = surface.luminance_panel(SCENE, 0)
    drawn = ElementTree.fromstring(svg.document("a & b <c>", [panel], ["note"]))
    spot = "{http://www.w3.org/2000/svg}"
    cells = drawn.find(f"{spot}g")
    assert cells is not None
    area = sum(float(r.get("width", 0)) * float(r.get("height", 0)) for r in cells.iter(f"{spot}rect"))
    tall = float(drawn.findall(f"{spot}rect")[1].get("height", 0))
    assert area == pytest.approx(svg.PANEL_PX * tall, rel=2e-3)
    scale = colours.scale(svg.STEPS)
    used = {scale.index(str(r.get("fill"))) for r in cells.iter(f"{spot}rect")}
    high = svg._top_of_scale(panel.values)
    assert used == set(np.minimum(panel.values / high * svg.STEPS, svg.STEPS - 1).astype(int).ravel().tolist())
    words = [text.text or "" for text in drawn.iter(f"{spot}text")]
    assert "cd/m2" in words
    assert any("(m)" in word for word in words)


def test_the_facade_panel_shows_the_brighter_side() -> None:
    road = RoadField("single", 30.0, 7.0, 2, 8.0)
    panel = surface.facade_panel(Scene(road, luminaire("street", 6000.0), "R3", 0.8, 1.0), Facades(4.0))
    assert panel.values.shape == (24, 30)
    assert panel.values.max() > 0.0
    assert "left" in panel.title  # luminaires stand on the right and shine across


@given(low=st.floats(-1e4, 1e4), span=st.floats(1e-3, 1e4), most=st.integers(1, 20))
def test_ticks_are_round_and_within(low: float, span: float, most: int) -> None:
    found = svg.ticks(low, low + span, most)
    assert len(found) <= most + 1
    assert all(low - 1e-6 * span <= tick <= low + span + 1e-6 * span for tick in found)


def test_plot_writes_a_picture_of_a_road(tmp_path: Path) -> None:
    file = tmp_path / "road.svg"
    done = CliRunner().invoke(lighting, ["plot", "--photometry", "street:6000", *ROAD, "--output", "0.5", "--out", str(file)])
    assert done.exit_code == 0, done.output
    assert ElementTree.fromstring(file.read_text(encoding="utf-8")).tag.endswith("svg")
    assert file.stat().st_size < 400_000


def test_a_citys_street_is_drawn_by_its_name(small: Small) -> None:
    scene, title = of_segment(small.city, "Main Street", None, 0.6)
    assert "Main Street" in title
    assert scene.share == 0.6
    row = int((small.city.tables["segments"]["name"] == "Main Street").argmax())
    other, _ = of_segment(small.city, None, str(small.city.tables["segments"]["id"][row]), 1.0)
    assert other.road.width_m == scene.road.width_m
    with pytest.raises(click.UsageError, match="like it: Main Street"):
        of_segment(small.city, "main", None, 1.0)
    with pytest.raises(click.UsageError, match="one of"):
        of_segment(small.city, None, None, 1.0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "must be given"),
        (["--photometry", "street:6000", *ROAD, "--lane", "3"], "lanes 1 to 2"),
        (["--photometry", "street:6000", *ROAD, "--output", "0"], "above 0"),
        (["--photometry", "street:6000", *ROAD, "--facade", "0"], "0.5 to 100 m"),
        (["--photometry", "street:6000", "--city", "nowhere"], "not both"),
        (["--photometry", "street:6000", *ROAD, "--spacing", "nan"], "spacing_m"),
    ],
)
def test_mistakes_are_told_without_a_traceback(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(lighting, ["plot", *arguments, "--out", str(tmp_path / "x.svg")])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
