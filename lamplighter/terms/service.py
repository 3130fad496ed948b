# SPDX-License-Identifier: Apache-2.0
"""One frozen value declares a service; the spine knows no service by name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lamplighter.terms.account import Accounting
from lamplighter.terms.asking import Inquiry, Request, Watch
from lamplighter.terms.asset import AssetKind
from lamplighter.terms.city import BuildContext, Built, CityData
from lamplighter.terms.columns import AnyArray
from lamplighter.terms.decision import Action, Findings, Permits, Proposals, Rule
from lamplighter.terms.outcome import Outcome, OutcomeRows
from lamplighter.terms.quantity import Quantity
from lamplighter.terms.reading import Message, Reading
from lamplighter.terms.snapshot import Column, Snapshot
from lamplighter.terms.table import TableSpec

Decider = Callable[[Snapshot, Any, Any], tuple[tuple[Proposals, ...], Any]]


@dataclass(frozen=True)
class Interlock:
    """What must never happen, as one small pure check.

    check(snapshot, proposals, prepared): for a row check, one finding per row of the first table; for a set
    check, `proposals` holds every table of the actions in `actions` that survived the row checks, in that
    order (empty tables included), and groups number over all their rows one table after the other.
    """

    rule: Rule
    actions: tuple[str, ...]
    scope: Literal["row", "set"]
    check: Callable[[Snapshot, tuple[Proposals, ...], Any], Findings]


@dataclass(frozen=True)
class Record:
    """How one quantity enters the record plane: merged over a group of assets, over a window, never finer.

    by: "asset" only for assets that stand for a group already (a cell, a station, an approach), else "street" or
    "area". window_s is at least the privacy gate's floor.
    """

    quantity: str
    by: Literal["asset", "street", "area"]
    window_s: int
    combine: Literal["mean", "sum", "max", "min"]


@dataclass(frozen=True)
class Layer:
    """How the map shows one kind of asset: shape, the quantity that colours it, and the colour ramp's ends."""

    name: str
    of: str
    geometry: Literal["point", "street", "line"]
    quantity: str
    low: float
    high: float
    palette: Literal["sequential", "diverging", "stage"]
    doc: str


@dataclass(frozen=True)
class Belief:
    """One word that a service can say of any asset of the city, worked out from measurements; `low` and `high` bound it."""

    name: str
    unit: str
    low: float
    high: float
    doc: str


@dataclass(frozen=True)
class Synthetic:
    """A made-up city slice for `bench loop`: data, and the frames the field would send each tick.

    frames(now_s) returns canonical frames as bytes, as `decode` would.
    """

    city: CityData
    frames: Callable[[float], bytes]


@dataclass(frozen=True)
class EvaluateSource:
    """Something besides a city that `lamplighter evaluate` can compare: chosen by its option, run by a click command.

    option: such as `--sumo`; command: dotted name `package.module:command` that is handed all arguments.
    """

    option: str
    command: str
    doc: str


@dataclass(frozen=True)
class Service:
    """All that the spine needs to know of a service: its table of contents.

    build(context) -> Built; prepare(city) -> value handed back to every later call (what does not change);
    decode(readings, prepared) -> canonical frames (bytes of FRAME rows); encode(permits, prepared) -> messages;
    start(prepared) -> first state; adaptive(snapshot, state, prepared) -> (proposals, state), pure; baseline the
    same, and it proposes nothing; outcomes(snapshot, state, prepared) -> contributions since the last tick, from
    aggregates only, and its next state (None at first); simulator: dotted name `package.module:function` taking a
    SimulationStart; commands: dotted name of a click group; synthetic(scale, seed) for the bench; explain(snapshot, prepared,
    asset position) -> plain sentences on why the asset does what it does, from aggregates alone.
    """

    name: str
    title: str
    doc: str
    kinds: tuple[AssetKind, ...]
    quantities: tuple[Quantity, ...]
    actions: tuple[Action, ...]
    reasons: tuple[str, ...]
    tables: tuple[TableSpec, ...]
    settings: type
    cadence_s: int
    fresh_s: float
    reads: tuple[str, ...]  # quantities and beliefs of other services that it sees through the twin
    after: tuple[str, ...]  # asset kinds that must be built before its own
    build: Callable[[BuildContext], Built]
    prepare: Callable[[CityData], Any]
    start: Callable[[Any], Any]
    decode: Callable[[Sequence[Reading], Any], bytes]
    encode: Callable[[Permits, Any], Sequence[Message]]
    adaptive: Decider
    baseline: Decider
    interlocks: tuple[Interlock, ...]
    outcome_names: tuple[Outcome, ...]
    outcomes: Callable[[Snapshot, Any, Any], tuple[OutcomeRows, Any]]
    explain: Callable[[Snapshot, Any, int], Sequence[str]]
    simulator: str
    commands: str
    layers: tuple[Layer, ...]
    synthetic: Callable[[float, int], Synthetic]
    describe: Callable[[Proposals, int, Any], str]  # one proposal row in plain words for the decisions list
    record: tuple[Record, ...] = ()  # what the record plane keeps; anything not named is never written
    # What it counts box by box for the record: how often and how long, kept only as finely as enough users allow.
    accounting: Accounting | None = None
    # What else than a city `evaluate` can compare with this service's help.
    sources: tuple[EvaluateSource, ...] = ()
    # Values computed from the snapshot for the map and the explanations alone (an estimated line loading).
    derive: Callable[[Snapshot, Any, Any], Mapping[str, Column]] | None = None
    # What it tells of assets of the whole city, its own and others': columns over all assets, known where it can tell.
    beliefs: tuple[Belief, ...] = ()
    believe: Callable[[Snapshot, Any], Mapping[str, Column]] | None = None
    # Dotted name of what lays out a drill of an outage: `package.module:function` taking a `drill.Wanted`; empty: there is none.
    drill: str = ""
    # Protocols other than its own that its boxes may speak: name in a wiring file to the dotted name of what opens a `Dialect`.
    dialects: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    # What may be asked of a box on the page: by operators, and by anybody of the record; and what operators are shown besides.
    requests: tuple[Request, ...] = ()
    inquiry: Inquiry | None = None
    watch: Watch | None = None
    # box_of(prepared, city position of an asset of this service) -> that of the box that steers it, None where none does.
    box_of: Callable[[Any, int], int | None] | None = None
    # For layers of geometry "line": columns asset (city position), lon1_deg, lat1_deg, lon2_deg, lat2_deg.
    lines: Callable[[Any], Mapping[str, AnyArray]] | None = None

    def quantity(self, name: str) -> Quantity:
        """Return one of the service's quantities by name; KeyError names those there are."""
        known: Mapping[str, Quantity] = {q.name: q for q in self.quantities}
        if name not in known:
            raise KeyError(f"service {self.name} has no quantity {name!r}; it has {', '.join(known)}")
        return known[name]
