# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the model of a grid, as far as its meters tell: customers' line phases, link boxes, cables."""
