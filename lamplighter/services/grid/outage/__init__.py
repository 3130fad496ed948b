# SPDX-License-Identifier: Apache-2.0
"""Outages: which assets of the city are believed dark, how a simulated cable fails, and who is supplied again first."""
