# SPDX-License-Identifier: Apache-2.0
"""What operators ask for: wishes with an end. Each goes through the safety gate like any proposal, second by second.

A wish holds its boxes: while it stands, no decider's proposal reaches them. What it asks for is proposed as an operator's,
with a short lease that is renewed until the wish ends; what the gate refuses now (a minimum green that is not over, say)
is asked again at the next tick. When it ends, its boxes are handed back, and deciders may have them again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lamplighter import safety
from lamplighter.runtime.view import Asked, BoxAnswer, Reason, Wished
from lamplighter.terms.asset import Assets
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray, TextArray
from lamplighter.terms.decision import HAND_BACK, Permits, Proposals, Refusals, no_cites
from lamplighter.terms.service import Service
from lamplighter.terms.snapshot import Snapshot

HOLD = "hold"  # asks for nothing: the boxes run their own programmes, and no decider reaches them
LEASE_S = 15.0
SECONDS_MAX = 900.0
BOXES_MAX = 100
KEPT = 50  # wishes that have ended and can still be asked after
WAITING, STANDS, REFUSED, ENDED = "waiting", "stands", "refused", "ended"
ASKED_FOR = "an operator asked for it"


class WishError(ValueError):
    """A wish that cannot be put to the gate at all; the message says what is wrong and what is allowed."""


@dataclass
class Wish:
    """One wish: action, city positions of its boxes (n,) in order, action columns (n,), end, and what the gate says of each."""

    number: int
    action: str
    reason: Reason
    asset: IntArray
    values: Mapping[str, FloatArray]
    until_s: float
    begun: bool = False
    ended: bool = False
    said: dict[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])  # state, and the rule that refuses
    text: dict[int, str] = field(default_factory=dict[int, str])


@dataclass
class Desk:
    """The wishes of one service."""

    wishes: list[Wish] = field(default_factory=list[Wish])
    news: set[int] = field(default_factory=set[int])  # boxes of which the gate said something else than the second before

    def standing(self) -> list[Wish]:
        """Return the wishes that have not ended."""
        return [wish for wish in self.wishes if not wish.ended]

    def holds(self, size: int, start: int) -> BoolArray:
        """Return the assets (size,) of the service's run on which an operator's wish stands."""
        held = np.zeros(size, np.bool_)
        for wish in self.standing():
            held[wish.asset - start] = True
        return held

    def take(self, wish: Wish) -> None:
        """Take up a wish. It replaces older ones on the same boxes."""
        for other in self.standing():
            kept = ~np.isin(other.asset, wish.asset)
            other.values = {name: column[kept] for name, column in other.values.items()}
            other.asset = other.asset[kept]
            other.ended = not len(other.asset)
        self.wishes = [*self.wishes, wish][-KEPT:]

    def drop(self) -> None:
        """End every wish, as handing everything back does."""
        for wish in self.wishes:
            wish.ended = True

    def proposals(self, service: Service, snapshot: Snapshot) -> tuple[Proposals, ...]:
        """Return what is to be put to the gate now: ends first, then one table for each action asked for."""
        back: list[IntArray] = []
        tables: dict[str, list[tuple[IntArray, Mapping[str, FloatArray]]]] = {}
        for wish in self.standing():
            if snapshot.now_s >= wish.until_s:
                wish.ended = True
            if wish.ended or (wish.action == HOLD and not wish.begun):
                back.append(wish.asset)
            wish.begun = True
            if not wish.ended and wish.action != HOLD:
                rows = _due(snapshot, wish)
                tables.setdefault(wish.action, []).append((wish.asset[rows], {n: c[rows] for n, c in wish.values.items()}))
        made = [_table(service, snapshot, action, parts) for action, parts in tables.items()]
        asset = np.unique(np.concatenate(back)) if back else np.zeros(0, np.int64)
        return ((_back(asset, snapshot.now_s),) if len(asset) else ()) + tuple(table for table in made if len(table))

    def hear(self, service: str, names: TextArray, verdict: safety.Verdict) -> None:
        """Note what the gate said of the boxes of standing wishes, and of which it is news."""
        before = {(wish.number, asset): said for wish in self.standing() for asset, said in wish.said.items()}
        for permit in verdict.permits:
            if permit.proposals.arm == "operator" and permit.proposals.action != HAND_BACK:
                self._permitted(permit)
        for refusals in verdict.refusals:
            self._refused(service, names, refusals)
        self.news = {
            asset for wish in self.standing() for asset, said in wish.said.items() if before.get((wish.number, asset)) != said
        }

    def _permitted(self, permit: Permits) -> None:
        for asset in permit.proposals.asset[permit.row].tolist():
            for wish in self.standing():
                if wish.action == permit.proposals.action and asset in wish.asset:
                    wish.said[asset], wish.text[asset] = (STANDS, ""), ""

    def _refused(self, service: str, names: TextArray, refusals: Refusals) -> None:
        for row, asset in enumerate(refusals.asset.tolist()):
            for wish in self.standing():
                if wish.action == refusals.action and asset in wish.asset:
                    wish.said[asset] = (REFUSED, refusals.rules[int(refusals.rule[row])].name)
                    wish.text[asset] = safety.explain_refusal(refusals, row, service, str(names[asset]))


def _due(snapshot: Snapshot, wish: Wish) -> IntArray:
    """Return the rows whose lease is not in force, or half over."""
    entry, local = snapshot.in_force[wish.action], wish.asset - snapshot.span.start
    same = entry.active[local]
    for name, column in wish.values.items():
        same = same & (entry.values[name][local] == column)
    return np.flatnonzero(~same | (entry.expires_s[local] - snapshot.now_s <= LEASE_S / 2))


def _back(asset: IntArray, now_s: float) -> Proposals:
    return Proposals(HAND_BACK, asset, {}, np.zeros(len(asset), np.int64), no_cites(len(asset)), "operator", now_s, 0.0)


def _table(
    service: Service, snapshot: Snapshot, action: str, parts: Sequence[tuple[IntArray, Mapping[str, FloatArray]]]
) -> Proposals:
    asset = np.concatenate([part for part, _ in parts])
    order = np.argsort(asset, kind="stable")
    values = {name: np.concatenate([columns[name] for _, columns in parts])[order] for name in parts[0][1]}
    code = service.reasons.index(ASKED_FOR) if ASKED_FOR in service.reasons else 0
    lease_s = min(LEASE_S, next(one.lease_max_s for one in service.actions if one.name == action))
    because = np.full(len(asset), code, np.int64)
    return Proposals(action, asset[order], values, because, no_cites(len(asset)), "operator", snapshot.now_s, lease_s)


def read_wish(service: Service, assets: Assets, asked: Asked, number: int, now_s: float) -> Wish:
    """Return a wish of what was asked; WishError says what cannot be put to the gate."""
    actions = {action.name: action for action in service.actions if action.by == "operator"}
    if asked.action != HOLD and asked.action not in actions:
        raise WishError(f"{service.name} has no action {asked.action!r} for operators; there are {', '.join([HOLD, *actions])}")
    if not 1.0 <= asked.duration_s <= SECONDS_MAX:
        raise WishError(f"{asked.duration_s:g} s is outside 1 to {SECONDS_MAX:g} s")
    if not 1 <= len(asked.boxes) <= BOXES_MAX or len({name for name, _ in asked.boxes}) < len(asked.boxes):
        raise WishError(f"{len(asked.boxes)} boxes were named; allowed are 1 to {BOXES_MAX}, each once")
    kinds = {one.of for one in service.actions if asked.action in (HOLD, one.name)}
    place = {str(name): position for position, name in enumerate(assets.id) if assets.kind[position] in kinds}
    if strangers := [name for name, _ in asked.boxes if name not in place]:
        raise WishError(f"{strangers[0]!r} is no {' or '.join(sorted(kinds))} of this city")
    columns = () if asked.action == HOLD else actions[asked.action].columns
    if wrong := next((name for name, values in asked.boxes if set(values) != {c.name for c in columns}), None):
        raise WishError(f"{wrong}: give {', '.join(c.name for c in columns) or 'no value'}")
    rows = sorted((place[name], values) for name, values in asked.boxes)
    made = {column.name: np.array([values[column.name] for _, values in rows], np.float64) for column in columns}
    asset = np.array([position for position, _ in rows], np.int64)
    return Wish(number, asked.action, asked.reason, asset, made, now_s + asked.duration_s)


def wished(service: str, ids: TextArray, wish: Wish) -> Wished:
    """Return how a wish stands, for the operators' room. ids: the city's assets in order."""
    usual = (STANDS, "") if wish.action == HOLD else (WAITING, "")
    answers: list[BoxAnswer] = []
    for asset in wish.asset.tolist():
        state = ENDED if wish.ended else wish.said.get(asset, usual)[0]
        answers.append(BoxAnswer(str(ids[asset]), state, "" if wish.ended else wish.text.get(asset, "")))
    return Wished(wish.number, service, wish.action, wish.reason, wish.until_s, wish.ended, tuple(answers))


def without_operators(tables: Sequence[Proposals]) -> tuple[tuple[Proposals, ...], bool]:
    """Return a decider's tables without those that it passes off as an operator's, and whether there were any."""
    kept = tuple(table for table in tables if table.arm != "operator")
    return kept, len(kept) < len(tables)
