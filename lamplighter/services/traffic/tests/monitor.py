# SPDX-License-Identifier: Apache-2.0
"""An independent eye on signals: counts what must never be seen, from what was shown second by second alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

GREEN = "Gg"


@dataclass
class Watch:
    """What was seen of one intersection. conflicts: unordered pairs of signals; intergreen_s: ordered pairs."""

    conflicts: Sequence[tuple[int, int]]
    intergreen_s: Mapping[tuple[int, int], float]
    green_min_s: Sequence[float]
    yellow_s: Sequence[float]
    red_amber_s: Sequence[float]
    faults: list[str] = field(default_factory=list)
    greens: int = 0
    _second: int = 0
    _before: str = ""
    _green_since: dict[int, int] = field(default_factory=dict)
    _green_ended: dict[int, int] = field(default_factory=dict)
    _since: dict[int, int] = field(default_factory=dict)

    def see(self, shown: str) -> None:
        """Note one second: one letter per signal (G, g, y, u, r)."""
        now = self._second
        for a, b in self.conflicts:
            if shown[a] in GREEN and shown[b] in GREEN:
                self.faults.append(f"second {now}: {a} and {b} green together")
        for n, letter in enumerate(shown):
            was = self._before[n] if self._before else letter
            if letter in GREEN and was not in GREEN:
                self._starts(n, was, now)
            if letter not in GREEN and was in GREEN:
                self._ends(n, letter, now)
            if was == "y" and letter != "y" and now - self._since.get(n, now) < self.yellow_s[n]:
                self.faults.append(f"second {now}: yellow of {n} lasted {now - self._since[n]} s")
            if letter != was:
                self._since[n] = now
        self._before = shown
        self._second += 1

    def _starts(self, n: int, was: str, now: int) -> None:
        self.greens += 1
        self._green_since[n] = now
        for (f, g), needed_s in self.intergreen_s.items():
            if g == n and f in self._green_ended and now - self._green_ended[f] < needed_s:
                self.faults.append(f"second {now}: {f} to {g} after {now - self._green_ended[f]} s, needs {needed_s}")
        if self.red_amber_s[n] > 0 and (was != "u" or now - self._since.get(n, now) < self.red_amber_s[n]):
            self.faults.append(f"second {now}: no whole red-amber before the green of {n}")

    def _ends(self, n: int, letter: str, now: int) -> None:
        self._green_ended[n] = now
        if n in self._green_since and now - self._green_since[n] < self.green_min_s[n]:
            self.faults.append(f"second {now}: green of {n} lasted {now - self._green_since[n]} s")
        if self.yellow_s[n] > 0 and letter != "y":
            self.faults.append(f"second {now}: no yellow after the green of {n}")
