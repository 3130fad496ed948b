# SPDX-License-Identifier: Apache-2.0
"""The FIWARE export: by the published schemas where they lie, and by what they say in any case."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lamplighter.services.lighting import fiware
from lamplighter.services.lighting.commands import lighting
from lamplighter.services.lighting.tests.small import Small
from lamplighter.services.lighting.tests.talq_published import SHARED

SCHEMAS = Path(os.environ.get("LAMPLIGHTER_FIWARE", SHARED / "data" / "fiware"))
URN = re.compile(r"urn:ngsi-ld:(Streetlight|StreetlightGroup|StreetlightControlCabinet):small:[\w\-.]+")
NEEDED = {
    "Streetlight": {"id", "type", "location", "status"},
    "StreetlightGroup": {"id", "type", "location"},
    "StreetlightControlCabinet": {"id", "type", "location", "refStreetlightGroup", "workingMode"},
}


@pytest.fixture(scope="module")
def made(small: Small) -> list[dict[str, Any]]:
    return json.loads(json.dumps(list(fiware.entities(small.city))))


def test_every_entity_has_what_its_model_needs_and_refers_to_one_that_is_there(made: list[dict[str, Any]], small: Small) -> None:
    ids = {one["id"] for one in made}
    assert len(ids) == len(made)
    for one in made:
        assert NEEDED[one["type"]] <= set(one)
        assert URN.fullmatch(one["id"])
        lon, lat = one["location"]["coordinates"]
        assert abs(lon - 13.53) < 0.1
        assert abs(lat - 52.43) < 0.1
        for name, value in one.items():
            if name.startswith("ref"):
                assert set(value if isinstance(value, list) else [value]) <= ids
    kinds = [one["type"] for one in made]
    assert kinds.count("Streetlight") == len(small.layout.lamp_asset) == fiware.count(small.city)
    assert kinds.count("StreetlightControlCabinet") == len(small.layout.cabinet_asset)
    members = [lamp for one in made for lamp in one.get("refStreetlight", [])]
    assert sorted(members) == sorted(one["id"] for one in made if one["type"] == "Streetlight")


def test_nothing_that_lamps_did_and_nothing_that_they_noticed_is_exported(made: list[dict[str, Any]]) -> None:
    names = {name for one in made for name in one}
    assert not {name for name in names if re.search(r"motion|switching|observation|powerState|illuminanceLevel|owner", name)}


def test_every_entity_fits_its_published_schema(made: list[dict[str, Any]]) -> None:
    rs = pytest.importorskip("jsonschema_rs", reason="jsonschema-rs comes with schemathesis (dev extra)")
    if not (SCHEMAS / "Streetlight" / "schema.json").is_file():
        pytest.skip(
            "the FIWARE schemas are not here: LAMPLIGHTER_FIWARE names a folder with those of dataModel.Streetlighting and "
            "common-schema.json"
        )
    common = json.loads((SCHEMAS / "common-schema.json").read_text())
    registry = rs.Registry([("https://smart-data-models.github.io/data-models/common-schema.json", common)])
    for kind in NEEDED:
        schema = json.loads((SCHEMAS / kind / "schema.json").read_text())
        validator = rs.Draft202012Validator(schema, registry=registry, validate_formats=True)
        rows = [one for one in made if one["type"] == kind]
        assert rows
        for one in rows:
            wrong = [f"{list(e.instance_path)}: {e.message}" for e in validator.iter_errors(one)]
            assert not wrong, wrong[:3]
        assert not validator.is_valid({**rows[0], "location": "here"})


def test_the_command_names_a_city_that_is_not_there(tmp_path: Path) -> None:
    done = CliRunner().invoke(lighting, ["export", "nowhere", "--fiware", str(tmp_path / "x.json")])
    assert done.exit_code != 0
    assert not (tmp_path / "x.json").exists()
