# SPDX-License-Identifier: Apache-2.0
"""Street lights: every street in its lighting class by computation, at the least output in common steps per cell."""

from lamplighter.services.lighting import (
    adaptive,
    baseline,
    build,
    interlock,
    outage,
    outcomes,
    prepared,
    synthetic,
    telling,
    terms,
    wire,
)
from lamplighter.terms.service import Service

SERVICE = Service(
    name=build.SERVICE_NAME,
    title="Street lighting",
    doc=(
        "Lamps burn dusk to dawn by a calendar of their own. From counted traffic lamplighter computes the lighting class "
        "that each street needs (CEN/TR 13201-1) and the least output that keeps it there (EN 13201-2 and -3)."
    ),
    kinds=terms.KINDS,
    quantities=terms.QUANTITIES,
    actions=terms.ACTIONS,
    reasons=terms.REASONS,
    tables=terms.TABLES,
    settings=terms.Settings,
    cadence_s=terms.CADENCE_S,
    fresh_s=2.5 * terms.CADENCE_S,
    reads=(terms.FLOW, outage.ENERGISED),
    after=(),
    build=build.build,
    prepare=prepared.prepare,
    start=adaptive.start,
    decode=wire.decode,
    encode=wire.encode,
    adaptive=adaptive.decide,
    baseline=baseline.decide,
    interlocks=interlock.INTERLOCKS,
    outcome_names=terms.OUTCOMES,
    outcomes=outcomes.compute,
    explain=telling.explain,
    simulator="lamplighter.services.lighting.simulator:open_simulator",
    commands="lamplighter.services.lighting.commands:lighting",
    layers=terms.LAYERS,
    synthetic=synthetic.synthetic,
    describe=telling.describe,
    record=terms.RECORD,
    derive=telling.derive,
    dialects={"talq": "lamplighter.services.lighting.talq.dialect:open_cms"},
)
