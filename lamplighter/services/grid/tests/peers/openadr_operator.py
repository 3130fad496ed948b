# SPDX-License-Identifier: Apache-2.0
"""A network operator's OpenADR 2.0b server (VTN) by openleadr: `python openadr_operator.py PORT VEN_NAME`.

Lines of JSON come in: {"add": id, "targets": [...], "intervals": [[from now in s, length in s, value], ...], ...} or
{"cancel": id}. Lines of JSON go out: {"what": "registered"} and {"what": "opt", "event": id, "opt": "optIn"}.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from openleadr import OpenADRServer, objects  # pyright: ignore[reportMissingTypeStubs] - it ships none

VEN = "ven-7"


def say(what: str, **more: Any) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps({"what": what, **more}) + "\n")
    sys.stdout.flush()


def event_of(order: dict[str, Any]) -> Any:
    """Return an event as openleadr takes it."""
    begin = datetime.now(UTC).replace(microsecond=0)
    intervals = [
        objects.Interval(begin + timedelta(seconds=after), timedelta(seconds=length), value)
        for after, length, value in order["intervals"]
    ]
    item: Any = None
    if order.get("unit", "k"):
        item = objects.Measurement(
            "powerReal", "RealPower", "W", scale=order.get("unit", "k"), power_attributes=objects.PowerAttributes(50, 400, True)
        )
    signal = objects.EventSignal(
        intervals=intervals, signal_name=order.get("name", "LOAD_DISPATCH"), signal_type=order.get("type", "setpoint"),
        signal_id="s1", measurement=item,
    )  # fmt: skip
    return objects.Event(
        event_descriptor=objects.EventDescriptor(
            event_id=order["add"], modification_number=0, market_context="http://operator.example/limits", event_status="far"
        ),
        event_signals=[signal],
        targets=[objects.Target(**target) for target in order["targets"]],
        response_required="always",
    )


async def main() -> None:
    """Serve until standard input ends."""
    port, name = int(sys.argv[1]), sys.argv[2]
    server: Any = OpenADRServer(vtn_id="operator", http_port=port, requested_poll_freq=timedelta(seconds=1))

    async def registered(registration_info: dict[str, Any]) -> Any:
        if registration_info["ven_name"] != name:
            return False
        say("registered")
        return VEN, "registration-1"

    async def opted(ven_id: str, event_id: str, opt_type: str) -> None:
        say("opt", event=event_id, opt=opt_type)

    server.add_handler("on_create_party_registration", registered)
    await server.run_async()
    say("listening")
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        if "cancel" in order:
            server.cancel_event(VEN, order["cancel"])
        else:
            server.add_raw_event(VEN, event_of(order), callback=opted)


if __name__ == "__main__":
    asyncio.run(main())
