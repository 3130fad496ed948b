# SPDX-License-Identifier: Apache-2.0
"""Resources of TALQ 2.7.1 that neither side keeps: type catalogues, DALI types, data packages. They read as empty.

They are optional in the lighting profile. A request to add to them is refused, so that nobody believes that it was kept.
"""

from collections.abc import Callable
from typing import Literal

from lamplighter.services.lighting.talq.protocol import Call, Reply, Route, refuse
from lamplighter.services.lighting.talq.shape import Record, Rows

_TYPES = {
    "bracket-types": "bracketTypeAddress",
    "controller-types": "controllerTypeAddress",
    "driver-types": "driverTypeAddress",
    "lamp-types": "lampTypeAddress",
    "luminaire-types": "luminaireTypeAddress",
    "control-device-dali-part103-types": "controlDeviceDaliPart103TypeAddress",
    "control-gear-dali-part102-types": "controlGearDaliPart102TypeAddress",
    "luminaire-data-dali-part251-types": "luminaireDataDaliPart251TypeAddress",
    "energy-data-dali-part252-types": "energyDataDaliPart252TypeAddress",
    "diagnostics-and-maintenance-data-dali-part253-types": "diagnosticsAndMaintenanceDataDaliPart253TypeAddress",
    "luminaire-mounted-control-device-dali-part351-types": "luminaireMountedControlDeviceDaliPart351TypeAddress",
}
_ANYTHING = Record()


def unsupported(known: Callable[[Call], object], side: Literal["cms", "gateway"]) -> tuple[Route, ...]:
    """Return the routes of resources that are not kept. known: refuses who is not connected."""

    def empty(call: Call) -> Reply:
        known(call)
        return Reply(200, [])

    def none(call: Call) -> Reply:
        known(call)
        return Reply(200, 0)

    def missing(call: Call) -> Reply:
        known(call)
        refuse(404, "resourceNotFound", "nothing of this kind is kept here")

    def refused(call: Call) -> Reply:
        known(call)
        refuse(422, "serviceConstraintExceeded", "nothing of this kind is kept here; the lighting profile does not need it")

    routes: list[Route] = []
    for name, address in _TYPES.items():
        routes += [
            Route("GET", f"/{name}", empty),
            Route("GET", f"/{name}/count", none),
            Route("GET", f"/{name}/{{{address}}}", missing),
            Route("POST", f"/{name}", refused, Rows(_ANYTHING)),
            Route("PUT", f"/{name}", refused, Rows(_ANYTHING)),
            Route("PUT", f"/{name}/{{{address}}}", refused, _ANYTHING),
            Route("DELETE", f"/{name}/{{{address}}}", missing),
        ]
    routes.append(Route("GET", "/data-packages", empty))
    if side == "cms":
        routes.append(Route("GET", "/data-packages/{packageAddress}", missing))
    else:
        routes.append(Route("PUT", "/data-packages", refused, Rows(_ANYTHING)))
    return tuple(routes)
