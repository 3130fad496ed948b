# SPDX-License-Identifier: Apache-2.0
"""`lamplighter lighting ...`: what can be asked of the photometry from the command line."""

from lamplighter.services.lighting.commands.check import check
from lamplighter.services.lighting.commands.compare import compare
from lamplighter.services.lighting.commands.curve import curve
from lamplighter.services.lighting.commands.design import design
from lamplighter.services.lighting.commands.export import export
from lamplighter.services.lighting.commands.faults import faults
from lamplighter.services.lighting.commands.group import lighting
from lamplighter.services.lighting.commands.least import least
from lamplighter.services.lighting.commands.ledger import ledger
from lamplighter.services.lighting.commands.night import night
from lamplighter.services.lighting.commands.plot import plot
from lamplighter.services.lighting.commands.residents import residents
from lamplighter.services.lighting.commands.talq import talq
from lamplighter.services.lighting.commands.timetable import timetable

for command in (
    check, compare, curve, design, export, faults, least, ledger, night, plot, residents, talq, timetable,
):  # fmt: skip
    lighting.add_command(command)

__all__ = ["lighting"]
