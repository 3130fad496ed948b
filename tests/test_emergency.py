# SPDX-License-Identifier: Apache-2.0
"""`lamplighter traffic emergency`: which stage is meant, and the words with a running city's page."""

from pathlib import Path

import pytest

from lamplighter.services.traffic.helping import HelpError, ask, stage_for, wish_boxes
from lamplighter.services.traffic.layout import read_layout
from lamplighter.services.traffic.tests.crossroads import make_city
from lamplighter.web.server import serving
from tests.web_scripted import Scripted, lattice_streets, scene_of

NAMES = {"we1": "West Street", "sn1": "South Street"}
WISH = {"action": "clear_way", "boxes": [{"asset": "J1", "values": {"stage": 2}}], "duration_s": 60, "reason": "fire"}


def test_the_stage_that_lets_a_street_go_is_meant(tmp_path: Path) -> None:
    layout = read_layout(make_city(tmp_path / "city"))
    assert stage_for(layout, 0, "West Street", NAMES) == 0
    assert stage_for(layout, 0, "south street", NAMES) == 1
    assert stage_for(layout, 0, "North Street", NAMES) is None
    assert wish_boxes(layout, ["J"], (), "South Street", NAMES) == {"J": 1}
    assert wish_boxes(layout, ["J"], ("j:0",), "", NAMES) == {"J": 0}
    for places, along, says in (
        (("K",), "", "intersection is called .K."), (("J:7",), "", "has no stage 7"), (("J",), "North Street", "does not lead"),
        ((), "", "name an intersection"), ((), "North Street", "leads to none"),
        (("J:x",), "", "'x' is no stage"), (("J",), "", "which stage"),
    ):  # fmt: skip
        with pytest.raises(HelpError, match=says):
            wish_boxes(layout, ["J"], places, along, NAMES)


def test_a_wish_reaches_the_page_of_a_running_city_and_its_refusal_comes_back() -> None:
    engine = Scripted(scene_of(lattice_streets(20), 60), running=False)
    with serving(engine, port=0) as address:
        port = int(address.rsplit(":", 1)[1])
        number = ask(port, "ask/traffic", WISH)["number"]
        assert ask(port, "wishes", None)[0]["boxes"][0]["state"] == "stands"
        ask(port, f"withdraw/{number}", {})
        assert ask(port, "wishes", None)[0]["ended"]
        with pytest.raises(HelpError, match="no action 'start_stage' for operators"):
            ask(port, "ask/traffic", {**WISH, "action": "start_stage"})
    with pytest.raises(HelpError, match="no city answers on port"):
        ask(port, "wishes", None)
