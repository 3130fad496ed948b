# SPDX-License-Identifier: Apache-2.0
"""Loaded by the server of processes, nowhere else: importing it finds the services and loads their compiled kernels
once, on a city of a handful of assets, so that no child has to."""

from lamplighter.runtime import loop
from lamplighter.services import discover

EVENING_S = 1_768_321_800.0  # a quarter-hour of a January evening: every decider has something to decide


def warm() -> int:
    """Run every service for two ticks on its smallest made-up city; return how many services there are."""
    for service in discover():
        made = service.synthetic(0.0002, 1)
        run = loop.open_run(service, made.city, True)
        for tick in (0, 1):
            now_s = EVENING_S + tick * service.cadence_s
            loop.tick_frames(run, [run], made.frames(now_s), now_s, 0.0)
    return len(discover())


SERVICES = warm()
