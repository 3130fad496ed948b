# SPDX-License-Identifier: Apache-2.0
"""Tables of weights as data: every one loads, the worked example of CEN/TR 13201-1 comes out, and wrong files are named."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lamplighter.services.lighting.prepared import prepare
from lamplighter.services.lighting.selection import weights
from lamplighter.services.lighting.terms import STEPS, WEIGHTS, Settings
from lamplighter.services.lighting.tests.small import Small


@pytest.mark.parametrize("name", WEIGHTS)
def test_every_table_names_its_source_and_falls_with_traffic(name: str) -> None:
    table = weights.load(name)
    assert all((table.title, table.region, table.source, table.certainty))
    for multilane in (False, True):
        by_share = [weights.volume_weight(table, share, multilane) for share in np.linspace(0.0, 1.0, 41)]
        assert by_share == sorted(by_share)
        assert by_share[0] < by_share[-1]


def test_the_worked_example_of_the_report() -> None:
    """CEN/TR 13201-1:2014, A.2: on foot and by cycle, slow, normal use P4; quiet and dark after midnight P6."""
    table = weights.load("cen-2014")
    chosen = {"speed": "40 km/h or less", "composition": "on foot, by cycle", "parked": "not present"}
    assert weights.lighting_class(table, "P", chosen) == "P4"
    assert weights.lighting_class(table, "P", chosen, varying_weight=-2.0) == "P6"


def test_half_weights_go_to_the_brighter_class() -> None:
    table = weights.load("cie-2010")
    chosen = {
        "speed": "moderate", "composition": "mixed", "carriageways": "not separated", "junctions": "moderate density",
        "parked": "not present", "guidance": "moderate or good",
    }  # fmt: skip
    assert weights.lighting_class(table, "M", chosen) == "M4"
    assert weights.lighting_class(table, "M", {**chosen, "parked": "present"}) == "M3"
    with pytest.raises(ValueError, match="parked is 'many'"):
        weights.lighting_class(table, "M", {**chosen, "parked": "many"})
    with pytest.raises(ValueError, match="no parameter 'colour'"):
        weights.lighting_class(table, "M", {**chosen, "colour": "warm"})


def test_italy_counts_from_the_design_category() -> None:
    """UNI 11248:2016: one class below half of the service flow, two below a quarter, whatever volume the design had."""
    table = weights.load("uni-2016")
    share, relax = weights.relax_table(table, np.array([-1, 0, 1]), np.array([False, True, False]), STEPS - 1)
    assert relax.tolist() == [[2, 1, 0]] * 3
    assert share.tolist() == [[0.25, 0.5]] * 3


def test_the_neutral_table_as_classes_below_design() -> None:
    table = weights.load("cen-2014")
    _, relax = weights.relax_table(table, np.array([-1, 0, 1]), np.array([False, False, False]), STEPS - 1)
    assert relax.tolist() == [[0, 0, 0], [1, 0, 0], [2, 1, 0]]


@pytest.mark.parametrize("text", ["design = [0]", "not toml at all [", "title = 3", ""])
def test_a_wrong_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"mine\.toml|design has"):
        weights.read(file)
    with pytest.raises(ValueError, match="known tables are"):
        weights.load("mine")


def test_a_city_chooses_its_table(small: Small) -> None:
    with pytest.raises(ValueError, match="weights is"):
        Settings(weights="none")
    italian = prepare(replace(small.city, settings=replace(small.city.settings, weights="uni-2016")))
    moving = italian.segments.by_traffic
    assert set(italian.relax_most[moving]) == {2}
    assert (small.layout.relax_most[moving] == np.clip(italian.segments.volume_weight[moving] + 1, 0, 3)).all()
    assert italian.surroundings.wet_relax == -1
