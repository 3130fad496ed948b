# SPDX-License-Identifier: Apache-2.0
import pytest

from lamplighter.services.lighting import SERVICE
from lamplighter.services.lighting.terms import Settings
from lamplighter.services.lighting.tests.small import Small, made


@pytest.fixture(scope="session")
def small() -> Small:
    city = made(Settings(lamp_fault_share=0.0))
    return Small(city, SERVICE.prepare(city))
