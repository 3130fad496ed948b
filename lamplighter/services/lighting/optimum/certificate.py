# SPDX-License-Identifier: Apache-2.0
"""A lower bound that anybody can check: weak duality of linear programmes, in a dozen lines and without a solver.

For any weights y >= 0, every x within its bounds with G x >= h has w x >= y h + the least of (w - y G) x over the bounds.
"""

import numpy as np

from lamplighter.services.lighting.optimum.rows import Rows
from lamplighter.terms.columns import FloatArray


def bound_w(rows: Rows, power_w: FloatArray, low: FloatArray, high: FloatArray, weight: FloatArray) -> float:
    """Return a power that no lawful output within low to high (unknowns,) goes below.

    power_w (unknowns,): watts per unknown; weight (m,): of each row, negative ones count as 0. The better the weights the
    closer the bound; wrong ones give a low bound, never a wrong one.
    """
    y = np.maximum(weight, 0.0)
    reduced = power_w - y @ rows.matrix
    return float(y @ rows.right + np.minimum(reduced * low, reduced * high).sum())
