# SPDX-License-Identifier: Apache-2.0
"""What all tests share: how hard properties are tried, and where foreign data is found."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parent

# One thread per process: pytest runs one process per core already, and sums stay in one order.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# Kernels compile within the first example, so no example has a deadline. At a desk the examples are the same each time.
slow_start = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("test", deadline=None, derandomize=True, suppress_health_check=slow_start)
settings.register_profile("campaign", deadline=None, max_examples=10_000, suppress_health_check=slow_start)
settings.load_profile(os.environ.get("LAMPLIGHTER_HYPOTHESIS", "test"))


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of foreign data beside the checkout; skips the test where it is absent."""
    folder = Path(os.environ.get("LAMPLIGHTER_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"needs foreign data in {folder}; LAMPLIGHTER_SHARED names another folder")
    return folder
