# SPDX-License-Identifier: Apache-2.0
"""How luminaires may stand along a straight road, what each way gives, and which is best: one search for cities and designers."""
