# SPDX-License-Identifier: Apache-2.0
"""The light model of a trial: each signal shows a stage, or the change to another, or follows its own programme.

A box protects itself: no choice shortens a change or a least green. Where nobody answers for the choice it goes back to
its own programme, and joins that where one of its green intervals begins, so that both agree from then on.
"""

from dataclasses import dataclass

from lamplighter.services.traffic.trials.rules import Rules
from lamplighter.services.traffic.trials.stages import GOES
from lamplighter.services.traffic.trials.survey import Box, change


@dataclass
class Light:
    """One signal while it is decided for. Times are SUMO's seconds."""

    box: Box
    rules: Rules
    begin_s: int

    def __post_init__(self) -> None:
        """Begin in step with the own programme."""
        intervals = self.box.signal.intervals
        self._cycle_s = sum(seconds for seconds, _ in intervals)
        position, into_s = self._own_place(self.begin_s)
        self.stage = self._next_stage(position)
        self.shown = intervals[position][1]
        self.green_since_s = self.begin_s - int(into_s)
        self.own = self._in_step = True
        self._coming: list[str] = []
        self._leads_to = self.shown
        self._since_s = [self.begin_s - int(into_s)] * len(self.shown)
        self.held = 0

    def _next_stage(self, position: int) -> int:
        """Return the stage that the own programme shows from an interval on."""
        own = self.box.stages.own_stage
        return next(stage for stage in own[position:] + own if stage is not None)

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
        state = self.box.stages.states[stage]
        if self._in_step and self.shown not in self.box.stages.states:
            return  # a change of its own programme ends first
        self.own = self._in_step = False
        if self._coming or self.shown != self._leads_to or state == self.shown:
            return
        if self._may_change_to(state, now_s):
            self._change(state, now_s)
            self.stage = stage
        else:
            self.held += 1

    def _may_change_to(self, state: str, now_s: int) -> bool:
        least_s = self.box.times.green_min_s
        return all(
            now_s - since_s >= least_s[n]
            for n, since_s in enumerate(self._since_s)
            if self.shown[n] in GOES and state[n] not in GOES
        ) and set(self.shown) <= set("GgrsoO")

    def _change(self, state: str, now_s: int) -> None:
        self._coming = list(change(self.shown, state, self.box.times, self.rules))
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
        """Follow the own programme, or wait until a green of it begins and change to that."""
        position, into_s = self._own_place(now_s)
        seconds, state = self.box.signal.intervals[position]
        if not self._in_step and self.shown != self._leads_to:
            self.shown = self._leads_to
        if self._in_step or (state == self.shown and self._whole(now_s + seconds - into_s)):
            self._in_step, self.shown, self._leads_to = True, state, state
            stage = self.box.stages.own_stage[position]
            if stage is not None:
                self.stage, self.green_since_s = stage, now_s - int(into_s)
            return
        stage = self.box.stages.own_stage[position]
        if stage is None or not self._may_change_to(state, now_s):
            return
        length_s = len(change(self.shown, state, self.box.times, self.rules))
        if seconds - into_s - length_s >= self.box.times.green_min_s.max():
            self._change(state, now_s)
            self.stage = stage
            self.shown = self._coming.pop(0) if self._coming else state

    def _whole(self, until_s: float) -> bool:
        """Say whether every green that is shown has had its least time by then."""
        least_s = self.box.times.green_min_s
        return all(until_s - s >= least_s[n] for n, s in enumerate(self._since_s) if self.shown[n] in GOES)

    def _own_place(self, now_s: int) -> tuple[int, float]:
        """Return which interval of the own programme runs now, and since when."""
        place_s = (now_s - self.box.signal.offset_s) % self._cycle_s
        for position, (seconds, _) in enumerate(self.box.signal.intervals):
            if place_s < seconds:
                return position, place_s
            place_s -= seconds
        return 0, 0.0
