# SPDX-License-Identifier: Apache-2.0
"""What people may ask of a service: an operator for an act of a box, anybody for an account of what was, and what stands out.

A service declares what can be asked; the page offers it and names no service. Functions that read or remember much are
dotted names `package.module:function`, loaded where they are first needed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lamplighter.terms.snapshot import Snapshot


@dataclass(frozen=True)
class Choice:
    """One thing that can be asked of one box: the action's columns, and what they mean to the person who chooses."""

    words: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Request:
    """What an operator may ask of a box by the page. It goes through the safety gate like any proposal, until it ends.

    action: one of the service's actions for operators; choices(prepared, city position of the box) -> what may be chosen there;
    durations_s: how long may be offered, the first is proposed.
    """

    action: str
    title: str
    doc: str
    choices: Callable[[Any, int], Sequence[Choice]]
    durations_s: tuple[float, ...]


@dataclass(frozen=True)
class Question:
    """A question about one box and one moment, as it was typed: `17:42` means the last day on record. part: whose account is
    wanted, in the words of `Letter.parts`; empty for all."""

    asset: int
    at: str
    part: str


@dataclass(frozen=True)
class Letter:
    """The answer to a question: a paragraph that can be sent, its verdict in a word, and the parts that can be asked for."""

    paragraph: str
    verdict: str
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Inquiry:
    """A question that anybody may put about a box, answered from the record plane alone.

    answer: dotted name of a function (reader of the record, city, prepared, Question) -> Letter; ValueError says what cannot
    be understood. The reader is `history.reading.Reader`.
    """

    title: str
    doc: str
    answer: str


@dataclass(frozen=True)
class Finding:
    """What stands out at one box: asset (city position), from when to when it was watched, and a sentence."""

    asset: int
    begin_s: float
    end_s: float
    text: str


class Watcher(Protocol):
    """Follows a running city in memory and says what stands out. It keeps nothing that a tick showed but sums."""

    def follow(self, snapshot: Snapshot) -> None:
        """Take in one more tick."""
        ...

    def found(self) -> tuple[Finding, ...]:
        """Return what stood out in the last whole while, most pressing first."""
        ...


@dataclass(frozen=True)
class Watch:
    """What operators are shown of a running city besides what is decided. open: dotted name of (city, prepared) -> Watcher."""

    title: str
    doc: str
    open: str
