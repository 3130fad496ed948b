# SPDX-License-Identifier: Apache-2.0
"""What may be measured: a closed vocabulary, one unit per quantity, for ever."""

from dataclasses import dataclass
from typing import Literal

QuantityKind = Literal["instant", "mean", "total"]


@dataclass(frozen=True)
class Quantity:
    """One word of the closed vocabulary.

    A value travels as an integer count of `step`; `low` and `high` bound it in the stated unit. `of` names
    the asset kind that may report it. `window_min_s` is the shortest window it may describe.
    """

    name: str
    unit: str
    step: float
    low: float
    high: float
    kind: QuantityKind
    window_min_s: int
    of: str
    doc: str

    def __post_init__(self) -> None:
        if not self.step > 0 or not self.low < self.high:
            raise ValueError(f"quantity {self.name}: step {self.step} must be above 0 and low {self.low} below high {self.high}")
        if self.window_min_s < 1:
            raise ValueError(f"quantity {self.name}: window_min_s {self.window_min_s} must be at least 1")
