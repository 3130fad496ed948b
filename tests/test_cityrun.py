# SPDX-License-Identifier: Apache-2.0
"""A city run that cannot begin leaves nothing behind."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from lamplighter.runtime.cityrun import CityRun, RunPlan
from lamplighter.runtime.wiring import Field, simulated
from lamplighter.terms.service import Service
from lamplighter.terms.simulation import SimulationStart
from tests.spine import CITY, NOW_S
from tests.water import SERVICE

PLAN = RunPlan(1, NOW_S, 0.0, {"water": "adaptive", "wind": "adaptive"})


def test_a_field_that_opened_is_closed_where_a_later_one_does_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Field] = []
    closed: list[Field] = []

    def opening(service: Service, start: SimulationStart) -> Field:
        if service.name == "wind":
            raise RuntimeError("no wind here")
        field = simulated(service, start)
        close = field.close
        monkeypatch.setattr(field, "close", lambda: (closed.append(field), close()))
        opened.append(field)
        return field

    services: Sequence[Service] = (SERVICE, replace(SERVICE, name="wind"))
    with pytest.raises(RuntimeError, match="no wind here"):
        CityRun(services, {"water": CITY, "wind": CITY}, PLAN, opening)
    assert closed == opened
    assert len(opened) == 1


def test_fields_are_closed_where_a_service_cannot_be_prepared() -> None:
    closed: list[str] = []

    class Opened:
        lock_step = True

        def close(self) -> None:
            closed.append("closed")

    def failing(_: object) -> object:
        raise ValueError("a table does not fit")

    broken = replace(SERVICE, prepare=failing)
    with pytest.raises(ValueError, match="does not fit"):
        CityRun((broken,), {"water": CITY}, PLAN, lambda service, start: Opened())  # type: ignore[arg-type, return-value]
    assert closed == ["closed"]
