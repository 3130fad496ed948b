# SPDX-License-Identifier: Apache-2.0
"""The city's own inverters over SunSpec Modbus: found, compared with the city's table, given set-points that they end
themselves, and read back."""

from lamplighter.services.grid.sunspec.inverters import open_dialect

__all__ = ["open_dialect"]
