# SPDX-License-Identifier: Apache-2.0
"""What the page may see of a running city: frozen values, made by the engine after every tick."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from lamplighter.terms.asking import Choice, Inquiry, Letter, Request, Watch
from lamplighter.terms.asset import Assets
from lamplighter.terms.city import Place, Streets
from lamplighter.terms.columns import AnyArray, FloatArray, IntArray
from lamplighter.terms.outcome import Outcome
from lamplighter.terms.service import Layer

LineKind = Literal["permit", "refusal", "hand_back", "operator", "fault"]


@dataclass(frozen=True)
class ServiceAbout:
    """What does not change of a service while the city runs. `lines`: for layers of geometry "line", per asset
    position the two ends (k,) as assets or coordinates: columns asset, lon1_deg, lat1_deg, lon2_deg, lat2_deg."""

    name: str
    title: str
    doc: str
    layers: tuple[Layer, ...]
    outcomes: tuple[Outcome, ...]
    lines: Mapping[str, AnyArray]
    requests: tuple[Request, ...] = ()
    inquiry: Inquiry | None = None
    watch: Watch | None = None


@dataclass(frozen=True)
class Scene:
    """What does not change while the city runs."""

    name: str
    title: str
    simulated: bool
    attribution: tuple[str, ...]
    place: Place
    streets: Streets
    assets: Assets
    areas: tuple[str, ...]
    services: tuple[ServiceAbout, ...]
    seed: int
    begin_s: float


@dataclass(frozen=True)
class LayerValues:
    """The latest values of one map layer: asset (k,) positions in the city's assets and value (k,)."""

    layer: str
    asset: IntArray
    value: FloatArray


@dataclass(frozen=True)
class DecisionLine:
    """One decision or refusal in plain words, with the asset it concerns (empty for a whole service)."""

    at_s: float
    service: str
    asset: str
    kind: LineKind
    text: str
    times: int = 1


@dataclass(frozen=True)
class Series:
    """One outcome over time, with lamplighter and without (a shadow run of the same seed). with_ and without are
    (m,) aligned with time_s; without is shorter where the shadow lags. cumulative_*: value since the start."""

    service: str
    outcome: str
    time_s: FloatArray
    adaptive: FloatArray
    baseline_time_s: FloatArray
    baseline: FloatArray
    cumulative_adaptive: float | None
    cumulative_baseline: float | None


@dataclass(frozen=True)
class ServiceState:
    """How one service stands now."""

    name: str
    arm: Literal["adaptive", "baseline"]
    assets: int
    in_force: int
    permits: int
    refusals: int
    admitted: int
    rejected: int
    last_tick_s: float


@dataclass(frozen=True)
class View:
    """The city at one moment. version grows by one with every change."""

    version: int
    now_s: float
    running: bool
    speed: float
    ended: bool
    speed_reached: float
    services: tuple[ServiceState, ...]
    layers: tuple[LayerValues, ...]
    moving: Mapping[str, AnyArray]  # simulated cities only: lon_deg, lat_deg, kind code of moving vehicles, no number
    series: tuple[Series, ...]
    lines: tuple[DecisionLine, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """Why an asset does what it does, in plain sentences, with the values that it rests on."""

    asset: str
    kind: str
    service: str
    street: str
    area: str
    fed_by: str
    sentences: tuple[str, ...]
    values: tuple[tuple[str, float, str, float], ...]  # (quantity, value, unit, age_s)
    box: str = ""  # the asset that steers it, of which operators may ask something; empty where there is none


Reason = Literal["ambulance", "fire", "police", "event", "fault", "works", "exercise"]


@dataclass(frozen=True)
class Asked:
    """What an operator asks of a service: an action (or "hold"), each box with its values, for how long and why."""

    action: str
    boxes: tuple[tuple[str, Mapping[str, float]], ...]
    duration_s: float
    reason: Reason


@dataclass(frozen=True)
class BoxAnswer:
    """What the safety gate says of a wish at one box: it stands, waits, is refused (with the sentence) or has ended."""

    asset: str
    state: str
    text: str


@dataclass(frozen=True)
class Wished:
    """How an operator's wish stands."""

    number: int
    service: str
    action: str
    reason: str
    until_s: float
    ended: bool
    boxes: tuple[BoxAnswer, ...]


@dataclass(frozen=True)
class Box:
    """One box of which something may be asked, by its id, with the name of its street."""

    asset: str
    service: str
    street: str
    area: str


@dataclass(frozen=True)
class Offer:
    """What an operator may ask of one box: an action, what can be chosen there, and for how long."""

    service: str
    asset: str
    action: str
    title: str
    doc: str
    durations_s: tuple[float, ...]
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Found:
    """What stands out at one box over a while that has ended, in a sentence."""

    service: str
    asset: str
    begin_s: float
    end_s: float
    text: str


class Engine(Protocol):
    """What the web may ask of the engine. Every call is safe from another thread and returns at once."""

    def scene(self) -> Scene:
        """Return what does not change."""
        ...

    def view(self) -> View:
        """Return the newest view."""
        ...

    def explain(self, asset_id: str) -> Explanation:
        """Return why the asset does what it does; KeyError where there is no such asset."""
        ...

    def play(self) -> None:
        """Let the city run on."""
        ...

    def pause(self) -> None:
        """Hold the simulated city still; ValueError where the boxes are real."""
        ...

    def set_speed(self, speed: float) -> None:
        """Run at so many times real time; ValueError outside 0.1 to 3600."""
        ...

    def set_arm(self, service: str, arm: Literal["adaptive", "baseline"]) -> None:
        """Choose the arm of a service; KeyError where there is no such service."""
        ...

    def hand_back(self) -> int:
        """Put every service into the baseline arm and every box onto its local programme; return how many boxes."""
        ...

    def ask(self, service: str, asked: Asked) -> int:
        """Put an operator's wish to the safety gate, again and again until it ends; return its number. KeyError where
        there is no such service, ValueError where it cannot be put to the gate at all."""
        ...

    def withdraw(self, number: int) -> None:
        """End a wish; its boxes run their own programmes and deciders may have them again."""
        ...

    def wishes(self) -> tuple[Wished, ...]:
        """Return the wishes that stand and those that ended lately, oldest first."""
        ...

    def boxes(self) -> tuple[Box, ...]:
        """Return the boxes of which operators may ask something."""
        ...

    def offers(self, asset_id: str) -> tuple[Offer, ...]:
        """Return what an operator may ask of the box that an asset hangs on; KeyError where there is no such asset."""
        ...

    def account(self, asset_id: str, at: str, part: str) -> Letter:
        """Return what was at a box at a moment, from the record. It waits for the disk. KeyError where the city has no such
        asset or no account of it, ValueError where the question cannot be understood."""
        ...

    def found(self) -> tuple[Found, ...]:
        """Return what stands out in the running city, for its operators."""
        ...
