# SPDX-License-Identifier: Apache-2.0
"""Which streets lead to a stop line without another signal between, and how far they are from it."""

import heapq
from collections.abc import Collection

from lamplighter.terms.city import Streets

NEAR_M = 250.0  # further upstream nothing is seen, and nothing that is sent arrives as it was sent
SPEED_M_S = 13.9  # where a street is not in the city's table (tracks, say)
SLOWEST_M_S = 2.0


class Ways:
    """The streets of a city for vehicles, by id."""

    def __init__(self, streets: Streets, stopping: Collection[str]) -> None:
        """stopping: streets that end at a signal; nobody is followed upstream of another one of them."""
        self._stopping = frozenset(stopping)
        self._speed_m_s: dict[str, float] = {}
        self._length_m: dict[str, float] = {}
        self._from: dict[str, str] = {}
        self._into: dict[str, list[str]] = {}
        self._before: dict[str, dict[str, float]] = {}
        kinds = streets.kind.tolist()
        columns = (streets.id, streets.from_node, streets.to_node, streets.length_m, streets.speed_m_s)
        for kind, street, begin, end, length_m, speed_m_s in zip(kinds, *(c.tolist() for c in columns), strict=True):
            if kind in ("motor", "cycle"):
                self._speed_m_s[street], self._length_m[street], self._from[street] = speed_m_s, length_m, begin
                self._into.setdefault(end, []).append(street)

    def speed_m_s(self, street: str) -> float:
        """Return the speed driven on a street."""
        return max(self._speed_m_s.get(street, SPEED_M_S), SLOWEST_M_S)

    def length_m(self, street: str, absent: float) -> float:
        """Return the length of a street, or what holds where the city's table has none."""
        return self._length_m.get(street, absent)

    def between_m(self, street: str, head: str) -> float | None:
        """Return the way from the end of a street to the beginning of another one that it leads to; None where it does not.
        A street that is not in the city's table is taken to lead there directly."""
        if street not in self._length_m or head not in self._length_m:
            return 0.0
        if head not in self._before:
            self._before[head] = self._upstream(head)
        return self._before[head].get(street)

    def leading_to(self, heads: Collection[str]) -> dict[str, list[tuple[float, str]]]:
        """Return, by street, which of some streets it leads to, and the way between them."""
        found: dict[str, list[tuple[float, str]]] = {}
        for head in heads:
            if head in self._length_m:
                self.between_m(head, head)
                for street, between_m in self._before[head].items():
                    found.setdefault(street, []).append((between_m, head))
        return found

    def _upstream(self, head: str) -> dict[str, float]:
        """Return, for each street that leads to another one, how far its end is from the beginning of that one."""
        found: dict[str, float] = {}
        heap = [(0.0, street) for street in self._into.get(self._from[head], ())]
        while heap:
            far_m, street = heapq.heappop(heap)
            if far_m > NEAR_M or street in found or street == head or street in self._stopping:
                continue
            found[street] = far_m
            beyond_m = far_m + self._length_m[street]
            for other in self._into.get(self._from[street], ()):
                heapq.heappush(heap, (beyond_m, other))
        return found
