# SPDX-License-Identifier: Apache-2.0
"""The record plane: DuckDB behind one writer, append-only, rolled up, kept no longer than stated.

What may be written is a closed list of tables of aggregates. Their floors are constants here; a city can
only tighten them. Values of the control plane have no way in: a row states its window, its group and how many
assets the group holds, and `append` refuses what lies below a floor.
"""

from lamplighter.history.rollup import Groups, RollUp, by_area
from lamplighter.history.store import History, HistoryInUseError, HistoryStatus, HistoryUnreadableError
from lamplighter.history.tables import FLOORS, TABLES, BelowFloorError, Floor, RecordTable, RowsRefusedError

__all__ = [
    "FLOORS",
    "TABLES",
    "BelowFloorError",
    "Floor",
    "Groups",
    "History",
    "HistoryInUseError",
    "HistoryStatus",
    "HistoryUnreadableError",
    "RecordTable",
    "RollUp",
    "RowsRefusedError",
    "by_area",
]
