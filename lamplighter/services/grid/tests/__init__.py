# SPDX-License-Identifier: Apache-2.0
"""Tests of the grid service: theory, independent engines, properties and a golden evening."""
