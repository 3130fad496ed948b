# SPDX-License-Identifier: Apache-2.0
"""Flow on streets that nobody counts, from those that are counted: conservation at intersections, and only sums."""
