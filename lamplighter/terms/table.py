# SPDX-License-Identifier: Apache-2.0
"""How a service describes the tables of a city folder, so that one reader checks and documents them all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lamplighter.terms.columns import AnyArray

ColumnKind = Literal["text", "int", "float", "bool"]
Table = Mapping[str, AnyArray]


@dataclass(frozen=True)
class ColumnSpec:
    """One column: its unit is the ending of its name. `refers_to` is `table.column`, `assets` or `streets`."""

    name: str
    kind: ColumnKind
    doc: str
    low: float | None = None
    high: float | None = None
    one_of: tuple[str, ...] = ()
    refers_to: str | None = None
    optional: bool = False


@dataclass(frozen=True)
class TableSpec:
    """One CSV file `<service>/<name>.csv` of a city folder. `key` names the columns that together are unique."""

    name: str
    doc: str
    columns: tuple[ColumnSpec, ...]
    key: tuple[str, ...]
