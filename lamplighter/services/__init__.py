# SPDX-License-Identifier: Apache-2.0
"""The services of the city, found by looking in this folder: each sub-package with a SERVICE is one."""

import importlib
import pkgutil
from functools import cache

from lamplighter.terms.service import Service


def names() -> tuple[str, ...]:
    """Return the names of the service folders, sorted, without loading any."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg))


@cache
def discover() -> tuple[Service, ...]:
    """Return every service found in this folder, sorted by name."""
    found: list[Service] = []
    for name in names():
        service = getattr(importlib.import_module(f"{__name__}.{name}"), "SERVICE", None)
        if isinstance(service, Service):
            found.append(service)
    return tuple(sorted(found, key=lambda service: service.name))
