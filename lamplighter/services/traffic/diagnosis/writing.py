# SPDX-License-Identifier: Apache-2.0
"""The sums of a log as JSON: measures, coordination diagrams, verdicts on detectors, findings."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lamplighter.services.traffic.diagnosis import measures as m
from lamplighter.services.traffic.diagnosis.diagnosing import BoxSums
from lamplighter.services.traffic.diagnosis.findings import findings
from lamplighter.services.traffic.diagnosis.health import WORDS, judge
from lamplighter.services.traffic.diagnosis.tally import CYCLE_BIN_S
from lamplighter.terms.columns import AnyArray


def _lists(table: Mapping[str, AnyArray]) -> dict[str, list[Any]]:
    return {name: column.tolist() for name, column in table.items()}


def _coordination(sums: BoxSums) -> list[dict[str, Any]]:
    """Return per quarter of the day and signal_group the arrivals by second of the cycle, where there are enough."""
    day, group = np.nonzero(sums.tally.coordination.sum(axis=2) >= m.FEW)
    minutes = sums.rules.quarter_ms // 60_000
    return [
        {
            "of_day_min": quarter * minutes,
            "group": number,
            "step_s": CYCLE_BIN_S,
            "arrivals_veh": _ended(sums.tally.coordination[quarter, number]),
        }
        for quarter, number in zip(day.tolist(), group.tolist(), strict=True)
    ]


def _ended(counts: AnyArray) -> list[int]:
    """Return the counts up to the last that is not zero."""
    filled = np.flatnonzero(counts)
    return counts[: int(filled[-1]) + 1 if len(filled) else 0].tolist()


def document(boxes: Mapping[str, BoxSums], simulated: bool = False) -> dict[str, Any]:
    """Return what `lamplighter traffic diagnose --json` writes. Times are local seconds since 1970, as the box wrote them."""
    return {
        "simulated": simulated,
        "boxes": {
            name: {
                "begin_s": sums.first_ms / 1000,
                "end_s": sums.last_ms / 1000,
                "quarter_s": sums.rules.quarter_ms / 1000,
                "folded": sums.rules.folded,
                "dropped": dict(sums.dropped),
                "withheld_quarters": m.withheld(sums),
                "findings": list(findings(sums)),
                "measures": {table: _lists(columns) for table, columns in m.measures(sums).items()},
                "coordination": _coordination(sums),
                "detector_health": {**_lists(judge(sums)), "words": list(WORDS)},
            }
            for name, sums in boxes.items()
        },
    }
