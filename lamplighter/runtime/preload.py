# SPDX-License-Identifier: Apache-2.0
"""Loaded by the server of processes, nowhere else: importing it finds the services, so that no child has to."""

from lamplighter.services import discover

SERVICES = discover()
