# SPDX-License-Identifier: Apache-2.0
"""Pictures of light over a road, written as SVG, so that an engineer sees the pattern behind the figures."""
