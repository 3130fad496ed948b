# SPDX-License-Identifier: Apache-2.0
"""The CMS side without a socket, and documents that a gateway sends to it."""

import json
import uuid
from typing import Any

from lamplighter.services.lighting.talq import protocol
from lamplighter.services.lighting.talq import vocabulary as words
from lamplighter.services.lighting.talq.cms import Announcements
from lamplighter.services.lighting.talq.intake import Log
from lamplighter.services.lighting.tests.small import EVENING_S
from lamplighter.terms.exchange import Answered, Asked

A, B = str(uuid.UUID(int=1 << 100)), str(uuid.UUID(int=2 << 100))
HEADERS = {"talq-api-version": "2.7.1", "content-type": "application/json"}


class Cms(Announcements):
    """The CMS side, and what it has heard."""

    def __init__(self) -> None:
        self.taken: list[Log] = []
        super().__init__(A, "https://gw.example/", lambda: B, self.taken.append)


def cms() -> Cms:
    return Cms()


def ask(side: Announcements, method: str, path: str, document: Any, client: str = B, **headers: str) -> Answered:
    query = f"clientAddress={client}&talqRequestId={A}"
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return protocol.answer(Asked(method, path, query, {**HEADERS, **headers}, body), side.routes, EVENING_S)


def gateway(uri: str = "https://gw.example/") -> dict[str, Any]:
    function = {"id": "g", "type": "GatewayFunction", "gatewayUri": {"type": "AttributeUri", "value": uri}}
    return {"address": words.NOBODY, "name": "gw", "class": "gw", "functions": [function]}


LAMPS = {"name": "lamp", "functions": [{"functionId": "a", "type": "LampActuatorFunction"}]}
SERVICES = [{"name": name} for name in ("ConfigurationService", "ControlService", "DataCollectService")]


def bootstrapped() -> Cms:
    side = cms()
    assert ask(side, "POST", "/devices", [gateway()], words.NOBODY).status == 201
    own = {"name": "gw", "functions": [{"functionId": "g", "type": "GatewayFunction"}]}
    assert ask(side, "POST", "/device-classes", [own]).status == 201
    assert ask(side, "PATCH", f"/devices/{B}", {**gateway(), "address": B}).status == 200
    assert ask(side, "POST", "/services", SERVICES).status == 201
    assert ask(side, "POST", "/device-classes", [LAMPS]).status == 201
    return side


def lamp(number: int, **more: Any) -> dict[str, Any]:
    function = {"id": "a", "type": "LampActuatorFunction", **more}
    return {"address": str(uuid.UUID(int=number)), "name": f"lamp-{number}", "class": "lamp", "functions": [function]}


def kept(side: Announcements) -> dict[str, Any]:
    assert side.held is not None
    return dict(side.held.members)
