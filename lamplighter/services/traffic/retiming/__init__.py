# SPDX-License-Identifier: Apache-2.0
"""Timing plans from counts: plan periods, cycles, splits, stage order and offsets for boxes that run on their own."""
