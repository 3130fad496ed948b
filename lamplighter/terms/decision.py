# SPDX-License-Identifier: Apache-2.0
"""What is proposed, what is permitted, what is refused: one table per kind of action."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

HAND_BACK = "hand_back"  # every box accepts it and no check may refuse it: the box returns to its local programme


@dataclass(frozen=True)
class ActionColumn:
    """One column of an action, bounded in its unit (the ending of its name)."""

    name: str
    low: float
    high: float
    doc: str


@dataclass(frozen=True)
class Action:
    """What may be asked of one kind of asset, for how long, and how often it may be changed.

    by: who may ask for it; what is an operator's alone to ask, no decider asks.
    """

    name: str
    of: str
    columns: tuple[ActionColumn, ...]
    lease_max_s: float
    change_min_s: float
    doc: str
    by: Literal["decider", "operator"] = "decider"


@dataclass(frozen=True)
class Cites:
    """Which values a proposal rests on, ragged: row i cites entries offsets[i] to offsets[i+1].

    offsets (n+1,); asset (m,) positions in the city's assets; quantity (m,) positions in the vocabulary.
    """

    offsets: IntArray
    asset: IntArray
    quantity: IntArray


@dataclass(frozen=True)
class Proposals:
    """What a decider (or an operator) wishes, columns of length n, all of one action.

    asset (n,) positions in the city's assets; values: action columns (n,); because (n,) codes into the
    service's `reasons`; arm: "adaptive", "baseline" or "operator".
    """

    action: str
    asset: IntArray
    values: Mapping[str, FloatArray]
    because: IntArray
    cites: Cites
    arm: str
    issued_s: float
    lease_s: float

    def __len__(self) -> int:
        return len(self.asset)


@dataclass(frozen=True)
class Permits:
    """Rows of `proposals` that may be sent. Made only by `safety.py`; at expiry the box is on its own programme."""

    proposals: Proposals
    row: IntArray
    checked: int
    expires_s: float

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True)
class Refusals:
    """Every failed check of every refused row: (m,) columns. `rule` holds positions in `rules`."""

    action: str
    asset: IntArray
    row: IntArray
    rule: IntArray
    observed: FloatArray
    limit: FloatArray
    rules: tuple["Rule", ...]

    def __len__(self) -> int:
        return len(self.asset)


@dataclass(frozen=True)
class Rule:
    """The name, unit and clause under which a refusal is reported."""

    name: str
    unit: str
    clause: str
    doc: str


@dataclass(frozen=True)
class InForce:
    """What is permitted and unexpired now for one action, dense over the service's own assets (k,).

    values are meaningful where `active`; since_s and expires_s are city time in seconds.
    """

    active: BoolArray
    values: Mapping[str, FloatArray]
    since_s: FloatArray
    expires_s: FloatArray


@dataclass(frozen=True)
class Findings:
    """What one interlock found.

    Row checks: arrays of length n, one per proposal row. Set checks: `group` (n,) numbers the set each row
    belongs to, and ok, observed and limit are per set. A set that fails is refused whole.
    """

    ok: BoolArray
    observed: FloatArray
    limit: FloatArray
    group: IntArray | None = None


def no_cites(rows: int) -> Cites:
    """Return citations for rows that rest on no measurement (an operator's wish, handing back)."""
    empty = np.zeros(0, dtype=np.int64)
    return Cites(np.zeros(rows + 1, dtype=np.int64), empty, empty)


def nothing(action: str, now_s: float, arm: str = "adaptive") -> Proposals:
    """Return an empty table of proposals: doing nothing is always allowed."""
    empty = np.zeros(0, dtype=np.int64)
    return Proposals(action, empty, {}, empty, no_cites(0), arm, now_s, 0.0)
