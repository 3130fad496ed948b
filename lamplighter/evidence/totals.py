# SPDX-License-Identifier: Apache-2.0
"""Outcomes added up over time and area, by the rule that each outcome declares."""

from collections.abc import Mapping

import numpy as np

from lamplighter.terms.columns import AnyArray, BoolArray, FloatArray
from lamplighter.terms.outcome import Outcome, OutcomeRows


class OutcomeTotals:
    """The outcomes of one service, one arm and one seed, accumulated per area.

    outcomes: (k,) declarations; areas: (m,) names. Adding is vectorised over rows; two totals over the same
    outcomes and areas can be merged. What was never reported stays absent: it is left out, never zero or NaN.
    """

    def __init__(self, outcomes: tuple[Outcome, ...], areas: tuple[str, ...]) -> None:
        shape = (len(outcomes), len(areas))
        self.outcomes = outcomes
        self.areas = areas
        self._rows = np.zeros(shape, dtype=np.int64)
        self._sum: FloatArray = np.zeros(shape)
        self._weighted: FloatArray = np.zeros(shape)
        self._weight: FloatArray = np.zeros(shape)
        self._low: FloatArray = np.full(shape, np.inf)
        self._high: FloatArray = np.full(shape, -np.inf)

    def add(self, rows: OutcomeRows) -> None:
        """Add contributions (n,). ValueError, with nothing added, names the first row that cannot be counted."""
        self._check(rows)
        at = (rows.outcome, rows.area)
        np.add.at(self._rows, at, 1)
        np.add.at(self._sum, at, rows.value)
        np.add.at(self._weighted, at, rows.value * rows.weight)
        np.add.at(self._weight, at, rows.weight)
        np.minimum.at(self._low, at, rows.value)
        np.maximum.at(self._high, at, rows.value)

    def merged(self, other: "OutcomeTotals") -> "OutcomeTotals":
        """Return the totals of both; ValueError where they count different outcomes or areas."""
        if self.outcomes != other.outcomes or self.areas != other.areas:
            raise ValueError("two totals can be merged only over the same outcomes and areas, in the same order")
        both = OutcomeTotals(self.outcomes, self.areas)
        both._rows = self._rows + other._rows
        both._sum = self._sum + other._sum
        both._weighted = self._weighted + other._weighted
        both._weight = self._weight + other._weight
        both._low = np.minimum(self._low, other._low)
        both._high = np.maximum(self._high, other._high)
        return both

    def totals(self) -> dict[str, float]:
        """Return each reported outcome over all areas, by name."""
        return {
            outcome.name: value
            for index, outcome in enumerate(self.outcomes)
            if (value := self._combined(index, np.ones(len(self.areas), dtype=np.bool_))) is not None
        }

    def per_area(self) -> dict[str, dict[str, float]]:
        """Return each reported outcome by area, then by name; areas that reported nothing are left out."""
        result: dict[str, dict[str, float]] = {}
        for position, area in enumerate(self.areas):
            where = np.arange(len(self.areas)) == position
            found = {o.name: v for i, o in enumerate(self.outcomes) if (v := self._combined(i, where)) is not None}
            if found:
                result[area] = found
        return result

    def columns(self) -> Mapping[str, AnyArray]:
        """Return what was reported as columns outcome, area (texts), value, weight, for the record."""
        index, area = np.nonzero(self._reported())
        picked = [self._combined(int(i), np.arange(len(self.areas)) == a) for i, a in zip(index, area, strict=True)]
        mean = np.array([outcome.combine == "mean" for outcome in self.outcomes], dtype=np.bool_)
        weight = np.where(mean[index], self._weight[index, area], 1.0) if len(index) else np.zeros(0)
        return {
            "outcome": np.array([self.outcomes[i].name for i in index], dtype=np.str_),
            "area": np.array([self.areas[a] for a in area], dtype=np.str_),
            "value": np.array(picked, dtype=np.float64),
            "weight": weight,
        }

    def _reported(self) -> BoolArray:
        weighed = np.array([outcome.combine == "mean" for outcome in self.outcomes], dtype=np.bool_)[:, None]
        return (self._rows > 0) & (~weighed | (self._weight > 0))

    def _combined(self, index: int, where: BoolArray) -> float | None:
        use = where & self._reported()[index]
        if not use.any():
            return None
        match self.outcomes[index].combine:
            case "sum":
                return float(self._sum[index, use].sum())
            case "mean":
                return float(self._weighted[index, use].sum() / self._weight[index, use].sum())
            case "max":
                return float(self._high[index, use].max())
            case "min":
                return float(self._low[index, use].min())

    def _check(self, rows: OutcomeRows) -> None:
        sizes = {len(rows.outcome), len(rows.area), len(rows.value), len(rows.weight)}
        if len(sizes) > 1:
            raise ValueError(f"outcome rows have columns of different lengths {sorted(sizes)}; nothing was counted")
        tests = (
            (
                "outcome",
                rows.outcome,
                (rows.outcome < 0) | (rows.outcome >= len(self.outcomes)),
                f"0 to {len(self.outcomes) - 1}",
            ),
            ("area", rows.area, (rows.area < 0) | (rows.area >= len(self.areas)), f"0 to {len(self.areas) - 1}"),
            ("value", rows.value, ~np.isfinite(rows.value), "a finite number"),
            ("weight", rows.weight, ~(np.isfinite(rows.weight) & (rows.weight >= 0)), "a finite number, 0 or more"),
        )
        for column, values, bad, allowed in tests:
            if bad.any():
                row = int(np.flatnonzero(bad)[0])
                position = int(rows.outcome[row])
                name = self.outcomes[position].name if 0 <= position < len(self.outcomes) else "unknown"
                raise ValueError(
                    f"outcome {name}: row {row} has {column} {values[row]}, allowed is {allowed}; "
                    f"nothing of these {len(rows.value)} rows was counted"
                )
