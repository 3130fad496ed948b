# SPDX-License-Identifier: Apache-2.0
"""Array types, named once, so that every signature says what it carries."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
TextArray = NDArray[np.str_]
AnyArray = NDArray[Any]


def frozen(array: AnyArray) -> AnyArray:
    """Return the array itself, made read-only, so that a shared table cannot change under a reader."""
    array.setflags(write=False)
    return array
