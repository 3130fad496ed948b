# SPDX-License-Identifier: Apache-2.0
"""Runs a city's traffic signals, street lights and power grid from aggregate measurements."""

__version__ = "0.1.0"
