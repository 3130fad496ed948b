# SPDX-License-Identifier: Apache-2.0
"""Sound signal plans derived from a road network: groups, stages, intergreens, own programmes, detectors."""
