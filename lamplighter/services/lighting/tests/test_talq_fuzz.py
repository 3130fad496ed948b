# SPDX-License-Identifier: Apache-2.0
"""Both sides under schemathesis, over real HTTP: what the published documents allow and forbid is allowed and forbidden here."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from lamplighter.services.lighting.prepared import prepare
from lamplighter.services.lighting.talq.lamps import LEASE_MAX_S, PERCENT_MIN
from lamplighter.services.lighting.terms import Settings
from lamplighter.services.lighting.tests import talq_published as published
from lamplighter.services.lighting.tests.small import EVENING_S, made
from lamplighter.services.lighting.tests.talq_pair import TOKEN, Pair, paired

pytest.importorskip("schemathesis", reason="schemathesis is not installed (dev extra)")
jsonschema_rs = pytest.importorskip("jsonschema_rs", reason="jsonschema-rs comes with schemathesis (dev extra)")
from schemathesis import GenerationMode, openapi  # noqa: E402
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.core import NotSet  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

pytestmark = published.there
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# Examples of an operation that the lighting profile makes mandatory, and of another.
SHORT, SHORT_WRONG, LONG = {True: 3, False: 1}, {True: 3, False: 0}, {True: 400, False: 60}


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    city = made(Settings())
    with paired(city, prepare(city), EVENING_S) as both:
        both.run(EVENING_S + 180.0)
        yield both


def operations(side: str) -> list[Any]:
    every: Any = openapi.from_dict(published.bundled(side)).get_all_operations()
    return [result.ok() for result in every]


def quick(count: int) -> Callable[[Any], Any]:
    return settings(
        max_examples=count, deadline=None, suppress_health_check=list[Any](HealthCheck), database=None, derandomize=True
    )


class Target:
    """One side as a target: where it is, who asks, and what its schemas say of a body."""

    def __init__(self, pair: Pair, side: str) -> None:
        self.side, self.pair = side, pair
        server = pair.servers[0] if side == "cms" else pair.servers[1]
        self.base = f"http://127.0.0.1:{server.port}/{'talq' if side == 'cms' else 'gw'}"
        self.client = pair.gateway.side.address if side == "cms" else pair.gateway.side.cms
        self.operations = operations(side)

    def schema_of(self, operation: Any) -> Any:
        body = operation.definition.raw.get("requestBody")
        if body is None:
            return None
        schema = body["content"]["application/json"]["schema"]
        whole = {**schema, "components": {"schemas": published.model()}}
        return jsonschema_rs.Draft4Validator(whole, validate_formats=True)

    def send(self, case: Any) -> Any:
        case.query = {**(case.query or {}), "clientAddress": self.client}
        for name in ("offset", "limit"):
            if name in case.query:
                case.query[name] = abs(int(case.query[name])) % 1000
        headers = {"talq-api-version": "2.7.1", "authorization": f"Bearer {TOKEN}"}
        return case.call(base_url=self.base, headers=headers, timeout=20)

    def send_wrong(self, case: Any) -> Any:
        """Send what is wrong somewhere; the parts that are meant to be right are made so that they reach what is behind them."""
        right = {place.value for place, part in case.meta.components.items() if part.mode is GenerationMode.POSITIVE}
        headers = {"authorization": f"Bearer {TOKEN}"}
        if "query" in right:
            case.query = {**(case.query or {}), "clientAddress": self.client}
        if "header" in right:
            headers["talq-api-version"] = "2.7.1"
        return case.call(base_url=self.base, headers=headers, timeout=20)


def fuzz(target: Target, mode: Any, many: dict[bool, int], after: Callable[[Any, Any, Any], None]) -> int:
    """Drive every operation of a side; `after` judges (operation, case, response)."""
    return sum(drive(target, operation, mode, many, after) for operation in target.operations)


def drive(target: Target, operation: Any, mode: Any, many: dict[bool, int], after: Callable[[Any, Any, Any], None]) -> int:
    sent = 0
    mandatory = published.profile(operation.definition.raw).get("cms" if target.side == "cms" else "gw") == "M"
    if not many[mandatory]:
        return 0

    @quick(many[mandatory])
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case: Any) -> None:
        nonlocal sent
        sent += 1
        after(operation, case, target.send(case) if mode is GenerationMode.POSITIVE else target.send_wrong(case))

    one()
    return sent


def judged(target: Target) -> Callable[[Any, Any, Any], None]:
    validators: dict[str, Any] = {}

    def after(operation: Any, case: Any, response: Any) -> None:
        case.validate_response(response, checks=CHECKS)
        if operation.label not in validators:
            validators[operation.label] = target.schema_of(operation)
        validator = validators[operation.label]
        if validator is not None and not isinstance(case.body, (bytes, NotSet)):
            valid = validator.is_valid(case.body)
            assert (response.status_code == 400) == (not valid), (
                f"{operation.label}: {response.status_code}, published schema says {'valid' if valid else 'invalid'}: "
                f"{str(case.body)[:600]} -> {response.text[:300]}"
            )

    return after


@pytest.mark.parametrize("side", ["cms", "gateway"])
def test_what_the_published_schemas_allow_is_answered_as_they_say(pair: Pair, side: str) -> None:
    target = Target(pair, side)
    held = dict(pair.cms.members())
    assert fuzz(target, GenerationMode.POSITIVE, SHORT, judged(target)) > 100
    unharmed(pair, held)


def rejected(operation: Any, case: Any, response: Any) -> None:
    case.validate_response(response, checks=[not_a_server_error, negative_data_rejection, response_schema_conformance])


@pytest.mark.parametrize("side", ["cms", "gateway"])
def test_what_the_published_schemas_forbid_is_refused_and_costs_nothing(pair: Pair, side: str) -> None:
    held = dict(pair.cms.members())
    before = dict(pair.gateway.lamps.overrides)
    assert fuzz(Target(pair, side), GenerationMode.NEGATIVE, SHORT_WRONG, rejected) > 40
    unharmed(pair, held)
    assert pair.gateway.lamps.overrides == before, "nothing that is wrong reaches a lamp"


@pytest.mark.campaign
@pytest.mark.parametrize("side", ["cms", "gateway"])
def test_both_ways_at_length(pair: Pair, side: str) -> None:
    target, held = Target(pair, side), dict(pair.cms.members())
    fuzz(target, GenerationMode.POSITIVE, LONG, judged(target))
    fuzz(target, GenerationMode.NEGATIVE, LONG, rejected)
    unharmed(pair, held)


def unharmed(pair: Pair, held: dict[str, Any]) -> None:
    """What was announced is still there, and what reached a lamp keeps the bounds of a command of our own."""
    now = pair.cms.members()
    assert all(now.get(address) == member for address, member in held.items())
    for override in pair.gateway.lamps.overrides.values():
        assert PERCENT_MIN <= override.percent <= 100
        assert override.expires_s <= pair.now_s + LEASE_MAX_S + 5.0
