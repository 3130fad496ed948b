# SPDX-License-Identifier: Apache-2.0
"""Whether limits and reactive power hold together: the check's own power flow of everything permitted at once."""

from typing import Protocol

import numpy as np

from lamplighter.services.grid.interlock.flow import SETTLED_KW, U_COLLAPSED, branch_flow, gathered
from lamplighter.terms.columns import AnyArray, BoolArray, FloatArray, IntArray

POWER_FACTOR_LEAST = 0.9  # an inverter is asked for no more beside what it draws
ROUNDING = 1e-6


class Forest(Protocol):
    """Rows (n,) of a radial grid, parents before children: the series impedance of the branch above each, its rating, and what is
    held at a source. As of a tree whose low side counts per unit of its own rated voltage and 1 kVA."""

    @property
    def parent(self) -> IntArray:
        """Row above (n,), -1 at a source."""
        ...

    @property
    def z_pu(self) -> AnyArray:
        """Series impedance (n,)."""
        ...

    @property
    def gain_ratio(self) -> FloatArray:
        """Voltage below over voltage above without demand (n,)."""
        ...

    @property
    def rating_kva(self) -> FloatArray:
        """Rating (n,), inf where none."""
        ...

    @property
    def is_line(self) -> BoolArray:
        """Whether the branch above is a line (n,)."""
        ...

    @property
    def source_pu(self) -> FloatArray:
        """Voltage held at a source (n,)."""
        ...

    @property
    def idle_kva(self) -> FloatArray:
        """What the transformer above a row takes by itself (n,)."""
        ...


def holds(
    forest: Forest, other_kva: AnyArray, charging: tuple[FloatArray, FloatArray], band_pu: tuple[float, float], loading_max: float
) -> bool:
    """Return whether all voltages stay in the band and no branch passes so much of its rating.

    other_kva (n,): what is not charging; charging: kW drawn and kvar supplied at rows (n,), each row's supply within
    the least power factor beside what it draws.
    """
    drawn_kw, supplied_kvar = charging
    tan = np.sqrt(1.0 / POWER_FACTOR_LEAST**2 - 1.0)
    if bool((supplied_kvar < -ROUNDING).any()) or bool((supplied_kvar > tan * drawn_kw + ROUNDING).any()):
        return False
    z = np.asarray(forest.z_pu, np.complex128)
    r, x = z.real.copy(), z.imag.copy()
    demand = (np.real(other_kva).copy(), np.imag(other_kva) - supplied_kvar, gathered(forest.parent, drawn_kw))
    network = (r, x, forest.gain_ratio, forest.source_pu)
    p, q, u, change = branch_flow(forest.parent, network, demand, np.zeros(len(r)))
    if change > SETTLED_KW or float(u.min()) < band_pu[0] or float(u.max()) > band_pu[1]:
        return False
    amps = np.hypot(p, q) / np.maximum(u, U_COLLAPSED)
    above = np.where(forest.parent >= 0, u[forest.parent], 1.0)
    upper = amps * forest.gain_ratio + forest.idle_kva * above
    amps = np.where(forest.is_line, amps, np.maximum(amps, upper * np.maximum(above, 1.0)))
    return not bool((amps > loading_max * forest.rating_kva).any())
