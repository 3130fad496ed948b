# SPDX-License-Identifier: Apache-2.0
"""The field in software: what a service's simulator offers. It is a peer of a real connector."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from lamplighter.terms.city import CityData
from lamplighter.terms.columns import AnyArray
from lamplighter.terms.outcome import OutcomeRows
from lamplighter.terms.reading import Message, Reading

T = TypeVar("T")

# Named arrays that simulated fields exchange because physics joins them, e.g. "p_kw" over all assets of the city
# (lamp cabinets and signals draw power from the simulated grid). Keys and shapes: docs/reference/simulation.md.
World = Mapping[str, AnyArray]


@dataclass(frozen=True)
class SimulationStart:
    """One run: city, seed, first second of city time (POSIX) and the warm-up before it that is not counted.

    scale names how much of the demand is used (1.0 = all). No simulator is told which arm it runs under.
    """

    city: CityData
    seed: int
    begin_s: float
    warm_up_s: float
    scale: float = 1.0


@dataclass(frozen=True)
class Advance:
    """What happened until the requested second: readings as the boxes sent them, and the world's arrays.

    truth: contributions to the true outcomes, reduced to sums and quantiles inside the simulator.
    """

    readings: Sequence[Reading]
    exports: World
    truth: OutcomeRows


@dataclass(frozen=True)
class Simulated(Generic[T]):
    """A value that exists for simulated cities alone: per-asset views, event logs, full replay."""

    value: T


class Simulator(Protocol):
    """A simulated field. It lives in a process of its own and obeys messages as the real boxes would."""

    def advance(self, to_s: float, messages: Sequence[Message], world: World) -> Advance:
        """Run the field up to `to_s` (city time, POSIX seconds) after delivering the messages."""
        ...

    def scene(self) -> Simulated[Mapping[str, AnyArray]]:
        """Return small arrays for the map of a simulated city (moving vehicles have no number, only a place)."""
        ...

    def inject(self, fault: str, arguments: Mapping[str, Any]) -> str:
        """Break something on purpose (a silent detector, a stuck one) and say in a sentence what was broken."""
        ...

    def close(self) -> None:
        """Stop the engine and free what it holds."""
        ...
