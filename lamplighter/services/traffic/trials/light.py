# SPDX-License-Identifier: Apache-2.0
"""The light model of a trial: each signal shows a stage, or the change to another, or follows its own programme.

A box protects itself: no choice shortens a change or a least green. Where nobody answers for the choice it goes back to
its own programme by a change of its own, and from then on shows what that programme shows in the same second; a green of
it that would be too short by then is left out once.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.traffic.trials.rules import Rules
from lamplighter.services.traffic.trials.stages import GOES, change
from lamplighter.services.traffic.trials.survey import Box

AHEAD_S = 30  # no change takes longer
SETTLES_S = 60  # after joining its own programme, what ended before still counts


@dataclass
class Light:
    """One signal while it is decided for. Times are SUMO's seconds."""

    box: Box
    rules: Rules
    begin_s: int
    shown: str = ""
    stage: int = 0
    own: bool = True
    green_since_s: int = 0

    def __post_init__(self) -> None:
        """Begin in step with the own programme."""
        position, into_s = self.box.own.at(self.begin_s)
        stages = self.box.own.stage
        self.stage = next((stage for stage in stages[position:] + stages if stage is not None), 0)
        self.shown = self.box.own.intervals[position][1]
        self.green_since_s = self.begin_s - int(into_s)
        self.own = self._in_step = True
        self._joined_s = self.begin_s - SETTLES_S
        self._joins = False  # the running change leads into the own programme
        self._coming: list[str] = []
        self._leads_to = self.shown
        self._left_out: set[int] = set()  # links whose green in the own programme is left out this once
        self._since_s = np.full(len(self.shown), float(self.begin_s - int(into_s)))

    @property
    def changing(self) -> bool:
        """Say whether a change runs."""
        return bool(self._coming)

    @property
    def left_s(self) -> int:
        """Return the seconds until the stage that is changed to is green."""
        return len(self._coming)

    def choose(self, stage: int, trusted: bool, now_s: int) -> None:
        """Take a choice. It is dropped while a change runs or a least green is not over."""
        if not trusted:
            self.own = True
            return
        if self._in_step and (self.box.own.stage[self.box.own.at(now_s)[0]] is None or set(self.shown) & set("yYu")):
            return  # a change of its own programme ends first
        if self._joins and self._coming:
            return  # a change into its own programme ends first
        self.own = self._in_step = self._joins = False
        self._left_out.clear()
        state = self.box.stages.states[stage]
        if not self._coming and self.shown != self._leads_to:
            return  # the change has just ended
        if self._coming or state == self.shown:
            return
        if self._may_change_to(state, now_s):
            self._change(state, now_s)
            self.stage = stage

    def _may_change_to(self, state: str, now_s: int) -> bool:
        least_s = self.box.times.green_min_s
        return all(
            now_s - since_s >= least_s[n]
            for n, since_s in enumerate(self._since_s)
            if self.shown[n] in GOES and state[n] not in GOES
        )

    def _change(self, state: str, now_s: int) -> None:
        self._coming = list(change(self.shown, state, self.box.times, self.rules, now_s - self._since_s))
        self._leads_to = state
        self.green_since_s = now_s + len(self._coming)

    def step(self, now_s: int) -> str:
        """Return what is shown in the second that begins now."""
        before = self.shown
        if self._coming:
            self.shown = self._coming.pop(0)
        elif self.own:
            self._follow(now_s)
        elif self.shown != self._leads_to:
            self.shown = self._leads_to
        for n, (was, now) in enumerate(zip(before, self.shown, strict=True)):
            if (was in GOES) != (now in GOES):
                self._since_s[n] = now_s
        return self.shown

    def _follow(self, now_s: int) -> None:
        """Show what the own programme shows, or begin the change that ends in a green of it."""
        own = self.box.own
        if self._joins:
            self._in_step, self._joins = True, False  # the change to it is over
            self._joined_s = now_s
        if self._in_step:
            position, into_s = own.at(now_s)
            state = own.intervals[position][1]
            self._left_out = {n for n in self._left_out if state[n] not in "rs"}
            if now_s - self._joined_s < SETTLES_S:
                state = self._cleared(self._without(state, self._left_out), now_s)
            self.shown = self._leads_to = self._without(state, self._left_out)
            stage = own.stage[position]
            if stage is not None:
                self.stage, self.green_since_s = stage, now_s - int(into_s)
            return
        for ahead_s in range(AHEAD_S):
            stage = own.stage[own.at(now_s + ahead_s)[0]]
            if stage is None:
                continue
            state, left_out = self._own_state(now_s, now_s + ahead_s)
            needed = change(self.shown, state, self.box.times, self.rules, now_s - self._since_s)
            if len(needed) == ahead_s and self._may_change_to(state, now_s):
                self._left_out, self.stage = left_out, stage
                self._join(state, now_s)
                return

    def _cleared(self, state: str, now_s: int) -> str:
        """Return a state without greens that what ended before the programme was joined does not let begin yet."""
        ended_s = now_s - self._since_s
        over = np.array([letter not in GOES for letter in self.shown], np.bool_)
        early: set[int] = set()
        for n, letter in enumerate(state):
            if letter in GOES and self.shown[n] not in GOES:
                wait_s = float((self.box.times.intergreen_s[:, n] - ended_s)[over].max(initial=0.0))
                ending = [m for m, other in enumerate(state) if other not in GOES and not over[m]]
                wait_s = max(wait_s, float(self.box.times.intergreen_s[ending, n].max(initial=0.0)))
                if wait_s > 0.0:
                    early.add(n)
                    if self.box.own.green_left_s(n, now_s) - wait_s < self.box.times.green_min_s[n]:
                        self._left_out.add(n)
        return self._without(state, early)

    def _join(self, state: str, now_s: int) -> None:
        """Begin the change into the own programme; where nothing has to change it is over at once."""
        self._change(state, now_s)
        self._joins = True
        if self._coming:
            self.shown = self._coming.pop(0)
        else:
            self._follow(now_s)

    def _own_state(self, now_s: int, then_s: int) -> tuple[str, set[int]]:
        """Return what the own programme shows then, without greens that would be too short, and the links left out."""
        state = self.box.own.intervals[self.box.own.at(then_s)[0]][1]
        least_s = self.box.times.green_min_s
        out: set[int] = set()
        for n, letter in enumerate(state):
            if letter in GOES:
                since_s = self._since_s[n] if self.shown[n] in GOES else then_s
                if then_s - since_s + self.box.own.green_left_s(n, then_s) < least_s[n]:
                    out.add(n)
        return self._without(state, out), out

    @staticmethod
    def _without(state: str, out: set[int]) -> str:
        return "".join("r" if n in out else letter for n, letter in enumerate(state))
