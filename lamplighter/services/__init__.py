# SPDX-License-Identifier: Apache-2.0
"""The services of the city, found by looking in this folder: each sub-package with a SERVICE is one."""

import importlib
import pkgutil
from functools import cache

from lamplighter.terms.service import Service


@cache
def discover() -> tuple[Service, ...]:
    """Return every service found in this folder, sorted by name."""
    found: list[Service] = []
    for module in pkgutil.iter_modules(__path__):
        if module.ispkg:
            package = importlib.import_module(f"{__name__}.{module.name}")
            service = getattr(package, "SERVICE", None)
            if isinstance(service, Service):
                found.append(service)
    return tuple(sorted(found, key=lambda service: service.name))
