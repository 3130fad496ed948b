# SPDX-License-Identifier: Apache-2.0
"""Both sides of TALQ over real HTTP on loopback, in simulated time: a CMS of the small city and a gateway with its lamps."""

import dataclasses
import itertools
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lamplighter.connectors.https import Door, HttpClient, HttpServer, Peer
from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.simulator import LightingField
from lamplighter.services.lighting.talq.box import TalqGateway
from lamplighter.services.lighting.talq.dialect import TalqCms
from lamplighter.terms.city import CityData
from lamplighter.terms.exchange import DialectStart
from lamplighter.terms.simulation import SimulationStart

TOKEN = "a-token-of-sixteen-or-more"


def counted(seed: int):
    number = itertools.count(seed << 64)
    return lambda: str(uuid.UUID(int=next(number) + (4 << 76) + (8 << 60)))


@dataclass
class Pair:
    """A CMS and a gateway that reach each other; time is what the test says."""

    cms: TalqCms
    gateway: TalqGateway
    field: LightingField
    now_s: float
    clients: list[HttpClient] = dataclasses.field(default_factory=list)
    servers: list[HttpServer] = dataclasses.field(default_factory=list)

    def settle(self, most: int = 500) -> None:
        """Let both sides ask what they want to ask now."""
        for _ in range(most):
            asked = 0
            for side, client in zip((self.cms, self.gateway), self.clients, strict=True):
                wanted = side.next_request(self.now_s)
                if wanted is not None:
                    side.answered(client.ask(wanted), self.now_s)
                    asked += 1
            if not asked:
                return
        raise AssertionError("the two sides talk without end")

    def run(self, to_s: float, step_s: float = 10.0) -> None:
        """Let time pass: lamps burn, logs go, commands come."""
        while self.now_s < to_s:
            self.now_s += step_s
            self.settle()
            if self.now_s % 60.0 == 0.0:
                advance = self.field.advance(self.now_s, self.gateway.messages(), {})
                self.gateway.minute(advance.readings, self.now_s)
                self.settle()


@contextmanager
def paired(city: CityData, layout: Layout, begin_s: float, token: str = TOKEN) -> Generator[Pair]:
    """Give a pair that has not spoken yet."""
    field_ = LightingField(SimulationStart(city, 1, begin_s, 0.0))
    clock: list[Pair] = []
    sides: dict[str, Any] = {}
    servers = [
        HttpServer(Door("127.0.0.1", 0, "/talq/", token), lambda asked: sides["cms"].answer(asked, clock[0].now_s)),
        HttpServer(Door("127.0.0.1", 0, "/gw/", token), lambda asked: sides["gateway"].answer(asked, clock[0].now_s)),
    ]
    cms_uri, gateway_uri = f"http://127.0.0.1:{servers[0].port}/talq/", f"http://127.0.0.1:{servers[1].port}/gw/"
    start = DialectStart(city, layout, cms_uri, gateway_uri, {}, b"", counted(1))
    sides["cms"] = cms = TalqCms(start)
    sides["gateway"] = gateway = TalqGateway(layout, city.name, (gateway_uri, cms_uri), counted(2))
    clients = [HttpClient(Peer(gateway_uri, token, timeout_s=60.0)), HttpClient(Peer(cms_uri, token, timeout_s=60.0))]
    pair = Pair(cms, gateway, field_, begin_s, clients, servers)
    clock.append(pair)
    try:
        yield pair
    finally:
        for one in (*clients, *servers):
            one.close()
