# SPDX-License-Identifier: Apache-2.0
"""What the pages say of TALQ is what the code does: operations, functions, attributes, keys of the wiring file."""

import re
import tomllib
from pathlib import Path

import pytest

from lamplighter.connectors.https import KEYS
from lamplighter.runtime.wiring import read_wiring
from lamplighter.services.lighting import SERVICE
from lamplighter.services.lighting.talq import vocabulary as words
from lamplighter.services.lighting.talq.box import TalqGateway
from lamplighter.services.lighting.talq.catalogue import unsupported
from lamplighter.services.lighting.tests import talq_published as published
from lamplighter.services.lighting.tests.small import Small
from lamplighter.services.lighting.tests.talq_cms import A, cms


def page(name: str) -> str:
    return (published.ROOT / "docs" / name).read_text(encoding="utf-8")


def plain(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


@published.there
@pytest.mark.parametrize("side", ["cms", "gateway"])
def test_every_operation_is_answered_and_every_mandatory_one_is_done(side: str, small: Small) -> None:
    box = TalqGateway(small.layout, "small", ("http://127.0.0.1/", "http://127.0.0.1/"), lambda: A)
    routes = cms().routes if side == "cms" else box.side.routes
    answered = {(route.method, plain(route.path)) for route in routes}
    left = {(route.method, plain(route.path)) for route in unsupported(lambda call: None, "cms" if side == "cms" else "gateway")}
    for path, methods in published.bundled(side)["paths"].items():
        for method, operation in methods.items():
            key = method.upper(), plain(path)
            assert key in answered, f"{key} of the standard is not answered"
            if published.profile(operation).get("cms" if side == "cms" else "gw") == "M":
                assert key not in left, f"{key} is mandatory in the lighting profile"
    assert len(answered) == sum(len(methods) for methods in published.bundled(side)["paths"].values())


def test_the_reference_names_what_is_taken_and_what_is_refused() -> None:
    text = page("reference/talq.md")
    for function, attributes in words.KEPT.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| {function} "))
        assert set(re.findall(r"`(\w+)`", row.split("|")[2])) == attributes
    for function in words.REFUSED:
        assert function in text
    for event in words.LAMP_EVENTS:
        short = event.removeprefix("absoluteL").removeprefix("l").removesuffix("TooHigh").removesuffix("TooLow")
        assert short in text


def test_the_example_of_the_how_to_is_a_wiring_file(tmp_path: Path) -> None:
    text = page("how-to/connect-a-gateway.md")
    block = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert block is not None
    example = "\n".join(line.strip() for line in block.group(1).splitlines())
    assert tomllib.loads(example)["lighting"]["connector"] == "talq"
    (tmp_path / "wiring.toml").write_text(example, encoding="utf-8")
    assert "lighting" in read_wiring(tmp_path / "wiring.toml", (SERVICE,)).services
    assert all(key in text for key in KEYS)
