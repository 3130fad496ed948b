# SPDX-License-Identifier: Apache-2.0
"""What a service counts for the record, box by box, and how finely it may be kept.

A box is one asset that is steered (a signal_controller). Its users are counted in cells (each street before an
intersection; all crossings of an intersection together); its parts are what it can do (stages). The service adds up,
tick by tick, in memory. The recorder takes the sums out at the end of each window and keeps them as finely as the
number of users allows: few users are put together with their neighbours', or not kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from lamplighter.terms.columns import AnyArray, BoolArray, IntArray, TextArray
from lamplighter.terms.snapshot import Snapshot

# The kinds of cells: a street before a box; all crossings at a box together.
APPROACH, CROSSINGS = "approach", "crossings"


@dataclass(frozen=True)
class Account:
    """One thing that is counted; the unit ends the name. combine: how windows and cells become one.

    of "cell": about users. of "box": about the box itself, and nothing that its users do may show in it. of "part": how
    long and how often a part ran. shaped: tells what ran when, so that a lone user could be told from none by it; it is kept
    only where every cell of the box had enough users. Parts always are.
    """

    name: str
    of: Literal["cell", "box", "part"]
    combine: Literal["sum", "max"]
    doc: str
    shaped: bool = False


@dataclass(frozen=True)
class Cells:
    """The boxes of a city (b,), their cells (c,) and parts (p,), each sorted by box.

    box_asset: city positions; box_name: asset ids; box_area. cell_box, part_box: positions in the boxes; cell_name: unique
    within box and kind; cell_kind: APPROACH or CROSSINGS; part_name. strict (b,): some part serves one kind of
    cell alone, so that what is shaped here needs enough users in the cells of every kind.
    """

    box_asset: IntArray
    box_name: TextArray
    box_area: TextArray
    cell_box: IntArray
    cell_name: TextArray
    cell_kind: TextArray
    part_box: IntArray
    part_name: TextArray
    strict: BoolArray


@dataclass(frozen=True)
class Tallied:
    """Sums so far, one column per account, in its unit, in the order declared: cell (c, j), box (b, k), part (p, l); floats.

    memory: what the service remembers from tick to tick; the sums start again from zero in every window, this goes on.
    """

    cell: AnyArray
    box: AnyArray
    part: AnyArray
    memory: Any


@dataclass(frozen=True)
class Accounting:
    """How a service counts: its accounts, which of them counts users, its cells, and the tally of one more tick, pure.

    tally(snapshot, tallied or None at first, prepared) -> tallied.
    """

    accounts: tuple[Account, ...]
    users: str
    cells: Callable[[Any], Cells]
    tally: Callable[[Snapshot, Tallied | None, Any], Tallied]

    def of(self, what: str) -> tuple[Account, ...]:
        """Return the accounts of one kind of row, in order."""
        return tuple(account for account in self.accounts if account.of == what)
