# SPDX-License-Identifier: Apache-2.0
"""What is refused of TALQ because a person could pass through it, and that nothing beyond a closed list is kept."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.services.lighting.talq import announced, refusals
from lamplighter.services.lighting.talq import documents as docs
from lamplighter.services.lighting.talq import vocabulary as words
from lamplighter.services.lighting.tests import talq_published as published
from lamplighter.services.lighting.tests.talq_cms import A, ask, bootstrapped, kept, lamp


def counter(**more: Any) -> dict[str, Any]:
    functions = [
        {"id": "c", "type": "TrafficCounterFunction", **{k: {"type": "AttributeString", "value": v} for k, v in more.items()}}
    ]
    return {"address": A, "name": "counter", "class": "lamp", "functions": functions}


@pytest.mark.parametrize(
    "kind",
    ["Bluetooth beacon", "WIFI detector", "wi-fi", "BLE", "Blue Tooth", "WLAN probe requests", "RFID", "camera", "ANPR", ""],
)
def test_counters_that_recognise_what_people_carry_are_refused_with_the_reason(kind: str) -> None:
    side = bootstrapped()
    answer = ask(side, "POST", "/devices", [lamp(1), counter(sensorType=kind)])
    assert answer.status == 422
    told = json.loads(answer.body)[0]["description"]
    assert "recognise" in told or "not known to count without" in told
    assert kept(side) == {}, "a request is refused whole"


def test_a_counter_that_does_not_say_what_it_is_is_refused() -> None:
    assert ask(bootstrapped(), "POST", "/devices", [counter()]).status == 422


@pytest.mark.parametrize("kind", ["inductive loop", "radar", "Magnetometer", "piezo", "laser scanner"])
def test_counters_that_only_count_are_let_in_and_nothing_of_them_is_kept(kind: str) -> None:
    side = bootstrapped()
    assert ask(side, "POST", "/devices", [counter(sensorType=kind)]).status == 201
    assert kept(side)[A]["functions"] == []


def test_a_counter_whose_samples_are_so_short_that_single_people_show_is_refused() -> None:
    one = counter(sensorType="radar")
    one["functions"][0]["trafficSamplingPeriod"] = {"type": "AttributeInteger", "value": 10}
    assert ask(bootstrapped(), "POST", "/devices", [one]).status == 422
    one["functions"][0]["trafficSamplingPeriod"]["value"] = 900
    assert ask(bootstrapped(), "POST", "/devices", [one]).status == 201


@pytest.mark.parametrize("kind", sorted(words.REFUSED))
def test_functions_that_notice_people_are_refused_with_the_reason(kind: str) -> None:
    side = bootstrapped()
    described = {"name": "other", "functions": [{"functionId": "x", "type": kind}]}
    answer = ask(side, "POST", "/device-classes", [described])
    assert answer.status == 422
    assert words.REFUSED[kind] in json.loads(answer.body)[0]["description"]


@pytest.mark.parametrize(
    "name",
    ["licencePlate", "faceCount", "macAddress", "imei", "phoneNumber", "vehicleId", "personTrajectory", "videoUri", "eMail"],
)
def test_an_attribute_through_which_a_person_could_pass_is_refused_wherever_it_stands(name: str) -> None:
    side = bootstrapped()
    about = {"name": name, "scope": "measurement", "type": "AttributeString"}
    described = {"name": "other", "functions": [{"functionId": "x", "type": "VendorThing", "vendorAttributes": [about]}]}
    assert ask(side, "POST", "/device-classes", [described]).status == 422
    one = lamp(1)
    one["functions"][0][name] = {"type": "AttributeString", "value": "x"}
    assert ask(side, "POST", "/devices", [one]).status == 422
    assert kept(side) == {}


@given(st.dictionaries(st.text(max_size=8), st.recursive(st.none() | st.text(), lambda s: st.lists(s, max_size=2), max_leaves=4)))
def test_whatever_else_an_announcement_holds_is_forgotten(more: dict[str, Any]) -> None:
    side = bootstrapped()
    one = {**more, **lamp(1)}
    one["functions"] = [{**more, **one["functions"][0]}, {**more, "id": "v", "type": "VendorFunction"}]
    if ask(side, "POST", "/devices", [one]).status == 201:
        assert kept(side) == {one["address"]: lamp(1)}


@published.there
def test_every_name_of_the_standard_is_taken_left_or_refused_and_none_is_unknown() -> None:
    model = published.model()
    functions = {name for name in model if name.endswith("Function") and name != "Function"}
    assert set(words.KEPT) | set(words.REFUSED) | {words.COUNTER} <= functions
    for name in functions:
        attributes = model[name]["allOf"][1].get("properties", {})
        for attribute in words.KEPT.get(name, ()):
            assert attribute in attributes
            assert attributes[attribute]["allOf"][0]["$ref"].endswith(docs.TYPES[attribute])
        if name not in words.REFUSED and name != words.COUNTER:
            described = {
                "name": "x",
                "functions": [{"functionId": "f", "type": name, "attributes": [{"name": a} for a in attributes]}],
            }
            assert list(refusals.class_faults(described, "")) == [], f"{name} of the standard is refused by its words"
    assert set(model["EventType"]["enum"]) == words.EVENTS
    assert set(model["TalqUnitEnum"]["enum"]) == words.UNITS
    assert set(model["VendorAttributeDesc"]["allOf"][1]["properties"]["type"]["enum"]) == words.ATTRIBUTES
    assert set(words.LAMP_EVENTS) <= words.EVENTS


@published.there
def test_what_is_called_mandatory_is_what_the_lighting_profile_marks() -> None:
    model = published.model()
    for name, attributes in announced.MANDATORY.items():
        parts = model[name]["allOf"][1]["properties"]
        marked = {
            a
            for a, part in parts.items()
            if part.get("allOf")
            and published.profile(part["allOf"][1]).get("gw") == "M"
            and part["allOf"][1].get("x-talq-scope") != "event"
            and "x-talq-deprecated-by" not in part["allOf"][1]
        }
        assert marked <= set(attributes), f"{name}: {marked - set(attributes)} is mandatory too"
        assert set(attributes) - marked <= {"communicationFailure", "lampFailure"}
