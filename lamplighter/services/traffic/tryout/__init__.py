# SPDX-License-Identifier: Apache-2.0
"""Timing plans tried out: counts taken from a simulated street, and the same demand run under old and new plans."""
