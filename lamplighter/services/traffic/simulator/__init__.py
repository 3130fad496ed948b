# SPDX-License-Identifier: Apache-2.0
"""The field of the signals in software: SUMO's streets under our own signal_controllers."""

from lamplighter.services.traffic.simulator.field import Field
from lamplighter.terms.simulation import SimulationStart, Simulator


def open_simulator(start: SimulationStart) -> Simulator:
    """Open the one run that this process can hold: switch on, warm up under the own programmes, then wait.

    Raises ImportError with the command that installs libsumo, RuntimeError with what SUMO said where it cannot start.
    """
    return Field(start)
