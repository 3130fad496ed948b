# SPDX-License-Identifier: Apache-2.0
"""Photometry of straight roads after EN 13201-3: luminance, uniformity, glare, edge ratio and illuminance."""
