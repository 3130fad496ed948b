# SPDX-License-Identifier: Apache-2.0
"""Readers: each makes a Network of one kind of file, units converted here and nowhere else. `load_grid` finds the right one."""

from lamplighter.services.grid.network.readers.city import network_of
from lamplighter.services.grid.network.readers.load import city_folder, has_year, is_city, load_grid, load_year

__all__ = ["city_folder", "has_year", "is_city", "load_grid", "load_year", "network_of"]
