# SPDX-License-Identifier: Apache-2.0
"""Readers: each makes a Network of one kind of file, units converted here and nowhere else. `load_grid` finds the right one."""

from lamplighter.services.grid.network.readers.load import load_grid

__all__ = ["load_grid"]
